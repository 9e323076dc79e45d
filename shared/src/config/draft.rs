//! A configuration as far as it could be read: what asks the machine or a library about it adds to what is wrong, and
//! only then is it a [`Config`], or all errors at once.

use std::path::{Path, PathBuf};

use super::became::ConsumerNotes;
use super::errors::{Errors, Problems};
use super::flags::Flags;
use super::load::{self, Config};
use super::places::Places;
use super::properties::KafkaProperties;
use super::render::MASK;
use super::security::ZookeeperTls;
use super::source::Source;

/// File and flags, read and checked by themselves; what could not be read is `None` and noted.
#[derive(Debug, Default)]
pub struct Draft {
    /// The handler's command.
    pub command: Option<Vec<String>>,
    /// The program that prints tokens, and its arguments.
    pub token_command: Option<Vec<String>>,
    /// The instance's name.
    pub name: Option<String>,
    /// The control socket, where it is named.
    pub socket: Option<PathBuf>,
    /// How many partitions are assigned to us for ever, where the assignment is static.
    pub fixed_partitions: Option<usize>,
    /// Properties for librdkafka, those that were refused left out.
    pub kafka: KafkaProperties,
    /// Something of logins or TLS under `kafka` was refused: what a library says of the rest of it may be a consequence.
    pub security_refused: bool,
    /// The files for TLS with ZooKeeper, which were found readable.
    pub zookeeper_tls: Option<ZookeeperTls>,
    /// Whether dead letters are produced.
    pub dead_letters: bool,
    /// What the options under `consumer` have become.
    pub consumer: ConsumerNotes,
    pub(super) config: Option<Config>,
    pub(super) places: Places,
    pub(super) problems: Problems,
    pub(super) file: Option<String>,
}

/// What is said where the library's own words would show what nobody should read.
const NOT_SHOWN: &str = "librdkafka refuses it or its value; remove or correct it";

/// A character as it may be shown on a terminal.
fn plain(character: char) -> impl Iterator<Item = char> {
    let escaped = character.is_control().then(|| character.escape_default());
    let kept = (!character.is_control()).then_some(character);
    escaped.into_iter().flatten().chain(kept)
}

impl Draft {
    /// Reads the file at `path`, if there is one, and lets `flags` win. Of a file that can't be read that alone is said,
    /// and what is wrong with the flags.
    pub fn read(path: Option<&Path>, flags: &Flags) -> Self {
        match path.map(Source::read).transpose() {
            Ok(source) => Self::of(source.as_ref(), flags),
            Err(errors) => {
                let mut draft = Self { file: path.map(|path| path.display().to_string()), ..Self::default() };
                draft.problems.take(errors);
                flags.read(&mut draft.problems);
                draft
            }
        }
    }

    /// Lets `flags` win over `file`, fills in defaults, and checks everything that needs nobody else.
    pub fn of(file: Option<&Source>, flags: &Flags) -> Self {
        let mut draft = Self { file: file.map(|file| file.name.clone()), ..Self::default() };
        load::build(file, flags, &mut draft);
        draft
    }

    /// Notes that the value of `key` can't be used on this machine. By a flag or not, it is no slip of the command line.
    pub fn refuse_value(&mut self, key: &str, message: &str) {
        self.problems.value(key, self.places.value(key), message);
        self.problems.of_the_machine();
    }

    /// Notes that `key` itself must not stand there, or not so.
    pub fn refuse_key(&mut self, key: &str, message: &str) {
        self.problems.value(key, self.places.key(key), message);
        self.problems.of_the_machine();
    }

    /// Notes that librdkafka's property `name` can't be used; with an empty one, that all together can't. No secret is shown.
    pub fn refuse_property(&mut self, name: &str, message: &str) {
        let hidden = self.kafka.is_secret(name);
        let mut message = if hidden { NOT_SHOWN.to_owned() } else { message.to_owned() };
        for secret in self.kafka.secrets() {
            message = message.replace(secret, MASK);
        }
        let shown: String = message.chars().flat_map(plain).collect();
        let key = if name.is_empty() { "kafka".to_owned() } else { format!("kafka.{name}") };
        self.refuse_key(&key, &shown);
    }

    /// The key that the instance has its name from.
    pub fn naming_key(&self) -> &'static str {
        if self.places.has("name") { "name" } else { "group" }
    }

    /// Notes what no key is to blame for.
    pub fn refuse(&mut self, message: &str) {
        self.problems.at(super::errors::Place::Nowhere, message);
        self.problems.of_the_machine();
    }

    /// The configuration, or everything that is wrong with it.
    pub fn finish(self) -> Result<Config, Errors> {
        match self.config {
            Some(config) if self.problems.is_empty() => Ok(config),
            _ => Err(self.problems.into_errors(self.file)),
        }
    }
}
