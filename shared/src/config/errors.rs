//! What is wrong with a configuration, and where: every error of a file and of the command line at once.
//!
//! An error points at a line and column, at a flag, or at nothing when something is missing altogether. Whether all of
//! them come from the command line decides the exit code: [`Errors::only_flags`].

use std::fmt;

/// Where an error lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In the file.
    File {
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
    },
    /// The file as a whole.
    WholeFile,
    /// In the value of this flag.
    Flag(&'static str),
    /// In neither: something is missing.
    Nowhere,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// Where.
    pub place: Place,
    /// What is wrong and what to do about it.
    pub message: String,
}

/// All that is wrong, in the order of the file, then of the flags. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Errors {
    file: Option<String>,
    list: Vec<Error>,
}

impl Errors {
    pub(super) fn new(file: Option<String>, mut list: Vec<Error>) -> Self {
        list.sort_by_key(|error| error.place);
        Self { file, list }
    }

    /// One error about a file as a whole, such as that it can't be read.
    pub(super) fn whole_file(file: &str, message: String) -> Self {
        Self { file: Some(file.to_owned()), list: vec![Error { place: Place::WholeFile, message }] }
    }

    /// Each error.
    pub fn iter(&self) -> std::slice::Iter<'_, Error> {
        self.list.iter()
    }

    /// Whether the command line alone is wrong (exit code 64): each error is in a flag, or something is missing and no
    /// file was given. Otherwise it is the configuration (78).
    pub fn only_flags(&self) -> bool {
        self.list.iter().all(|error| match error.place {
            Place::Flag(_) => true,
            Place::Nowhere => self.file.is_none(),
            Place::File { .. } | Place::WholeFile => false,
        })
    }
}

impl<'a> IntoIterator for &'a Errors {
    type Item = &'a Error;
    type IntoIter = std::slice::Iter<'a, Error>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Errors {
    /// One error a line: `FILE:LINE:COLUMN: message`, `--flag: message` or the message alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.as_deref().unwrap_or("configuration");
        for (number, Error { place, message }) in self.list.iter().enumerate() {
            if number > 0 {
                f.write_str("\n")?;
            }
            match place {
                Place::File { line, column } => write!(f, "{file}:{line}:{column}: {message}")?,
                Place::WholeFile => write!(f, "{file}: {message}")?,
                Place::Flag(flag) => write!(f, "{flag}: {message}")?,
                Place::Nowhere => f.write_str(message)?,
            }
        }
        Ok(())
    }
}

impl std::error::Error for Errors {}

/// Collects errors while reading goes on.
#[derive(Debug, Default)]
pub(super) struct Problems(Vec<Error>);

impl Problems {
    /// Notes an error at `place`.
    pub(super) fn at(&mut self, place: Place, message: impl Into<String>) {
        self.0.push(Error { place, message: message.into() });
    }

    /// Notes that the value of the key `path` is wrong; a flag's name says already what it is about.
    pub(super) fn value(&mut self, path: &str, place: Place, message: impl fmt::Display) {
        match place {
            Place::Flag(_) => self.at(place, message.to_string()),
            Place::File { .. } | Place::WholeFile | Place::Nowhere => {
                self.at(place, format!("`{path}`: {message}"));
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn into_errors(self, file: Option<String>) -> Errors {
        Errors::new(file, self.0)
    }
}
