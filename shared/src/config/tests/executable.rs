//! Handlers that are found, and what is said of those that are not.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use super::*;

fn put(folder: &Path, name: &str, mode: u32) -> PathBuf {
    let path = folder.join(name);
    fs::create_dir_all(folder).unwrap();
    fs::write(&path, "#!/bin/sh\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    path
}

#[test]
fn a_path_is_taken_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let good = put(folder.path(), "good", 0o755);
    assert_eq!(find_executable(good.to_str().unwrap(), None).unwrap(), good);
    let link = folder.path().join("link");
    symlink(&good, &link).unwrap();
    assert_eq!(find_executable(link.to_str().unwrap(), None).unwrap(), link);
    assert!(find_executable("src/lib.rs/x", None).is_err(), "relative to the working directory");
}

#[test]
fn a_name_is_looked_for_in_path() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("1"), folder.path().join("2"));
    put(&first, "h", 0o644);
    fs::create_dir_all(first.join("d")).unwrap();
    let good = put(&second, "h", 0o755);
    let path = std::env::join_paths([&first, &second]).unwrap();
    assert_eq!(find_executable("h", Some(&path)).unwrap(), good);
    assert_eq!(find_executable("sh", None).unwrap(), Path::new("/bin/sh"));
    let only_first = find_executable("h", Some(first.as_os_str())).unwrap_err();
    assert!(matches!(only_first, ExecutableError::NotExecutable { .. }), "{only_first}");
    assert!(find_executable("d", Some(first.as_os_str())).unwrap_err().to_string().contains("folder"));
}

#[test]
fn each_failure_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let plain = put(folder.path(), "plain", 0o644);
    let dangling = folder.path().join("dangling");
    symlink("/nonexistent/x", &dangling).unwrap();
    let folder = folder.path().to_str().unwrap();
    let cases = [
        ("", "\"\" is no name".to_owned()),
        ("./no-such-handler", "./no-such-handler does not exist (looked in /".to_owned()),
        (dangling.to_str().unwrap(), "does not exist".to_owned()),
        (
            "no-such-handler",
            "in no folder of PATH: install it, or write its path (./no-such-handler".to_owned(),
        ),
        (folder, "is a folder".to_owned()),
        ("/dev/null", "not a regular file".to_owned()),
        (plain.to_str().unwrap(), format!("{0} is not executable: chmod +x {0}", plain.display())),
    ];
    for (command, expected) in cases {
        let message = find_executable(command, Some(OsStr::new("/nonexistent"))).unwrap_err().to_string();
        assert!(message.contains(&expected), "{command}: {message}");
    }
}

#[test]
fn what_a_script_or_a_program_needs_must_be_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("handler");
    let ours = fs::read(std::env::current_exe().unwrap()).unwrap();
    let mut foreign = ours.get(..4096).unwrap().to_vec();
    foreign[18..20].copy_from_slice(&[22, 0]);
    let cases: [(&[u8], &str); 11] = [
        (b"#!/bin/sh\r\necho\r\n", "its first line ends with a carriage return"),
        (b"#!/usr/bin/env sh\r\n", "its first line ends with a carriage return"),
        (b"#!/nonexistent/python3 -u\nx", "names /nonexistent/python3, which does not exist: install it"),
        (b"#!/usr/bin/env python9\n", "asks env for \"python9\", which it will not find"),
        (b"#!/usr/bin/env sh -e\n", "(for arguments write env -S)"),
        (b"#!\n", "names no interpreter"),
        (b"#! /etc/passwd\n", "names /etc/passwd, which can't be executed"),
        (b"echo hello\n", "neither a program nor a script: begin a script with a line such as #!/bin/sh"),
        (b"", "neither a program nor a script"),
        (b"\x7fELF", "neither a program nor a script"),
        (&foreign, "is a program for s390x, and this machine is"),
    ];
    for (bytes, expected) in cases {
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let found = find_executable(path.to_str().unwrap(), Some(OsStr::new("/usr/bin:/bin")));
        let message = found.expect_err(expected).to_string();
        assert!(message.contains(expected), "{message}");
    }
    for good in ["#!/bin/sh", "#! /bin/sh -e\n", "#!/usr/bin/env -S sh -e\n", "#!/usr/bin/env sh\n"] {
        fs::write(&path, good).unwrap();
        find_executable(path.to_str().unwrap(), Some(OsStr::new("/usr/bin:/bin"))).unwrap();
    }
}

#[test]
fn a_script_that_is_run_by_itself_ends() {
    let folder = tempfile::tempdir().unwrap();
    let path = put(folder.path(), "handler", 0o755);
    fs::write(&path, format!("#!{}\n", path.display())).unwrap();
    let message = find_executable(path.to_str().unwrap(), None).unwrap_err().to_string();
    assert!(message.contains("too many in a row"), "{message}");
}
