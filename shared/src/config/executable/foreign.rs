//! Formats that this system was taught to run (`binfmt_misc`): Java archives, programs of other machines under an emulator.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

const REGISTERED: &str = "/proc/sys/fs/binfmt_misc";

/// Whether the system runs such a file, by its name or by how it begins.
pub(super) fn runs(path: &Path, head: &[u8]) -> bool {
    let Ok(entries) = fs::read_dir(REGISTERED) else { return false };
    entries
        .flatten()
        .filter_map(|entry| fs::read_to_string(entry.path()).ok())
        .any(|text| meant(&text, path, head))
}

/// Whether the registered format `text` is that of the file.
fn meant(text: &str, path: &Path, head: &[u8]) -> bool {
    let word = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)).map(str::trim);
    if text.lines().next() != Some("enabled") {
        return false;
    }
    if let Some(extension) = word("extension ") {
        return path.extension() == Some(OsStr::new(extension.trim_start_matches('.')));
    }
    let Some(magic) = word("magic ").and_then(bytes) else { return false };
    let mask = word("mask ").and_then(bytes).unwrap_or_else(|| vec![0xff; magic.len()]);
    let at = word("offset ").and_then(|number| number.parse().ok()).unwrap_or(0);
    let found = head.get(at..).unwrap_or_default();
    found.len() >= magic.len()
        && magic.iter().zip(&mask).zip(found).all(|((magic, mask), byte)| byte & mask == magic & mask)
}

fn bytes(hexadecimal: &str) -> Option<Vec<u8>> {
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Option<Vec<u8>> = hexadecimal.as_bytes().chunks(2).map(pair).collect();
    bytes.filter(|bytes| !bytes.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_registered_is_told_by_its_name_or_its_beginning() {
        let emulator =
            "enabled\ninterpreter /usr/bin/qemu-arm\nflags: F\noffset 0\nmagic 7f454c4602\nmask ffffffff00\n";
        assert!(meant(emulator, Path::new("x"), b"\x7fELF\x01 and more"));
        assert!(!meant(emulator, Path::new("x"), b"#!/bin/sh"));
        assert!(!meant(&emulator.replace("enabled", "disabled"), Path::new("x"), b"\x7fELF\x01"));
        let jar = "enabled\ninterpreter /usr/bin/jexec\nflags: \nextension .jar\n";
        assert!(meant(jar, Path::new("h.jar"), b"PK") && !meant(jar, Path::new("h.war"), b"PK"));
        assert!(!meant("enabled", Path::new("status"), b""));
    }
}
