//! The resolved configuration, in the file's own shape and units, for `check`.
//!
//! What is shown loads again, apart from masked secrets. Values that are not set are left out.

use std::fmt::Write as _;
use std::path::Path;

use saphyr::Scalar;
use serde_json::{Map, Value};

use super::assignment::{Assignment, GroupPathStyle};
use super::cluster::ClusterAddress;
use super::discovery::{Discovery, WhichCluster};
use super::handler::{ACTIONS, DELIMITERS, Handler, PROTOCOLS, Protocol};
use super::load::Config;
use super::logging::{Admin, FORMATS};
use super::metrics::{Metrics, SignalFx};
use super::offsets::RESETS;
use super::quantity::{show_duration, show_size};
use super::security::ACLS;
use crate::offset_storage::STORAGES;
pub(super) use crate::text::MASK;

/// A value in the file's shape, its keys in the file's order.
pub(super) enum Shown {
    Text(String),
    Number(u64),
    Boolean(bool),
    List(Vec<Shown>),
    Map(Vec<(String, Shown)>),
}

impl Config {
    /// The configuration as YAML that loads again; secrets are masked.
    pub fn to_yaml(&self) -> String {
        let mut yaml = String::new();
        if let Shown::Map(entries) = self.shown() {
            for (key, value) in &entries {
                write_entry(key, value, 0, &mut yaml);
            }
        }
        yaml
    }

    /// The configuration as JSON of the same shape; secrets are masked.
    pub fn to_json(&self) -> Value {
        json(&self.shown())
    }

    fn shown(&self) -> Shown {
        let mut entries = vec![
            ("group", text(self.group.as_str())),
            ("name", text(&self.name)),
            ("topics", list(&self.topics)),
            ("cluster", self.cluster()),
            ("assignment", assignment(&self.assignment)),
            ("handler", handler(&self.handler)),
            (
                "offsets",
                map(vec![
                    ("reset", word(RESETS, self.offsets.reset)),
                    ("storage", word(STORAGES, self.offsets.storage)),
                    ("commit_interval", text(show_duration(self.offsets.commit_interval))),
                    ("commit_messages", Shown::Number(self.offsets.commit_messages)),
                ]),
            ),
            (
                "restart",
                map(vec![
                    ("initial", text(show_duration(self.restart.initial))),
                    ("max", text(show_duration(self.restart.max))),
                    ("healthy_after", text(show_duration(self.restart.healthy_after))),
                ]),
            ),
            ("stop", map(vec![("timeout", text(show_duration(self.stop.timeout)))])),
        ];
        let asked = matches!(self.cluster.address, ClusterAddress::Discovery(_));
        if asked || self.discovery != Discovery::default() {
            entries.insert(4, ("discovery", self.discovery()));
        }
        entries.extend(self.admin());
        entries.extend(self.metrics());
        let level = self.log.level.as_str().to_ascii_lowercase();
        entries.push(("log", map(vec![("level", text(level)), ("format", word(FORMATS, self.log.format))])));
        entries.push(("kafka", self.kafka.shown()));
        if let Some(oauth) = &self.oauth {
            entries.push(("oauth", map(vec![("token_command", list(&oauth.token_command))])));
        }
        map(entries)
    }

    fn admin(&self) -> Option<(&'static str, Shown)> {
        let Admin { socket, http, hosts, details } = &self.admin;
        let socket = socket.as_ref().map(|socket| ("socket", text(socket.to_string_lossy())));
        let http = http.as_ref().map(|http| ("http", text(http)));
        let hosts = (!hosts.is_empty()).then(|| ("hosts", list(hosts)));
        let details = details.then_some(("details", Shown::Boolean(true)));
        let entries: Vec<_> = [socket, http, hosts, details].into_iter().flatten().collect();
        (!entries.is_empty()).then(|| ("admin", map(entries)))
    }

    fn metrics(&self) -> Option<(&'static str, Shown)> {
        let Metrics { per_partition, statsd, signalfx } = &self.metrics;
        let per_partition = (!per_partition).then_some(("per_partition", Shown::Boolean(false)));
        let statsd = statsd.as_ref().map(|statsd| ("statsd", text(statsd)));
        let signalfx = signalfx.as_ref().map(|signalfx| ("signalfx", self::signalfx(signalfx)));
        let entries: Vec<_> = [per_partition, statsd, signalfx].into_iter().flatten().collect();
        (!entries.is_empty()).then(|| ("metrics", map(entries)))
    }

