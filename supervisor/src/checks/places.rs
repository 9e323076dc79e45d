//! Whether the runtime directory and the control socket can be where they are to be, without making either.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use kafkavisor::config::{Draft, MAX_SOCKET_PATH};
use nix::unistd::{AccessFlags, access, geteuid};

use crate::shell::runtime_directory::{made_for, path_of, socket_in};

/// Notes what is in the way.
pub(super) fn check(draft: &mut Draft) {
    let Some(name) = draft.name.clone() else { return };
    let directory = path_of(&name);
    for folder in made_for(&name) {
        if let Err(why) = makeable(&folder) {
            draft.refuse(&format!("runtime directory {}: {why}", folder.display()));
            break;
        }
    }
    let configured = draft.socket.clone();
    let key = if configured.is_some() { "admin.socket" } else { draft.naming_key() };
    let socket = configured.unwrap_or_else(|| socket_in(&directory));
    let in_ours = socket.parent().is_some_and(|folder| directory.starts_with(folder));
    if let Err(why) = bindable(&socket, in_ours) {
        draft.refuse_value(key, &format!("control socket {}: {why}", socket.display()));
    }
}

/// Whether the folder is ours, or can be made: then the nearest folder above it that is there is one we may write to.
fn makeable(folder: &Path) -> Result<(), String> {
    match fs::symlink_metadata(folder) {
        Ok(there) if !there.is_dir() => {
            return Err("is no directory: remove it, or set RUNTIME_DIRECTORY".to_owned());
        }
        Ok(there) if there.uid() != geteuid().as_raw() => {
            let owner = there.uid();
            return Err(format!(
                "belongs to user {owner}, not to {}: remove it, or set RUNTIME_DIRECTORY",
                geteuid()
            ));
        }
        _ => {}
    }
    let nearest = folder.ancestors().find(|above| fs::symlink_metadata(above).is_ok());
    // A relative path begins where we are.
    writable(nearest.filter(|nearest| !nearest.as_os_str().is_empty()).unwrap_or(Path::new(".")))
        .map_err(|why| format!("{why}: set RUNTIME_DIRECTORY to a folder that this user may write to"))
}

/// Whether a socket can be made at `path`, whose folder must be there unless it is ours and made at start.
fn bindable(path: &Path, in_ours: bool) -> Result<(), String> {
    let length = path.as_os_str().as_bytes().len();
    if length > MAX_SOCKET_PATH {
        let remedy = "set `name` to a shorter one, or `admin.socket` to a shorter path";
        return Err(format!(
            "a socket's path has at most {MAX_SOCKET_PATH} bytes, this one has {length}: {remedy}"
        ));
    }
    let elsewhere = "set `admin.socket` to a path in a folder that exists and that this user may write to";
    match fs::symlink_metadata(path) {
        Ok(there) if !there.file_type().is_socket() => {
            return Err(format!("there is something that is no socket: remove it yourself, or {elsewhere}"));
        }
        _ => {}
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if in_ours {
        return Ok(());
    }
    writable(folder).map_err(|why| format!("{why}: {elsewhere}"))
}

fn writable(folder: &Path) -> Result<(), String> {
    let shown = folder.display();
    match fs::metadata(folder) {
        Ok(there) if !there.is_dir() => return Err(format!("{shown} is no directory")),
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(format!("{shown} does not exist")),
        Err(error) => return Err(format!("{shown}: {error}")),
        Ok(_) => {}
    }
    access(folder, AccessFlags::W_OK | AccessFlags::X_OK)
        .map_err(|errno| format!("{shown} can't be written to ({})", errno.desc()))
}
