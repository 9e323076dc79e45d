//! The shared secure Kafka: users of a test's own, their rights, and what a client of each listener is told.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::environment::{certificate, project, secure, unique};
use crate::instance::Builder;
use crate::topic::Topic;

/// A new topic there.
pub fn topic(partitions: i32) -> Topic {
    Topic::on(&secure("BROKERS"), partitions)
}

/// Somebody who may log in with SCRAM, and has no right until one is given.
#[derive(Debug)]
pub struct User {
    /// The name.
    pub name: String,
    /// The password.
    pub password: String,
}

impl User {
    /// A new one.
    pub fn new() -> Self {
        let user = Self { name: unique("user"), password: unique("password") };
        script(&["user", &user.name, &user.password]);
        user
    }

    /// ... who may read this topic under any group.
    pub fn reading(topic: &Topic) -> Self {
        let user = Self::new();
        user.allow("read", &format!("topic:{}", topic.name));
        user.allow("read", "group:*");
        user
    }

    /// Has another password from here on.
    pub fn rotate(&mut self) {
        self.password = unique("password");
        script(&["user", &self.name, &self.password]);
    }

    /// Gives a right.
    pub fn allow(&self, operation: &str, resource: &str) {
        script(&["allow", &self.name, operation, resource]);
    }

    /// Takes it away.
    pub fn revoke(&self, operation: &str, resource: &str) {
        script(&["revoke", &self.name, operation, resource]);
    }

    /// Logs in with SCRAM over TLS.
    pub fn scram(&self) -> Value {
        json!({
            "security.protocol": "SASL_SSL", "ssl.ca.location": certificate("ca.pem"),
            "sasl.mechanism": "SCRAM-SHA-512", "sasl.username": self.name, "sasl.password": self.password,
        })
    }
}

impl Default for User {
    fn default() -> Self {
        Self::new()
    }
}

/// An instance on this topic, at this listener, with these properties; its partitions are all of the topic's.
pub fn instance(topic: &Topic, partitions: &[i32], listener: &str, kafka: Value) -> Builder {
    let builder = Builder::fixed(topic, partitions).set("kafka", kafka);
    builder.set("cluster.brokers", secure(listener)).set("cluster.connect_timeout", "10s")
}

fn script(arguments: &[&str]) {
    let output = Command::new(project().join("script/cluster"))
        .args(arguments)
        .args(["--dir", &secure("DIR")])
        .stdin(Stdio::null())
        .output()
        .expect("script/cluster runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "script/cluster {arguments:?} failed: {said}");
}
