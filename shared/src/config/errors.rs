//! What is wrong with a configuration, and where: every error of a file and of the command line at once.
//!
//! An error points at a line and column, at a flag, or at nothing when something is missing altogether. Whether all of
//! them come from the command line decides the exit code: [`Errors::only_flags`].

use std::fmt;

use kafkavisor_types::text::named;

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

impl Error {
    /// On a line, with its place in that file.
    pub(super) fn shown(&self, file: &str) -> String {
        let message = &self.message;
        let shown = match self.place {
            Place::File { line, column } => format!("{file}:{line}:{column}: {message}"),
            Place::WholeFile => format!("{file}: {message}"),
            Place::Flag(flag) => format!("{flag}: {message}"),
            Place::Nowhere => message.clone(),
        };
        named(shown)
    }
}

/// All that is wrong, in the order of the file, then of the flags. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Errors {
    file: Option<String>,
    list: Vec<Error>,
    of_the_machine: bool,
}

impl Errors {
    /// One error about a file as a whole, such as that it can't be read.
    pub(super) fn whole_file(file: &str, message: String) -> Self {
        let list = vec![Error { place: Place::WholeFile, message }];
        Self { file: Some(file.to_owned()), list, of_the_machine: false }
    }

    /// Each error.
    pub fn iter(&self) -> std::slice::Iter<'_, Error> {
        self.list.iter()
    }

    /// Whether the command line alone is wrong (exit code 64): each error is in a flag, or something is missing and no
    /// file was given. Otherwise, and where it is this machine that lacks something, it is the configuration (78).
    pub fn only_flags(&self) -> bool {
        !self.of_the_machine
            && self.list.iter().all(|error| match error.place {
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
        let lines: Vec<String> = self.list.iter().map(|error| error.shown(file)).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for Errors {}

/// Collects errors while reading goes on.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    list: Vec<Error>,
    of_the_machine: bool,
}

impl Problems {
    /// Notes an error at `place`.
    pub(crate) fn at(&mut self, place: Place, message: impl Into<String>) {
        self.list.push(Error { place, message: message.into() });
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

    /// How much is wrong so far.
    pub(super) fn count(&self) -> usize {
        self.list.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Notes what was found elsewhere.
    pub(super) fn take(&mut self, errors: Errors) {
        self.list.extend(errors.list);
    }

    /// What was noted last is no slip of the command line: something on this machine is missing or in the way.
    pub(super) fn of_the_machine(&mut self) {
        self.of_the_machine = true;
    }

    pub(crate) fn into_errors(self, file: Option<String>) -> Errors {
        let Self { mut list, of_the_machine } = self;
        list.sort_by_key(|error| error.place);
        list.dedup();
        Errors { file, list, of_the_machine }
    }
}
