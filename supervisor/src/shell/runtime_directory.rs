//! Where an instance keeps its socket, its lock and its status pages: `$RUNTIME_DIRECTORY`, else a folder of its name in
//! `/run/kafkavisor` (root), `$XDG_RUNTIME_DIR/kafkavisor`, or `kafkavisor-UID` in the system's temporary folder.

use std::env;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use nix::unistd::{Uid, geteuid};

/// Why there is no runtime directory.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DirectoryError {
    #[error(
        "runtime directory {path}: {source}: set RUNTIME_DIRECTORY to a folder that this user may write to"
    )]
    Io { path: PathBuf, source: io::Error },
    #[error(
        "runtime directory {path} belongs to user {owner}, not to {us}: remove it, or set RUNTIME_DIRECTORY"
    )]
    Owner { path: PathBuf, owner: u32, us: Uid },
    #[error("{path} is no directory: remove it, or set RUNTIME_DIRECTORY")]
    NoDirectory { path: PathBuf },
    #[error(
        "an instance named {name:?} runs already ({path} is locked): stop it, or give this one another --name"
    )]
    Running { name: String, path: PathBuf },
}

/// An instance's own folder, locked while this lives.
#[derive(Debug)]
pub(crate) struct RuntimeDirectory {
    path: PathBuf,
    _lock: Flock<File>,
}

/// The folder that systemd or another supervisor gives us.
fn given() -> Option<PathBuf> {
    let list = env::var_os("RUNTIME_DIRECTORY")?;
    let first = list.as_bytes().split(|b| *b == b':').next()?;
    (!first.is_empty()).then(|| PathBuf::from(std::ffi::OsStr::from_bytes(first)))
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
pub(crate) fn path_of(name: &str) -> PathBuf {
    given().unwrap_or_else(|| base().join(name))
}

/// The folders that are made for the instance `name`, the outer one first.
pub(crate) fn made_for(name: &str) -> Vec<PathBuf> {
    given().map_or_else(|| vec![base(), base().join(name)], |given| vec![given])
}

/// The folders in which instances may be running.
pub(crate) fn candidates() -> Vec<PathBuf> {
    if let Some(given) = given() {
        return vec![given];
    }
    let Ok(entries) = fs::read_dir(base()) else { return Vec::new() };
    let mut folders: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    folders.sort();
    folders
}

fn make_private(path: &Path) -> Result<(), DirectoryError> {
    let io = |source| DirectoryError::Io { path: path.to_owned(), source };
    if path.exists() && !path.is_dir() {
        return Err(DirectoryError::NoDirectory { path: path.to_owned() });
    }
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(io)?;
    let metadata = fs::symlink_metadata(path).map_err(io)?;
    if !metadata.is_dir() {
        return Err(DirectoryError::NoDirectory { path: path.to_owned() });
    }
    if metadata.uid() != geteuid().as_raw() {
        return Err(DirectoryError::Owner { path: path.to_owned(), owner: metadata.uid(), us: geteuid() });
    }
    fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(io)
}

impl RuntimeDirectory {
    /// Makes the folder of the instance `name`, checks that it is ours, and locks it.
    pub(crate) fn take(name: &str) -> Result<Self, DirectoryError> {
        let path = path_of(name);
        made_for(name).iter().try_for_each(|folder| make_private(folder))?;
        let lock = path.join("lock");
        let io = |source| DirectoryError::Io { path: lock.clone(), source };
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&lock)
            .map_err(io)?;
        let running = |_| DirectoryError::Running { name: name.to_owned(), path: lock.clone() };
        let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(running)?;
        Ok(Self { path, _lock: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where the control socket is unless configured.
    pub(crate) fn socket(&self) -> PathBuf {
        socket_in(&self.path)
    }
}

/// The control socket in an instance's folder.
pub(crate) fn socket_in(folder: &Path) -> PathBuf {
    folder.join("control.sock")
}
