//! Finds a program, such as the handler, the way `execvp` will, so that a missing one is a configuration error and not a crash loop.
//!
//! A name with a slash is a path, relative to the working directory; any other is looked for in `PATH`. Access is asked of
//! the kernel (`access(2)`), which knows about root, mounts and ACLs. What the file itself needs is looked for too: the
//! interpreter that a script names, the machine and the loader of a program.

mod elf;
mod foreign;
mod script;

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::unistd::{AccessFlags, access};

/// What is read of a file to know its format.
const HEAD: usize = 256;
/// Where `execvp` looks when there is no `PATH`.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// Why a program can't be executed, and what to do; what it is for stands before it where it is shown.
#[derive(Debug, thiserror::Error)]
pub enum ExecutableError {
    /// The command is empty.
    #[error("\"\" is no name: name an executable")]
    Empty,
    /// A path at which there is nothing.
    #[error("{command} does not exist (looked in {directory}): check the path, or build it first", directory = directory.display())]
    Missing {
        /// The command as given.
        command: String,
        /// The working directory for a relative path, else the folder named.
        directory: PathBuf,
    },
    /// A name that is in no folder of `PATH`.
    #[error(
        "{command} is in no folder of PATH: install it, or write its path (./{command} for one in the working directory)"
    )]
    NotInPath {
        /// The command as given.
        command: String,
    },
    /// A folder.
    #[error("{path} is a folder: name the executable in it", path = path.display())]
    Directory {
        /// What was found.
        path: PathBuf,
    },
    /// Neither a file nor a link to one: a device, socket or pipe.
    #[error("{path} is not a regular file: name an executable", path = path.display())]
    NotAFile {
        /// What was found.
        path: PathBuf,
    },
    /// A file without permission to execute it.
    #[error("{path} is not executable: chmod +x {path}", path = path.display())]
    NotExecutable {
        /// What was found.
        path: PathBuf,
    },
    /// A file that has the permission but stands where nothing may be executed, or a folder on the way is closed to us.
    #[error("{path} can't be executed: {reason}; check the permissions of its folders and the mount's noexec", path = path.display())]
    Denied {
        /// What was found.
        path: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
    /// A script whose first line leads nowhere.
    #[error("{path}: its first line {reason}", path = path.display())]
    Interpreter {
        /// The script.
        path: PathBuf,
        /// What is wrong with the line, and what to do.
        reason: String,
    },
    /// A program of another machine.
    #[error("{path} is a program for {machine}, and this machine is {ours}: install or build it for {ours}",
        path = path.display(), ours = std::env::consts::ARCH)]
    Machine {
        /// The program.
        path: PathBuf,
        /// What it is for.
        machine: String,
    },
    /// A program whose loader is not here: of another C library, mostly.
    #[error("{path} needs the loader {loader}, which is not on this system: install it, or build it for this one's C library",
        path = path.display(), loader = loader.display())]
    Loader {
        /// The program.
        path: PathBuf,
        /// What it needs.
        loader: PathBuf,
    },
    /// Neither a script nor a program.
    #[error("{path} is neither a program nor a script: begin a script with a line such as #!/bin/sh, or name an executable",
        path = path.display())]
    NoFormat {
        /// What was found.
        path: PathBuf,
    },
}

/// Finds the program that `command` names; `path` is the value of `PATH`. A program without its permission is passed
/// over for one in a later folder, as `execvp` does.
pub fn find_executable(command: &str, path: Option<&OsStr>) -> Result<PathBuf, ExecutableError> {
    find(command, path, 0)
}

fn find(command: &str, path: Option<&OsStr>, depth: usize) -> Result<PathBuf, ExecutableError> {
    if command.is_empty() {
        return Err(ExecutableError::Empty);
    }
    if command.contains('/') {
        let place = PathBuf::from(command);
        return match runnable(&place, path, depth)? {
            Program::Found => Ok(place),
            Program::Nothing => {
                Err(ExecutableError::Missing { command: command.to_owned(), directory: looked_in(&place) })
            }
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
            // execvp goes no further than to the first that it may execute.
            Ok(Program::Found) => return contents(&candidate, path, depth).map(|()| candidate),
            Ok(Program::Nothing) => {}
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    Err(refused.unwrap_or_else(|| ExecutableError::NotInPath { command: command.to_owned() }))
}

/// What is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Program {
    Found,
    Nothing,
}

/// Whether there is something at `place` that can be executed, and all that it needs.
fn runnable(place: &Path, path: Option<&OsStr>, depth: usize) -> Result<Program, ExecutableError> {
    let found = check(place)?;
    if found == Program::Found {
        contents(place, path, depth)?;
    }
    Ok(found)
}

/// Whether we may execute what is at `path`, if there is something.
fn check(path: &Path) -> Result<Program, ExecutableError> {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Program::Nothing);
        }
        Err(reason) => return Err(ExecutableError::Denied { path: path.to_owned(), reason }),
    };
    if metadata.is_dir() {
        return Err(ExecutableError::Directory { path: path.to_owned() });
    }
    if !metadata.is_file() {
        return Err(ExecutableError::NotAFile { path: path.to_owned() });
    }
    access(path, AccessFlags::X_OK).map_err(|errno| refusal(path, &metadata, errno))?;
    Ok(Program::Found)
}

/// Whether what the file needs is there. One that we may execute and not read keeps its secret.
fn contents(place: &Path, path: Option<&OsStr>, depth: usize) -> Result<(), ExecutableError> {
    let Ok(file) = fs::File::open(place) else { return Ok(()) };
    let mut head = [0; HEAD];
    let Ok(length) = file.read_at(&mut head, 0) else { return Ok(()) };
    let head = head.get(..length).unwrap_or_default();
    let known = if let Some(line) = head.strip_prefix(b"#!") {
        return script::check(place, line, path, depth);
    } else if head.starts_with(elf::MAGIC) {
        elf::check(&file, head).map_err(|wrong| match wrong {
            elf::Wrong::Machine(machine) => ExecutableError::Machine { path: place.to_owned(), machine },
            elf::Wrong::Loader(loader) => ExecutableError::Loader { path: place.to_owned(), loader },
            elf::Wrong::NotAProgram => ExecutableError::NoFormat { path: place.to_owned() },
        })
    } else {
        Err(ExecutableError::NoFormat { path: place.to_owned() })
    };
    known.or_else(|error| if foreign::runs(place, head) { Ok(()) } else { Err(error) })
}

fn refusal(path: &Path, metadata: &fs::Metadata, errno: Errno) -> ExecutableError {
    use std::os::unix::fs::PermissionsExt as _;
    let path = path.to_owned();
    if errno == Errno::EACCES && metadata.permissions().mode() & 0o111 != 0o111 {
        return ExecutableError::NotExecutable { path };
    }
    ExecutableError::Denied { path, reason: errno.into() }
}

fn looked_in(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if path.is_absolute() => parent.to_owned(),
        _ => std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")),
    }
}
