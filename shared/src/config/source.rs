//! The text of a configuration file, or of another file that is read as strictly, with the name it is shown under in messages.
//!
//! Size and encoding are checked here, so that a wrong path (a log, a device) is a message and not a full memory.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use super::errors::{Errors, Place, Problems};

/// Largest configuration file that is read, in bytes.
pub(super) const MAX_BYTES: usize = 1024 * 1024;

/// How large a file of one kind may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limit {
    pub(crate) bytes: usize,
    /// What to ask of one that is larger.
    pub(crate) question: &'static str,
}

/// A configuration file's.
pub(crate) const CONFIGURATION: Limit =
    Limit { bytes: MAX_BYTES, question: "is this the configuration file?" };

impl Limit {
    /// What to say of a file over the limit.
    pub(super) fn exceeded(self) -> String {
        format!("larger than {} MiB; {}", self.bytes >> 20, self.question)
    }
}

/// The text of such a file.
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
        Self::read_within(CONFIGURATION, path)
    }

    /// Reads a file of another kind.
    pub(crate) fn read_within(limit: Limit, path: &Path) -> Result<Self, Errors> {
        let name = path.display().to_string();
        let failed = |error: std::io::Error| {
            Errors::whole_file(&name, format!("can't be read: {error}: check the path and its permissions"))
        };
        let mut bytes = Vec::new();
        let most = u64::try_from(limit.bytes + 1).unwrap_or(u64::MAX);
        File::open(path).map_err(failed)?.take(most).read_to_end(&mut bytes).map_err(failed)?;
        Self::of(limit, &name, bytes)
    }

    /// Takes what was read elsewhere. Fails when it is larger than 1 MiB or not UTF-8.
    pub fn from_bytes(name: &str, bytes: Vec<u8>) -> Result<Self, Errors> {
        Self::of(CONFIGURATION, name, bytes)
    }

    fn of(limit: Limit, name: &str, bytes: Vec<u8>) -> Result<Self, Errors> {
        if bytes.len() > limit.bytes {
            return Err(Errors::whole_file(name, limit.exceeded()));
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

/// The place right after `text`.
pub(super) fn end_of(text: &str) -> Place {
    let last = text.rsplit('\n').next().unwrap_or_default();
    Place::File { line: text.matches('\n').count() + 1, column: last.chars().count() + 1 }
}
