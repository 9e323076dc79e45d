//! Where instances keep their socket, their lock and their status pages: `$RUNTIME_DIRECTORY`, else a folder of the instance's name in
//! `/run/kafkavisor` (root), `$XDG_RUNTIME_DIR/kafkavisor`, or `kafkavisor-UID` in the system's temporary folder.
//!
//! Here are the paths alone, for whoever starts an instance and for whoever looks for one.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;

/// The variable by which systemd, or another supervisor, gives a folder: the first of a list, with colons between them.
pub const VARIABLE: &str = "RUNTIME_DIRECTORY";

/// The folder that systemd or another supervisor gives this process, if one does.
pub fn given() -> Option<PathBuf> {
    let list = env::var_os(VARIABLE)?;
    let first = list.as_bytes().split(|b| *b == b':').next()?;
    (!first.is_empty()).then(|| PathBuf::from(OsStr::from_bytes(first)))
}

/// The folder that holds the folders of all instances of this user.
fn base() -> PathBuf {
    if geteuid().is_root() {
        return PathBuf::from("/run/kafkavisor");
    }
    match env::var_os("XDG_RUNTIME_DIR").filter(|dir| !dir.is_empty()) {
        Some(dir) => PathBuf::from(dir).join("kafkavisor"),
        None => env::temp_dir().join(format!("kafkavisor-{}", geteuid())),
    }
}

/// The folder of the instance `name`.
pub fn path_of(name: &str) -> PathBuf {
    given().unwrap_or_else(|| base().join(name))
}

/// The folders that are made for the instance `name`, the outer one first.
pub fn made_for(name: &str) -> Vec<PathBuf> {
    given().map_or_else(|| vec![base(), base().join(name)], |given| vec![given])
}

/// The folders in which instances may be running.
pub fn candidates() -> Vec<PathBuf> {
    if let Some(given) = given() {
        return vec![given];
    }
    let Ok(entries) = fs::read_dir(base()) else { return Vec::new() };
    let mut folders: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    folders.sort();
    folders
}

/// The control socket in an instance's folder, unless `admin.socket` says otherwise.
pub fn socket_in(folder: &Path) -> PathBuf {
    folder.join("control.sock")
}
