//! An instance's runtime directory, made, checked and locked; the library says where it is.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

pub(crate) use kafkavisor::runtime_directory::{candidates, made_for, path_of, socket_in};
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
