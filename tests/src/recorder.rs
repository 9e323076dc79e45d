//! The command line of the recording handler, `src/bin/recorder.rs`.

use std::path::PathBuf;

use crate::environment;
use crate::records::Records;

/// Builds the recording handler's command. Without further words it acknowledges each message at once.
#[derive(Debug, Clone)]
pub struct Recorder {
    command: Vec<String>,
}

impl Recorder {
    /// Records into `records`.
    pub fn new(records: &Records) -> Self {
        Self::at(environment::recorder(), records.path()).option("--gate", records.gate().display())
    }

    fn at(program: PathBuf, path: PathBuf) -> Self {
        let text = |path: PathBuf| path.into_os_string().into_string().expect("paths are text here");
        Self { command: vec![text(program), text(path)] }
    }

    fn option(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        self.command.extend([name.to_owned(), value.to_string()]);
        self
    }

    /// Works so long on each message.
    #[must_use]
    pub fn delay_ms(self, ms: u64) -> Self {
        self.option("--delay", ms)
    }

    /// Acknowledges when so many messages have come, or at a flush or stop.
    #[must_use]
    pub fn batch(self, messages: usize) -> Self {
        self.option("--batch", messages)
    }

    /// Exits with status 1 in the middle of the message at this offset, as often as it comes.
    #[must_use]
    pub fn die_at(self, offset: i64) -> Self {
        self.option("--die-at", offset)
    }

    /// ... but only at its first so many attempts.
    #[must_use]
    pub fn for_attempts(self, attempts: u64) -> Self {
        self.option("--for-attempts", attempts)
    }

    /// Exits with status 1 in the middle of each so-manieth message of its life.
    #[must_use]
    pub fn die_every(self, messages: u64) -> Self {
        self.option("--die-every", messages)
    }

    /// Rejects the message at this offset.
    #[must_use]
    pub fn reject(self, offset: i64) -> Self {
        self.option("--reject", offset)
    }

    /// Says `busy` every so often while it works on a message.
    #[must_use]
    pub fn busy_every_ms(self, ms: u64) -> Self {
        self.option("--busy", ms)
    }

    /// The command.
    pub fn command(&self) -> Vec<String> {
        self.command.clone()
    }

    /// The command as one line for a shell.
    pub fn shell(&self) -> String {
        self.command.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ")
    }
}
