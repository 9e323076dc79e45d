//! Secrets: a text, the content of a file, or an environment variable. The last two are read again whenever they are used, so that
//! a secret may be changed without a restart.

use std::fmt::{self, Debug, Formatter};
use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::document::Value;
use super::errors::Problems;
use super::reader::Field;
use super::render::{MASK, Shown};

/// Largest file that is read for a secret, in bytes: a bundle of certificates fits.
const MAX_BYTES: u64 = 1024 * 1024;
const KEYS: &[&str] = &["file", "env"];
const WHAT: &str = "a text, {file: PATH} or {env: NAME}";

/// Where a secret stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// In the configuration itself.
    Text,
    /// In this file; a relative path is the working directory's.
    File(PathBuf),
    /// In this environment variable.
    Variable(String),
}

/// A text that is not shown: its `Debug` and what `check` prints have none of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    origin: Origin,
    text: String,
}

/// Why a secret can't be had, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// The file can't be read.
    #[error("the file {} can't be read: {error}: check the path and its permissions", .path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// What the system says.
        error: String,
    },
    /// It is read again and again, which a pipe or a folder can't be.
    #[error("{} is no regular file: name one", .0.display())]
    NotRegular(PathBuf),
    /// There is no such variable.
    #[error("there is no environment variable {0}: set it, or correct the name")]
    Missing(String),
    /// What is there is no secret.
    #[error("{place} {what}")]
    Content {
        /// The file or variable.
        place: String,
        /// What is wrong with it.
        what: &'static str,
    },
}

impl Origin {
    /// Reads it as it is now; what stands in the configuration is not read again.
    fn read(&self) -> Result<Option<String>, SecretError> {
        match self {
            Self::Text => Ok(None),
            Self::File(path) => read_file(path).map(Some),
            Self::Variable(name) => {
                let value = std::env::var_os(name).ok_or_else(|| SecretError::Missing(name.clone()))?;
                let place = format!("the environment variable {name}");
                let bytes = std::os::unix::ffi::OsStringExt::into_vec(value);
                usable(bytes, place).map(Some)
            }
        }
    }
}

impl Secret {
    /// One that stands in the configuration.
    pub fn text(text: impl Into<String>) -> Self {
        Self { origin: Origin::Text, text: text.into() }
    }

    /// Reads one that stands elsewhere.
    pub fn from(origin: Origin) -> Result<Self, SecretError> {
        let text = origin.read()?.unwrap_or_default();
        Ok(Self { origin, text })
    }

    /// The secret itself, as it was last read.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// Where it stands.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Reads it again. On an error it stays what it was.
    pub fn read_again(&mut self) -> Result<(), SecretError> {
        if let Some(text) = self.origin.read()? {
            self.text = text;
        }
        Ok(())
    }

    /// The environment variable it stands in, if it does.
    pub(super) fn variable(&self) -> Option<&str> {
        match &self.origin {
            Origin::Variable(name) => Some(name),
            Origin::Text | Origin::File(_) => None,
        }
    }

    /// A text, or where it stands.
    pub(super) fn take(field: &Field<'_>, p: &mut Problems) -> Option<Self> {
        match &field.node.value {
            Value::Map(_) => Self::take_elsewhere(field, p),
            Value::Text(text) if text.is_empty() => {
                field.wrong("is empty", p);
                None
            }
            Value::Text(text) if !text.contains('\0') => Some(Self::text(text.as_str())),
            Value::Text(_) => {
                field.wrong("a value can't hold a NUL character", p);
                None
            }
            // What was found is not shown: it may be what nobody should read.
            Value::Number(..) | Value::Boolean(_) => {
                field.wrong(format!("expected {WHAT}: put it in quotes"), p);
                None
            }
            Value::Null | Value::List(_) => {
                field.expected(WHAT, p);
                None
            }
        }
    }

    /// `{file: PATH}` or `{env: NAME}`.
    pub(super) fn take_elsewhere(field: &Field<'_>, p: &mut Problems) -> Option<Self> {
        let before = p.count();
        let section = field.section(KEYS, p);
        let (named, origin) = match (section.get("file"), section.get("env")) {
            (Some(named), None) => {
                let path = named.text("the path of a file", p).filter(|path| !path.is_empty());
                (named, path.map(|path| Origin::File(path.into())))
            }
            (None, Some(named)) => {
                let name = named.text("the name of an environment variable", p);
                (named, name.filter(|name| is_variable(name)).map(|name| Origin::Variable(name.to_owned())))
            }
            _ => {
                if p.count() == before {
                    field.wrong("write either {file: PATH} or {env: NAME}", p);
                }
                return None;
            }
        };
        let Some(origin) = origin else {
            if p.count() == before {
                named.wrong("is no name of one", p);
            }
            return None;
        };
        Self::from(origin).map_err(|error| p.value(&field.path, named.place(), error)).ok()
    }

    /// As `check` shows it: where it stands, or a mask.
    pub(super) fn shown(&self) -> Shown {
        let place = |key: &str, value: String| Shown::Map(vec![(key.to_owned(), Shown::Text(value))]);
        match &self.origin {
            Origin::Text => Shown::Text(MASK.to_owned()),
            Origin::File(path) => place("file", path.to_string_lossy().into_owned()),
            Origin::Variable(name) => place("env", name.clone()),
        }
    }
}

impl Debug for Secret {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({:?})", self.origin)
    }
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && !name.contains(['=', '\0'])
}

/// Opens a file that can be read again and again.
pub(super) fn open(path: &Path) -> Result<File, SecretError> {
    let failed =
        |error: std::io::Error| SecretError::File { path: path.to_owned(), error: error.to_string() };
    // Opening a pipe would wait for its writer.
    let flags = nix::fcntl::OFlag::O_NONBLOCK.bits();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(failed)?;
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(SecretError::NotRegular(path.to_owned()));
    }
    Ok(file)
}

fn read_file(path: &Path) -> Result<String, SecretError> {
    let failed =
        |error: std::io::Error| SecretError::File { path: path.to_owned(), error: error.to_string() };
    let file = open(path)?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    let place = format!("the file {}", path.display());
    if bytes.len() > usize::try_from(MAX_BYTES).unwrap_or(usize::MAX) {
        return Err(SecretError::Content { place, what: "is larger than 1 MiB: is it the right one?" });
    }
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        bytes.pop_if(|last| *last == b'\r');
    }
    usable(bytes, place)
}

fn usable(bytes: Vec<u8>, place: String) -> Result<String, SecretError> {
    let text = String::from_utf8(bytes)
        .map_err(|_| SecretError::Content { place: place.clone(), what: "is not UTF-8: save it as that" })?;
    let wrong = [
        (text.is_empty(), "is empty: write the secret into it"),
        (text.contains('\0'), "holds a NUL character: write a text into it"),
        (text.starts_with('\u{feff}'), "begins with a byte order mark: save it as UTF-8 without one"),
    ];
    match wrong.into_iter().find(|(is, _)| *is) {
        Some((_, what)) => Err(SecretError::Content { place, what }),
        None => Ok(text),
    }
}