    fn cluster(&self) -> Shown {
        let mut entries = match &self.cluster.address {
            ClusterAddress::Servers(servers) => {
                let zookeeper =
                    servers.zookeeper.as_ref().map(|address| ("zookeeper", text(address.to_string())));
                std::iter::once(("brokers", list(&servers.brokers))).chain(zookeeper).collect()
            }
            ClusterAddress::Discovery(query) => {
                let which = match &query.which {
                    WhichCluster::Region(region) => region.as_ref().map(|region| ("region", text(region))),
                    WhichCluster::Superregion(superregion) => Some(("superregion", text(superregion))),
                    WhichCluster::Name(name) => Some(("name", text(name))),
                };
                std::iter::once(("type", text(&query.cluster_type))).chain(which).collect::<Vec<_>>()
            }
        };
        entries.push(("connect_timeout", text(show_duration(self.cluster.connect_timeout))));
        if let Some(auth) = &self.cluster.zookeeper_auth {
            let entry = map(vec![
                ("username", text(&auth.username)),
                ("password", auth.password.shown()),
                ("acl", word(ACLS, auth.acl)),
            ]);
            entries.push(("zookeeper_auth", entry));
        }
        if let Some(tls) = &self.cluster.zookeeper_tls {
            let files = [("ca", &tls.ca), ("certificate", &tls.certificate), ("key", &tls.key)];
            let given = files.into_iter().filter_map(|(key, file)| Some((key, file.as_ref()?)));
            let shown = given.map(|(key, file)| (key, text(file.to_string_lossy()))).collect();
            entries.push(("zookeeper_tls", map(shown)));
        }
        map(entries)
    }

    fn discovery(&self) -> Shown {
        let path = |path: &Path| text(path.to_string_lossy());
        let Discovery { url, services, topology, region, superregion } = &self.discovery;
        let url = url.as_ref().map(|url| ("url", text(url)));
        let rest = [
            ("services", path(services)),
            ("topology", Shown::List(topology.iter().map(|folder| path(folder)).collect())),
            ("region", path(region)),
            ("superregion", path(superregion)),
        ];
        map(url.into_iter().chain(rest).collect())
    }
}

fn signalfx(signalfx: &SignalFx) -> Shown {
    let SignalFx { realm, url, token, interval } = signalfx;
    let realm = realm.as_ref().map(|realm| ("realm", text(realm)));
    let url = url.as_ref().map(|url| ("url", text(url)));
    let rest = [("token", token.shown()), ("interval", text(show_duration(*interval)))];
    map(realm.into_iter().chain(url).chain(rest).collect())
}

fn assignment(assignment: &Assignment) -> Shown {
    match assignment {
        Assignment::Zookeeper { group_path, cooldown, session_timeout, use_group_sha } => map(vec![
            ("mode", text("zookeeper")),
            (
                "group_path",
                match group_path {
                    GroupPathStyle::Python3 => text("python3"),
                    GroupPathStyle::Python2Unicode => text("python2-unicode"),
                    GroupPathStyle::Path(path) => text(path),
                },
            ),
            ("cooldown", text(show_duration(*cooldown))),
            ("session_timeout", text(show_duration(*session_timeout))),
            ("use_group_sha", Shown::Boolean(*use_group_sha)),
        ]),
        Assignment::Static { partitions } => {
            let number = |number: i32| Shown::Number(u64::from(number.unsigned_abs()));
            let topics = partitions.iter().map(|(topic, partitions)| {
                (
                    topic.to_string(),
                    Shown::List(partitions.iter().map(|partition| number(partition.0)).collect()),
                )
            });
            map(vec![("mode", text("static")), ("partitions", Shown::Map(topics.collect()))])
        }
    }
}

