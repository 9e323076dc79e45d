//! A configuration file's text, with the name it is shown under in messages.
//!
//! Size and encoding are checked here, so that a wrong path (a log, a device) is a message and not a full memory.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use super::errors::{Errors, Place, Problems};

/// Largest configuration file that is read, in bytes.
pub(super) const MAX_BYTES: usize = 1024 * 1024;

/// The text of a configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The name shown in messages, usually the path as given.
    pub name: String,
    /// The YAML text.
    pub text: String,
}

impl Source {
    /// Reads the file at `path`. Fails when it can't be read, is larger than 1 MiB, or is not UTF-8.
    pub fn read(path: &Path) -> Result<Self, Errors> {
        let name = path.display().to_string();
        let failed = |error: std::io::Error| {
            Errors::whole_file(&name, format!("can't be read: {error}: check the path and its permissions"))
        };
        let mut bytes = Vec::new();
        let limit = u64::try_from(MAX_BYTES + 1).unwrap_or(u64::MAX);
        File::open(path).map_err(failed)?.take(limit).read_to_end(&mut bytes).map_err(failed)?;
        Self::from_bytes(&name, bytes)
    }

    /// Takes what was read elsewhere. Fails when it is larger than 1 MiB or not UTF-8.
    pub fn from_bytes(name: &str, bytes: Vec<u8>) -> Result<Self, Errors> {
        if bytes.len() > MAX_BYTES {
            return Err(Errors::whole_file(name, too_large()));
        }
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Self { name: name.to_owned(), text }),
            Err(error) => {
                let good = error.utf8_error().valid_up_to();
                let before =
                    String::from_utf8_lossy(error.as_bytes().get(..good).unwrap_or_default()).into_owned();
                let mut problems = Problems::default();
                problems.at(end_of(&before), "a byte that is not UTF-8; save the file as UTF-8");
                Err(problems.into_errors(Some(name.to_owned())))
            }
        }
    }
}

/// What to say of a file over the limit.
pub(super) fn too_large() -> String {
    format!("larger than {} KiB; is this the configuration file?", MAX_BYTES / 1024)
}

/// The place right after `text`.
pub(super) fn end_of(text: &str) -> Place {
    let last = text.rsplit('\n').next().unwrap_or_default();
    Place::File { line: text.matches('\n').count() + 1, column: last.chars().count() + 1 }
}
