//! A command of `kafkavisor` that needs no supervisor.

use std::ffi::OsStr;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::environment::kafkavisor;

/// How a command ended, and what it said.
#[derive(Debug, Clone)]
pub struct Said {
    /// Its exit code.
    pub code: i32,
    /// Its results.
    pub out: String,
    /// Its diagnostics.
    pub err: String,
}

/// Runs `kafkavisor` with these arguments.
pub fn run<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Said {
    let output =
        Command::new(kafkavisor()).args(arguments).stdin(Stdio::null()).output().expect("kafkavisor runs");
    let text = |bytes| String::from_utf8(bytes).expect("it says text");
    let code = output.status.code().expect("it exits by itself");
    Said { code, out: text(output.stdout), err: text(output.stderr) }
}

impl Said {
    /// Asserts the exit code.
    #[track_caller]
    #[must_use]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "another exit code than expected: {self:#?}");
        self
    }

    /// Asserts that its diagnostics hold these words.
    #[track_caller]
    #[must_use]
    pub fn saying(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.err.contains(word), "it does not say {word:?}: {self:#?}");
        }
        self
    }

    /// Its results as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("no JSON: {error}: {self:#?}"))
    }
}
