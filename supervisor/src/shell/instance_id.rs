//! The random id of this instance, which tells its commits from those of any other of the same name: the default name is the
//! group's, on every host.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use uuid::Uuid;

const FILE: &str = "instance-id";
/// Hexadecimal digits of an id.
const LENGTH: usize = 32;

/// The id that is kept in `directory`; a new one where there is none, or none that could be ours.
pub(super) fn instance_id(directory: &Path) -> String {
    let path = directory.join(FILE);
    if let Some(id) = kept(&path) {
        return id;
    }
    let id = Uuid::new_v4().simple().to_string();
    if let Err(error) = keep(directory, &id, &path) {
        // With another id at the next start the status pages of this one are left unused, no more.
        log::warn!("{}: {error}: after the next start a little is done twice", path.display());
    }
    id
}

fn keep(directory: &Path, id: &str, path: &Path) -> io::Result<()> {
    let new = directory.join(format!("{FILE}.new"));
    let _left_over_or_not = fs::remove_file(&new);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    file.write_all(id.as_bytes())?;
    fs::rename(&new, path)
}

fn kept(path: &Path) -> Option<String> {
    let mut id = String::new();
    OpenOptions::new().read(true).open(path).ok()?.take(LENGTH as u64 + 1).read_to_string(&mut id).ok()?;
    let digit = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    (id.len() == LENGTH && id.chars().all(digit)).then_some(id)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn it_is_made_once() {
        let directory = tempfile::tempdir().unwrap();
        let id = instance_id(directory.path());
        assert_eq!(instance_id(directory.path()), id);
        let mode = fs::metadata(directory.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn one_that_is_none_is_made_anew() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join(FILE);
        for malformed in [&b""[..], b"\xff\xfe", b"short", &[b'a'; 33], &[b'G'; 32]] {
            fs::write(&file, malformed).unwrap();
            let id = instance_id(directory.path());
            assert_eq!(fs::read_to_string(&file).unwrap(), id);
        }
    }
}
