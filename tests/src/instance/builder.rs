//! What an instance is told, built up word by word.
//!
//! What differs from the contract's defaults is in [`Builder::of`]: reading begins at the earliest message, and everything that
//! takes time takes less.

use std::ffi::OsString;

use serde_json::{Value, json};

use super::Instance;
use crate::environment::{unique, zookeeper};
use crate::recorder::Recorder;
use crate::topic::Topic;
use crate::waiting::WITHIN;

/// What `kafkavisor run` will be told.
#[derive(Debug, Clone)]
pub struct Builder {
    pub(super) config: Value,
    pub(super) environment: Vec<(OsString, OsString)>,
    pub(super) in_default_place: bool,
    pub(super) under: Option<String>,
    pub(super) arguments: Vec<String>,
}

impl Builder {
    /// On this topic, in a group of its own, with partitions from the shared ZooKeeper.
    pub fn of(topic: &Topic) -> Self {
        let config = json!({
            "group": unique("group"),
            "topics": [topic.name],
            "cluster": {"brokers": topic.brokers, "zookeeper": zookeeper(), "connect_timeout": "30s"},
            "assignment": {"cooldown": "200ms", "session_timeout": "10s"},
            "handler": {},
            "offsets": {"reset": "earliest", "commit_interval": "200ms"},
            "restart": {"initial": "100ms"},
            "stop": {"timeout": "20s"},
        });
        Self::configured(config)
    }

    /// With this configuration and nothing else.
    pub fn configured(config: Value) -> Self {
        Self { config, environment: Vec::new(), in_default_place: false, under: None, arguments: Vec::new() }
    }

    /// On these partitions of this topic, without ZooKeeper.
    pub fn fixed(topic: &Topic, partitions: &[i32]) -> Self {
        let builder = Self::of(topic);
        builder
            .without("cluster.zookeeper")
            .set("assignment", json!({"mode": "static", "partitions": {&topic.name: partitions}}))
    }

    /// Sets the value of a key such as `handler.timeout`.
    #[must_use]
    pub fn set(mut self, key: &str, value: impl Into<Value>) -> Self {
        let place = key.split('.').fold(&mut self.config, |section, part| &mut section[part]);
        *place = value.into();
        self
    }

    /// Takes a key out.
    #[must_use]
    pub fn without(mut self, key: &str) -> Self {
        let (section, last) = key.rsplit_once('.').expect("a key in a section");
        self.config[section].as_object_mut().expect("a section").remove(last);
        self
    }

    /// In this group.
    #[must_use]
    pub fn group(self, group: &str) -> Self {
        self.set("group", group)
    }

    /// Under this name, so that several of a group can run on one machine.
    #[must_use]
    pub fn name(self, name: &str) -> Self {
        self.set("name", name)
    }

    /// With this program as its handler.
    #[must_use]
    pub fn handler<S: Into<String>>(self, command: impl IntoIterator<Item = S>) -> Self {
        let command: Vec<String> = command.into_iter().map(Into::into).collect();
        self.set("handler.command", command)
    }

    /// With the recorder as its handler.
    #[must_use]
    pub fn recorder(self, recorder: &Recorder) -> Self {
        self.handler(recorder.command())
    }

    /// With a line of shell as its handler.
    #[must_use]
    pub fn shell(self, script: &str) -> Self {
        self.handler(["sh", "-c", script])
    }

    /// With a variable in its environment.
    #[must_use]
    pub fn variable(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// With its runtime directory where it is without `RUNTIME_DIRECTORY`, in a folder of its name.
    #[must_use]
    pub fn in_default_place(mut self) -> Self {
        self.in_default_place = true;
        self
    }

    /// Started by a shell script that ends with `exec "$@"`.
    #[must_use]
    pub fn under(mut self, script: &str) -> Self {
        self.under = Some(script.to_owned());
        self
    }

    /// With these arguments instead of `run -c kafkavisor.yaml`.
    #[must_use]
    pub fn arguments<S: Into<String>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        self.arguments = arguments.into_iter().map(Into::into).collect();
        self
    }

    /// The configuration file's text.
    pub fn text(&self) -> String {
        serde_json::to_string_pretty(&self.config).expect("the configuration is JSON")
    }

    /// The group's name.
    pub fn group_name(&self) -> String {
        self.config["group"].as_str().expect("a group").to_owned()
    }

    /// Starts it.
    pub fn start(&self) -> Instance {
        let folder = tempfile::Builder::new().prefix("kv-").tempdir().expect("a temporary folder");
        Instance::start(self.clone(), folder)
    }

    /// Starts it, waits for its end and gives what it said, having asserted the exit code.
    #[track_caller]
    pub fn expect_exit(&self, code: i32) -> String {
        let instance = self.start();
        let found = instance.wait_exit(WITHIN);
        assert_eq!(found, code, "another exit code than expected; it said:\n{}", instance.log());
        instance.log()
    }
}
