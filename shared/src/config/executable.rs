//! Finds the handler the way `execvp` will, so that a missing one is a configuration error and not a crash loop.
//!
//! A name with a slash is a path, relative to the working directory; any other is looked for in `PATH`. Access is asked of
//! the kernel (`access(2)`), which knows about root, mounts and ACLs.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::unistd::{AccessFlags, access};

/// Where `execvp` looks when there is no `PATH`.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// Why a handler can't be executed, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum HandlerError {
    /// The command is empty.
    #[error("the handler's name is empty: name an executable")]
    Empty,
    /// A path at which there is nothing.
    #[error("handler {command} does not exist (looked in {directory}): check the path, or build it first", directory = directory.display())]
    Missing {
        /// The command as given.
        command: String,
        /// The working directory for a relative path, else the folder named.
        directory: PathBuf,
    },
    /// A name that is in no folder of `PATH`.
    #[error(
        "handler {command} is in no folder of PATH: install it, or write its path (./{command} for one in the working directory)"
    )]
    NotInPath {
        /// The command as given.
        command: String,
    },
    /// A folder.
    #[error("handler {path} is a folder: name the executable in it", path = path.display())]
    Directory {
        /// What was found.
        path: PathBuf,
    },
    /// Neither a file nor a link to one: a device, socket or pipe.
    #[error("handler {path} is not a regular file: name an executable", path = path.display())]
    NotAFile {
        /// What was found.
        path: PathBuf,
    },
    /// A file without permission to execute it.
    #[error("handler {path} is not executable: chmod +x {path}", path = path.display())]
    NotExecutable {
        /// What was found.
        path: PathBuf,
    },
    /// A file that has the permission but stands where nothing may be executed, or a folder on the way is closed to us.
    #[error("handler {path} can't be executed: {reason}; check the permissions of its folders and the mount's noexec", path = path.display())]
    Denied {
        /// What was found.
        path: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
}

/// Finds the program that `command` names; `path` is the value of `PATH`. A program without its permission is passed
/// over for one in a later folder, as `execvp` does.
pub fn find_executable(command: &str, path: Option<&OsStr>) -> Result<PathBuf, HandlerError> {
    if command.is_empty() {
        return Err(HandlerError::Empty);
    }
    if command.contains('/') {
        let path = PathBuf::from(command);
        return match check(&path) {
            Ok(true) => Ok(path),
            Ok(false) => {
                Err(HandlerError::Missing { command: command.to_owned(), directory: looked_in(&path) })
            }
            Err(error) => Err(error),
        };
    }
    let mut refused = None;
    for directory in std::env::split_paths(path.unwrap_or(OsStr::new(DEFAULT_PATH))) {
        let candidate = if directory.as_os_str().is_empty() {
            Path::new(".").join(command)
        } else {
            directory.join(command)
        };
        match check(&candidate) {
            Ok(true) => return Ok(candidate),
            Ok(false) => {}
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    Err(refused.unwrap_or_else(|| HandlerError::NotInPath { command: command.to_owned() }))
}

/// Whether there is an executable at `path`: false when there is nothing.
fn check(path: &Path) -> Result<bool, HandlerError> {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(false);
        }
        Err(reason) => return Err(HandlerError::Denied { path: path.to_owned(), reason }),
    };
    if metadata.is_dir() {
        return Err(HandlerError::Directory { path: path.to_owned() });
    }
    if !metadata.is_file() {
        return Err(HandlerError::NotAFile { path: path.to_owned() });
    }
    access(path, AccessFlags::X_OK).map_err(|errno| refusal(path, &metadata, errno))?;
    Ok(true)
}

fn refusal(path: &Path, metadata: &fs::Metadata, errno: Errno) -> HandlerError {
    use std::os::unix::fs::PermissionsExt as _;
    let path = path.to_owned();
    if errno == Errno::EACCES && metadata.permissions().mode() & 0o111 != 0o111 {
        return HandlerError::NotExecutable { path };
    }
    HandlerError::Denied { path, reason: errno.into() }
}

fn looked_in(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if path.is_absolute() => parent.to_owned(),
        _ => std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")),
    }
}
