//! What the configuration takes, what it refuses, and where it points.

mod consumer;
mod discovery;
mod executable;
mod flags;
mod hostile;
mod loads;
mod refuses;
mod renders;
mod secrets;
mod security;

use super::*;

/// The least that a file must say.
const MINIMAL: &str =
    "group: g\ntopics: [t]\ncluster: {brokers: k:1, zookeeper: z:1}\nhandler: {command: [x]}\n";

/// No key at its default.
const FULL: &str = r#"
group: g
name: n
topics: [t, u]
cluster: {brokers: "[::1]:9092, b-2.example.org:19092", zookeeper: "z:1,y:2/a/b", connect_timeout: 1h}
assignment: {mode: zookeeper, group_path: /mine/here, cooldown: 0s, session_timeout: 30s, use_group_sha: false}
handler:
  command: [sleep, 1.50, 0x10, two words, "true"]
  protocol: exec
  start_timeout: 1m
  timeout: 90s
  max_in_flight: {messages: 9, bytes: 2MB, time: 1500ms}
  poison: {attempts: 1, action: skip, max_per_minute: 2}
  delimiter: nul
  batch: {messages: 7, wait: 0ms}
offsets: {reset: smallest, storage: dual, commit_interval: 20ms, commit_messages: 1}
restart: {initial: 1s, max: 1s, healthy_after: 1h}
stop: {timeout: 2m}
admin: {socket: /run/my socket}
log: {level: trace, format: journald}
kafka:
  client.id: "a \"b\": #c"
  socket.keepalive.enable: true
  fetch.max.bytes: 1_000
  linger.ms: 0.5
"#;

fn source(text: &str) -> Source {
    Source { name: "k.yaml".to_owned(), text: text.to_owned() }
}

#[track_caller]
fn load(text: &str) -> Config {
    match Config::load(Some(&source(text)), &Flags::default()) {
        Ok(config) => config,
        Err(errors) => panic!("{errors}"),
    }
}

/// Everything that is wrong with a file.
#[track_caller]
fn refused(text: &str) -> String {
    Config::load(Some(&source(text)), &Flags::default()).unwrap_err().to_string()
}

/// The servers of a cluster that is named by them.
#[track_caller]
fn servers(config: &Config) -> &Servers {
    match &config.cluster.address {
        ClusterAddress::Servers(servers) => servers,
        ClusterAddress::Discovery(query) => panic!("it is to be found: {query}"),
    }
}

fn names(config: &Config) -> Vec<&str> {
    config.topics.iter().map(crate::ids::Topic::as_str).collect()
}

/// A static assignment as `orders:0 orders:1`.
fn shares(config: &Config) -> String {
    let Assignment::Static { partitions } = &config.assignment else { panic!("{:?}", config.assignment) };
    let each = partitions.iter().flat_map(|(topic, set)| set.iter().map(move |n| format!("{topic}:{n}")));
    each.collect::<Vec<_>>().join(" ")
}
