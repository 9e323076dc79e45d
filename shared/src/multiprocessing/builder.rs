//! How a group is made.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::callbacks::{Callback, Callbacks};
use super::configuration::{Wanted, written};
use super::group::Settings;
use super::said::{Sink, to_stderr};
use super::{ConsumerGroupError, MultiprocessingConsumerGroup, binary};
use crate::config::Protocol;
use crate::consumer_config::KafkaConsumerConfig;
use crate::ids::{Topic, TopicPartition};
use crate::runtime_directory::{given, path_of, socket_in};

/// What the runtime directory follows from.
const PLACES: [&str; 3] = ["RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR", "TMPDIR"];

/// What a [`MultiprocessingConsumerGroup`] is made of, not checked yet.
#[must_use]
pub struct Builder {
    topics: Vec<String>,
    config: KafkaConsumerConfig,
    command: Vec<String>,
    name: Option<String>,
    protocol: Protocol,
    settings: Vec<(String, Value)>,
    binary: Option<PathBuf>,
    worker_binary: Option<PathBuf>,
    runtime_directory: Option<PathBuf>,
    environment: Vec<(OsString, OsString)>,
    before: Option<Callback>,
    after: Option<Callback>,
    log: Sink,
}

impl Builder {
    pub(super) fn new(topics: Vec<String>, config: KafkaConsumerConfig, command: Vec<String>) -> Self {
        Self {
            topics,
            config,
            command,
            name: None,
            protocol: Protocol::Jsonl,
            settings: Vec::new(),
            binary: None,
            worker_binary: None,
            runtime_directory: None,
            environment: Vec::new(),
            before: None,
            after: None,
            log: to_stderr(),
        }
    }

    /// The name of this member on this host, by which `kafkavisor status --name` finds it. Default: the group. Two members of a group on
    /// one host need two names.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// How the handler is talked to. Default: [`Protocol::Jsonl`].
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// Sets another key of `kafkavisor`'s configuration file, such as `handler.timeout` to `"60s"`, `handler.poison.topic`, or under
    /// `kafka.` a property of librdkafka's: `kafka.sasl.password` to `json!({"file": "/run/secrets/kafka"})`. A key of its own wins over
    /// what became of an option of the [`KafkaConsumerConfig`]. Nothing of it stands in a command line or on a disk.
    pub fn setting(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.settings.push((key.into(), value.into()));
        self
    }

    /// The `kafkavisor` to start; it has to be that program, or to become it by `exec`. Default: the one beside this program, else the
    /// one in `PATH`.
    pub fn binary(mut self, path: impl Into<PathBuf>) -> Self {
        self.binary = Some(path.into());
        self
    }

    /// The `kafkavisor-worker` that it starts. Default: the one beside it.
    pub fn worker_binary(mut self, path: impl Into<PathBuf>) -> Self {
        self.worker_binary = Some(path.into());
        self
    }

    /// The folder for its socket, lock and status pages, for this member alone. It should last from run to run: how often a message
    /// has killed its handler is remembered there. Default: the member's name in `$RUNTIME_DIRECTORY`, where that is set, else where
    /// `kafkavisor` looks for an instance of that name.
    pub fn runtime_directory(mut self, folder: impl Into<PathBuf>) -> Self {
        self.runtime_directory = Some(folder.into());
        self
    }

    /// A variable in the environment of `kafkavisor` and of handlers, beside those of this process; where its runtime directory is, says
    /// [`runtime_directory`](Self::runtime_directory) alone. Of settings, `{env: NAME}` is looked up in this process's environment.
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Called with the partitions that are about to be given to other members, while their handlers still work.
    ///
    /// No partition is drained, let alone released, before this has returned: as long as it takes no longer than
    /// `max_termination_timeout`, after which the rebalance goes on without. The drain may then take as long again. It is also called by
    /// [`stop_group`](MultiprocessingConsumerGroup::stop_group) with all that there is. It is *not* called for partitions that
    /// were lost with the session in ZooKeeper: these may be another member's already, and their handlers are killed at once; nor
    /// where `kafkavisor` ends of itself or is stopped by somebody else, nor when the group is dropped without having been stopped.
    ///
    /// It is called from a thread of the group's own, never at the same time as the other callback. It must not call the group, nor wait
    /// for whoever does: a call may wait for it. A callback that takes too long at a stop is not waited for either.
    ///
    /// From yelp_kafka: `pre_rebalance_callback`.
    #[doc(alias = "pre_rebalance_callback")]
    pub fn before_rebalance(mut self, callback: impl FnMut(&[TopicPartition]) + Send + 'static) -> Self {
        self.before = Some(Box::new(callback));
        self
    }

    /// Called with all partitions that this member has, each time the group has settled after a change that concerned it, the first
    /// time included. Handlers may still be starting.
    ///
    /// From yelp_kafka: `post_rebalance_callback`.
    #[doc(alias = "post_rebalance_callback")]
    pub fn after_rebalance(mut self, callback: impl FnMut(&[TopicPartition]) + Send + 'static) -> Self {
        self.after = Some(Box::new(callback));
        self
    }

    /// Called with each line that `kafkavisor` and handlers log, without its end. Default: it goes to this process's stderr. It must
    /// not block: lines that nobody takes in time are dropped, and counted, over there.
    pub fn on_log_line(mut self, callback: impl FnMut(&str) + Send + 'static) -> Self {
        self.log = Box::new(callback);
        self
    }

    /// Checks everything that can be checked without starting anything.
    pub fn build(self) -> Result<MultiprocessingConsumerGroup, ConsumerGroupError> {
        let topics: Vec<Topic> =
            self.topics.iter().map(|topic| Topic::new(topic)).collect::<Result<_, _>>()?;
        let (text, read) = written(&Wanted {
            topics: &topics,
            config: &self.config,
            command: &self.command,
            name: self.name.as_deref(),
            protocol: self.protocol,
            settings: &self.settings,
        })?;
        if let Some(name) = self
            .environment
            .iter()
            .map(|(name, _)| name)
            .find(|name| PLACES.iter().any(|place| name == place))
        {
            return Err(ConsumerGroupError::Configuration(format!(
                "{} can't be set for kafkavisor alone: name the folder with `runtime_directory`",
                name.display()
            )));
        }
        if self.runtime_directory.as_ref().is_some_and(|folder| folder.as_os_str().is_empty()) {
            let why = "runtime_directory: the path is empty: name a folder, or leave it out";
            return Err(ConsumerGroupError::Configuration(why.to_owned()));
        }
        let binary = self.binary.map_or_else(binary::find, Ok)?;
        let runtime_directory =
            self.runtime_directory.or_else(|| given().map(|folder| folder.join(&read.name)));
        let folder = runtime_directory.clone().unwrap_or_else(|| path_of(&read.name));
        let settings = Settings {
            text,
            name: read.name,
            socket: read.admin.socket.unwrap_or_else(|| socket_in(&folder)),
            connect_timeout: read.cluster.connect_timeout,
            stop_timeout: read.stop.timeout,
            binary,
            worker_binary: self.worker_binary,
            runtime_directory,
            environment: self.environment,
            callbacks: Arc::new(Callbacks::new(self.before, self.after)),
            log: Arc::new(Mutex::new(self.log)),
        };
        Ok(MultiprocessingConsumerGroup::of(settings))
    }
}

/// Values of settings may be secrets.
impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<&str> = self.settings.iter().map(|(key, _)| key.as_str()).collect();
        f.debug_struct("Builder")
            .field("topics", &self.topics)
            .field("config", &self.config)
            .field("name", &self.name)
            .field("settings", &keys)
            .finish_non_exhaustive()
    }
}