fn handler(handler: &Handler) -> Shown {
    let window = &handler.max_in_flight;
    let poison = &handler.poison;
    let mut poison_entries = vec![
        ("attempts", Shown::Number(poison.attempts.into())),
        ("action", word(ACTIONS, poison.action)),
        ("max_per_minute", Shown::Number(poison.max_per_minute.into())),
    ];
    if let Some(topic) = &poison.topic {
        poison_entries.push(("topic", text(topic.as_str())));
    }
    let mut entries = vec![
        ("command", list(&handler.command)),
        ("protocol", word(PROTOCOLS, handler.protocol)),
        ("start_timeout", text(show_duration(handler.start_timeout))),
        ("timeout", text(show_duration(handler.timeout))),
        (
            "max_in_flight",
            map(vec![
                ("messages", Shown::Number(window.messages.into())),
                ("bytes", text(show_size(window.bytes))),
                ("time", text(show_duration(window.time))),
            ]),
        ),
        ("poison", map(poison_entries)),
    ];
    if handler.protocol == Protocol::Exec {
        let batch = &handler.batch;
        entries.push(("delimiter", word(DELIMITERS, handler.delimiter)));
        entries.push((
            "batch",
            map(vec![
                ("messages", Shown::Number(batch.messages.into())),
                ("wait", text(show_duration(batch.wait))),
            ]),
        ));
    }
    map(entries)
}

fn text(value: impl Into<String>) -> Shown {
    Shown::Text(value.into())
}

fn list(values: &[impl ToString]) -> Shown {
    Shown::List(values.iter().map(|value| Shown::Text(value.to_string())).collect())
}

fn map(entries: Vec<(&str, Shown)>) -> Shown {
    Shown::Map(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

/// The first name that the file takes for `value`.
fn word<T: PartialEq + Copy>(names: &[(&str, T)], value: T) -> Shown {
    text(names.iter().find(|(_, named)| *named == value).map_or("", |(name, _)| *name))
}

fn json(shown: &Shown) -> Value {
    match shown {
        Shown::Text(text) => Value::from(text.as_str()),
        Shown::Number(number) => Value::from(*number),
        Shown::Boolean(value) => Value::from(*value),
        Shown::List(items) => Value::Array(items.iter().map(json).collect()),
        Shown::Map(entries) => {
            let entries = entries.iter().map(|(key, value)| (key.clone(), json(value)));
            Value::Object(entries.collect::<Map<_, _>>())
        }
    }
}

/// JSON on one line of YAML.
pub(super) fn inline_json(value: &Value) -> String {
    match value {
        Value::String(text) => scalar(text),
        Value::Array(items) => format!("[{}]", items.iter().map(inline_json).collect::<Vec<_>>().join(", ")),
        Value::Object(entries) => {
            let entries =
                entries.iter().map(|(key, value)| format!("{}: {}", scalar(key), inline_json(value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

fn write_entry(key: &str, value: &Shown, indent: usize, yaml: &mut String) {
    let _ = write!(yaml, "{:indent$}{}:", "", scalar(key));
    match value {
        Shown::Map(entries) if !entries.is_empty() => {
            yaml.push('\n');
            for (key, value) in entries {
                write_entry(key, value, indent + 2, yaml);
            }
        }
        Shown::Text(_) | Shown::Number(_) | Shown::Boolean(_) | Shown::List(_) | Shown::Map(_) => {
            let _ = writeln!(yaml, " {}", inline(value));
        }
    }
}

fn inline(shown: &Shown) -> String {
    match shown {
        Shown::Text(text) => scalar(text),
        Shown::Number(number) => number.to_string(),
        Shown::Boolean(value) => value.to_string(),
        Shown::List(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Shown::Map(entries) => {
            let entries = entries.iter().map(|(key, value)| format!("{}: {}", scalar(key), inline(value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
    }
}

/// Text without quotes where nobody can take it for anything else, else as a JSON string, which YAML reads too.
fn scalar(text: &str) -> String {
    let first = text.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '/' | '_'));
    let rest =
        text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '/' | '_' | '-' | ':' | ','));
    let word = matches!(text.to_ascii_lowercase().as_str(), "y" | "n" | "yes" | "no" | "on" | "off");
    let plain = first && rest && !word && !text.ends_with(':') && !text.contains(',');
    if plain && matches!(Scalar::parse_from_cow(text.into()), Scalar::String(_)) {
        return text.to_owned();
    }
    escaped(text)
}

/// A JSON string in which everything but printable ASCII and letters is written as an escape.
fn escaped(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            ' '..='~' => out.push(c),
            c if c.is_alphanumeric() => out.push(c),
            c => {
                let _ = write!(out, "\\U{:08x}", u32::from(c));
            }
        }
    }
    out.push('"');
    out
}
