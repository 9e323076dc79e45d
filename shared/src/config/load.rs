//! File and flags together, and the rules that hold between sections.
//!
//! Every section reads itself; what is left here is who wins, what is missing altogether, and what does not fit together.

use std::collections::BTreeSet;

use crate::ids::{Group, Topic};

use super::assigned::{Ensemble, Wanted, by_file, by_flag};
use super::assignment::{self, Assignment};
use super::became::ConsumerNotes;
use super::cluster::{self, Cluster};
use super::consumer::{self, Consumer};
use super::discovery::{self, Discovery};
use super::document::{self, Node, Value};
use super::draft::Draft;
use super::errors::{Errors, Place, Problems};
use super::flags::{Flags, Given};
use super::handler::{self, Handler, HandlerDraft, PoisonAction, Protocol};
use super::kafka;
use super::lifecycle::{self, Restart, Stop};
use super::logging::{self, Admin, Log};
use super::metrics::{self, Metrics};
use super::offsets::{self, Offsets};
use super::properties::KafkaProperties;
use super::reader::{Field, Section, Setting, needed};
use super::security::{self, Identity, OAuth};
use super::source::{CONFIGURATION, Source};
use super::topics::{self, Names};

const KEYS: &[&str] = &[
    "group",
    "name",
    "topics",
    "cluster",
    "discovery",
    "assignment",
    "handler",
    "offsets",
    "restart",
    "stop",
    "admin",
    "metrics",
    "log",
    "kafka",
    "consumer",
    "oauth",
];

/// A configuration that has been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The consumer group.
    pub group: Group,
    /// This instance's name; by default the group.
    pub name: String,
    /// The topics, at least one, none twice, in the order given.
    pub topics: Vec<Topic>,
    /// Where Kafka and ZooKeeper are.
    pub cluster: Cluster,
    /// Whom to ask for a cluster that is not named by its servers.
    pub discovery: Discovery,
    /// Who assigns partitions.
    pub assignment: Assignment,
    /// The user's executable.
    pub handler: Handler,
    /// Where reading begins, and commits.
    pub offsets: Offsets,
    /// How workers come back.
    pub restart: Restart,
    /// How workers stop.
    pub stop: Stop,
    /// The control socket.
    pub admin: Admin,
    /// What is shown as numbers, and to whom they are sent.
    pub metrics: Metrics,
    /// The supervisor's own log.
    pub log: Log,
    /// Properties for librdkafka, by name.
    pub kafka: KafkaProperties,
    /// Where tokens come from, if not from an identity provider that librdkafka's properties name.
    pub oauth: Option<OAuth>,
}

impl Config {
    /// Reads `file`, lets `flags` win, fills in defaults and checks everything. Fails with every error there is, save
    /// that a file that is no YAML is read no further.
    pub fn load(file: Option<&Source>, flags: &Flags) -> Result<Self, Errors> {
        Draft::of(file, flags).finish()
    }

    /// Who we are to Kafka and to ZooKeeper.
    pub fn identity(&self) -> Identity<'_> {
        Identity {
            kafka: &self.kafka,
            oauth: self.oauth.as_ref(),
            zookeeper_auth: self.cluster.zookeeper_auth.as_ref(),
            zookeeper_tls: self.cluster.zookeeper_tls.as_ref(),
            signalfx_token: self.metrics.signalfx.as_ref().map(|signalfx| &signalfx.token),
        }
    }
}

pub(super) fn build(file: Option<&Source>, flags: &Flags, draft: &mut Draft) {
    let given = flags.read(&mut draft.problems);
    let tree = match file.map_or(Ok(None), |file| document::parse(&file.text, CONFIGURATION)) {
        Ok(tree) => tree,
        Err((place, message)) => {
            draft.problems.at(place, message);
            return;
        }
    };
    let root = match &tree {
        Some(node) => {
            draft.places.note_file(node);
            root_section(node, &mut draft.problems)
        }
        None => Some(Section::default()),
    };
    flags.note(&mut draft.places);
    if let Some(root) = root {
        finish(&root, given, draft);
    }
}

/// The whole file as a section; a file of comments only is an empty one.
pub(super) fn root_section<'a>(node: &'a Node, p: &mut Problems) -> Option<Section<'a>> {
    match &node.value {
        Value::Map(_) => Some(Field { path: String::new(), key: node.place, node }.section(KEYS, p)),
        Value::Null => Some(Section::default()),
        other @ (Value::Boolean(_) | Value::Number(..) | Value::Text(_) | Value::List(_)) => {
            // Whatever file was named, a secret's perhaps, it is not shown.
            let found = other.kind();
            p.at(node.place, format!("expected keys such as `group: services.billing`, found {found}"));
            None
        }
    }
}

