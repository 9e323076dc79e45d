//! Where `kafkavisor` is: beside the program that runs, else in `PATH`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::ConsumerGroupError;
use crate::config::find_executable;

const NAME: &str = "kafkavisor";

/// The one to start.
pub(super) fn find() -> Result<PathBuf, ConsumerGroupError> {
    let program = std::env::current_exe()
        .map_err(|error| ConsumerGroupError::system("find this program's own path", error))?;
    find_beside(&program, std::env::var_os("PATH").as_deref())
}

fn find_beside(program: &Path, path: Option<&OsStr>) -> Result<PathBuf, ConsumerGroupError> {
    let beside = program.with_file_name(NAME);
    if let Ok(found) = find_executable(&beside.to_string_lossy(), None) {
        return Ok(found);
    }
    find_executable(NAME, path)
        .map_err(|error| ConsumerGroupError::NoBinary { program: program.to_owned(), error })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn put(folder: &Path) -> PathBuf {
        let path = folder.join(NAME);
        fs::write(&path, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[test]
    fn the_one_beside_us_comes_before_the_one_in_path() {
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (program, path) = (here.path().join("program"), there.path().as_os_str());
        let nowhere = find_beside(&program, Some(path)).unwrap_err().to_string();
        assert!(nowhere.contains("neither beside") && nowhere.contains("install it"), "{nowhere}");
        let in_path = put(there.path());
        assert_eq!(find_beside(&program, Some(path)).unwrap(), in_path);
        let beside = put(here.path());
        assert_eq!(find_beside(&program, Some(path)).unwrap(), beside);
    }
}
