//! An ELF file's header: for which machine it is, and which loader it needs. Little is read, and nothing is believed.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// What every ELF file begins with.
pub(super) const MAGIC: &[u8] = b"\x7fELF";
const CLASS: usize = 4;
const DATA: usize = 5;
const TYPE: u64 = 16;
const MACHINE: u64 = 18;
const EXECUTABLE: u64 = 2;
const SHARED: u64 = 3;
const LOADER: u64 = 3;
/// More program headers than any loader reads, and longer paths.
const MOST_HEADERS: u64 = 512;
const LONGEST_PATH: u64 = 4096;

/// `e_machine` of the systems that are met, and their names.
const MACHINES: &[(u64, &str)] = &[
    (3, "x86"),
    (8, "mips"),
    (20, "powerpc"),
    (21, "powerpc64"),
    (22, "s390x"),
    (40, "arm"),
    (62, "x86_64"),
    (183, "aarch64"),
    (243, "riscv64"),
    (258, "loongarch64"),
];

/// What is wrong with an ELF file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// It is for another machine.
    Machine(String),
    /// It is an object, a core dump, or cut off.
    NotAProgram,
    /// Its loader is not there.
    Loader(PathBuf),
}

struct Elf<'a> {
    file: &'a File,
    wide: bool,
    little: bool,
}

/// Checks the program in `file`, whose first bytes are `head`.
pub(super) fn check(file: &File, head: &[u8]) -> Result<(), Wrong> {
    let elf = Elf { file, wide: head.get(CLASS) == Some(&2), little: head.get(DATA) != Some(&2) };
    let machine = elf.number(MACHINE, 2).ok_or(Wrong::NotAProgram)?;
    let ours = std::env::consts::ARCH;
    let name = MACHINES.iter().find(|(number, _)| *number == machine).map(|(_, name)| *name);
    // The same machines run their 32-bit ancestors' programs, where the loader is there.
    let ancestor = matches!((ours, name), ("x86_64", Some("x86")) | ("aarch64", Some("arm")));
    // A name of ours that is not in the table: nothing can be said.
    let known = MACHINES.iter().any(|(_, name)| *name == ours);
    if known && name != Some(ours) && !ancestor {
        return Err(Wrong::Machine(name.map_or_else(|| format!("machine {machine}"), str::to_owned)));
    }
    if !matches!(elf.number(TYPE, 2), Some(EXECUTABLE | SHARED)) {
        return Err(Wrong::NotAProgram);
    }
    match elf.loader() {
        Some(loader) if !loader.exists() => Err(Wrong::Loader(loader)),
        _ => Ok(()),
    }
}

impl Elf<'_> {
    fn bytes(&self, at: u64, length: u64) -> Option<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(length).ok()?];
        self.file.read_exact_at(&mut bytes, at).ok()?;
        Some(bytes)
    }

    fn number(&self, at: u64, length: u64) -> Option<u64> {
        let bytes = self.bytes(at, length)?;
        let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        Some(if self.little { bytes.iter().rev().fold(0, add) } else { bytes.iter().fold(0, add) })
    }

    /// The loader's path; a static program has none.
    fn loader(&self) -> Option<PathBuf> {
        let (first, size, count) = if self.wide {
            (self.number(32, 8)?, self.number(54, 2)?, self.number(56, 2)?)
        } else {
            (self.number(28, 4)?, self.number(42, 2)?, self.number(44, 2)?)
        };
        for index in 0..count.min(MOST_HEADERS) {
            let header = first.checked_add(index * size)?;
            if self.number(header, 4)? == LOADER {
                let (at, length) = if self.wide {
                    (self.number(header + 8, 8)?, self.number(header + 32, 8)?)
                } else {
                    (self.number(header + 4, 4)?, self.number(header + 16, 4)?)
                };
                let bytes = self.bytes(at, length.min(LONGEST_PATH))?;
                let text = bytes.split(|byte| *byte == 0).next()?;
                return Some(Path::new(std::str::from_utf8(text).ok()?).to_owned());
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn checked(bytes: &[u8]) -> Result<(), Wrong> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        check(&file, bytes)
    }

    #[test]
    fn our_own_program_is_one_and_with_another_machine_or_type_it_is_none() {
        let mut bytes = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        bytes.truncate(64 * 1024);
        assert_eq!(checked(&bytes), Ok(()));
        let mut other = bytes.clone();
        let foreign = if std::env::consts::ARCH == "s390x" { 62 } else { 22 };
        other[18..20].copy_from_slice(&[foreign, 0]);
        assert!(matches!(checked(&other), Err(Wrong::Machine(_))));
        other.clone_from(&bytes);
        other[16] = 1;
        assert_eq!(checked(&other), Err(Wrong::NotAProgram));
        assert_eq!(checked(&bytes[..10]), Err(Wrong::NotAProgram));
        let loader = bytes.windows(4).position(|at| at == b"/lib").unwrap();
        bytes[loader + 1] = b'L';
        assert!(
            matches!(checked(&bytes), Err(Wrong::Loader(path)) if path.starts_with("/Lib") || path.starts_with("/Lib64"))
        );
    }
}