/// Reads every section, so that every error is found, and only then asks whether all is there.
fn finish(root: &Section<'_>, given: Given, draft: &mut Draft) {
    let p = &mut draft.problems;
    let mut names = topics::read(root, p);
    let mut cluster = cluster::read(root, p);
    let discovery = discovery::read(root, p);
    let consumer = consumer::read(root, p);
    let theirs = consumer.as_ref();
    let assignment = assignment::read(root, theirs.map(Consumer::assignment).unwrap_or_default(), p);
    let handler = handler::read(root, p);
    let mut offsets = offsets::read(root, theirs.map(Consumer::offsets).unwrap_or_default(), p);
    let restart = lifecycle::read_restart(root, p);
    let stop = lifecycle::read_stop(root, theirs.map(Consumer::stop).unwrap_or_default(), p);
    let mut admin = logging::read_admin(root, p);
    let metrics = metrics::read(root, p);
    let log = logging::read_log(root, p);
    let kafka = kafka::read(root, p);
    let oauth = security::read_oauth(root, &kafka, p);
    draft.security_refused = kafka.security_refused;
    let mut kafka = kafka.properties;
    if let Some(consumer) = theirs {
        consumer.add_properties(&mut kafka);
    }

    let zookeeper_flag = given.zookeeper.is_some();
    names.group = given.names.group.or(names.group);
    names.name = given.names.name.or(names.name);
    admin.http = given.http.and_then(|http| http.value).or(admin.http);
    cluster.overrule(given.brokers, given.zookeeper, p);
    offsets.offsets.reset = given.reset.and_then(|reset| reset.value).unwrap_or(offsets.offsets.reset);

    let wanted = Wanted { flags: given.names.topics, file: names.topics.take() };
    let (group, name) = finish_names(names, p);
    let ensemble = Ensemble { given: cluster.zookeeper.is_some(), discovery: cluster.query.is_some() };
    if offsets.in_zookeeper() && !ensemble.given && !ensemble.discovery {
        offsets.without_zookeeper(theirs, p);
    }
    let zookeeper_flag = zookeeper_flag && !offsets.in_zookeeper();
    draft.zookeeper_tls = cluster.zookeeper_tls().cloned();
    draft.token_command = oauth.as_ref().map(|oauth| oauth.token_command.clone());
    let cluster = cluster.finish(p);
    let assigned = match given.partitions {
        Some(partitions) => by_flag(partitions, wanted.flags, zookeeper_flag, p),
        None => by_file(assignment, wanted, &ensemble, p),
    };
    let topic_place = handler.topic_place;
    let handler = finish_handler(handler, given.command, given.protocol, p);
    if let Some((_, topics)) = &assigned {
        dead_letters_elsewhere(&handler, topic_place, topics, p);
    }
    draft.command = Some(handler.command.clone()).filter(|command| !command.is_empty());
    draft.name.clone_from(&name);
    draft.socket.clone_from(&admin.socket);
    draft.kafka.clone_from(&kafka);
    draft.dead_letters = handler.poison.topic.is_some();
    if let Some((Assignment::Static { partitions }, _)) = &assigned {
        draft.fixed_partitions = Some(partitions.values().map(BTreeSet::len).sum());
    }
    if let (Some(group), Some(name), Some(cluster), Some((assignment, topics))) =
        (group, name, cluster, assigned)
    {
        let config = Config {
            group,
            name,
            topics,
            cluster,
            discovery,
            assignment,
            handler,
            offsets: offsets.offsets,
            restart,
            stop,
            admin,
            metrics,
            log,
            kafka,
            oauth,
        };
        if let Some(consumer) = &consumer {
            draft.consumer = ConsumerNotes::of(consumer, &config, &draft.places, draft.file.as_deref());
        }
        draft.config = Some(config);
    }
}

fn finish_names(names: Names, p: &mut Problems) -> (Option<Group>, Option<String>) {
    let group = needed(names.group, "no group: set `group` in the file or pass -g GROUP", p);
    let name = match names.name {
        Some(name) => name.value,
        None => group.as_ref().map(ToString::to_string),
    };
    (group, name)
}

/// The handler with what the flags say of it; one without a command is noted, and shown as it is.
pub(super) fn finish_handler(
    mut draft: HandlerDraft,
    command: Option<Setting<Vec<String>>>,
    protocol: Option<Setting<Protocol>>,
    p: &mut Problems,
) -> Handler {
    let missing = "no handler: set `handler.command` in the file or give the handler after --";
    let command = needed(command.or_else(|| draft.command.take()), missing, p);
    let handler = &mut draft.handler;
    handler.command = command.unwrap_or_default();
    let known = protocol.as_ref().is_none_or(|protocol| protocol.value.is_some());
    if let Some(protocol) = protocol.and_then(|protocol| protocol.value) {
        handler.protocol = protocol;
    }
    if handler.protocol == Protocol::Exec {
        fit_batch(handler, draft.batch_place, p);
    } else if known {
        for (key, place) in &draft.exec_only {
            p.at(
                *place,
                format!(
                    "`handler.{key}` is for protocol exec only: set `handler.protocol: exec` or remove it"
                ),
            );
        }
    }
    if handler.poison.action == PoisonAction::DeadLetter && draft.topic_place.is_none() {
        let place = draft.action_place.unwrap_or(Place::Nowhere);
        p.at(place, "`handler.poison.action: dead-letter` needs `handler.poison.topic`: name the topic for dead letters");
    }
    draft.handler
}

/// A batch is in flight as a whole: one that was asked for must fit the window, the default makes itself fit.
fn fit_batch(handler: &mut Handler, asked: Option<Place>, p: &mut Problems) {
    let window = handler.max_in_flight.messages;
    if handler.batch.messages <= window {
        return;
    }
    match asked {
        None => handler.batch.messages = window,
        Some(place) => p.at(
            place,
            format!(
                "`handler.batch.messages` ({}) is above `handler.max_in_flight.messages` ({window}); lower it or raise that",
                handler.batch.messages
            ),
        ),
    }
}

/// A dead letter that is consumed again would die for ever.
fn dead_letters_elsewhere(handler: &Handler, place: Option<Place>, topics: &[Topic], p: &mut Problems) {
    if let (Some(topic), Some(place)) = (&handler.poison.topic, place)
        && topics.contains(topic)
    {
        let message =
            format!("`handler.poison.topic`: {topic} is consumed by this instance; name another topic");
        p.at(place, message);
    }
}
