//! Reaching Kafka and ZooKeeper: all that a start waits for, with one deadline for all of it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use kafkavisor::clock::now;
use kafkavisor::config::{Assignment as AssignmentMode, Config, OffsetStorage, Servers, ZookeeperAddress};
use kafkavisor::ensemble::ensemble;
use kafkavisor::ids::{Topic, TopicPartition};
use kafkavisor::membership::{ConnectError, Connection, Options};
use kafkavisor::token::Token;
use kafkavisor_group::start::Elsewhere;
use kafkavisor_kafka::Described;
use kafkavisor_kafka::clients::Clients;
use kafkavisor_kafka::error::KafkaError;
use kafkavisor_kafka::heads::Reader;
use kafkavisor_kafka::offsets::{DualOffsets, KafkaOffsets, OffsetError, OffsetStore, ZookeeperOffsets};
use tokio::runtime::{Builder, Handle};

use super::group::membership_options;
use super::rights;
use crate::cluster;
use crate::exit::Failure;
use crate::kafka::{Heard, Lookups, Places, Scope, StartupError, client_properties};
use crate::processes::secrecy;
use crate::tokens;

/// What was reached.
pub(super) struct Reached {
    /// As they are named, or as discovery has found them.
    pub(super) servers: Servers,
    pub(super) clients: Arc<Clients>,
    pub(super) connection: Option<(Connection, Options)>,
    pub(super) store: Arc<dyn OffsetStore>,
    /// The cluster's own id; empty where it has none.
    pub(super) cluster_id: String,
    pub(super) lookups: Lookups,
    /// The first token, where Kafka wants any.
    pub(super) token: Option<Token>,
    /// All partitions of the topics.
    pub(super) partitions: BTreeSet<TopicPartition>,
}

/// Reaches everything, within `cluster.connect_timeout`.
pub(super) fn reach_all(
    config: &Config,
    instance_id: String,
    runtime: &Handle,
    heard: impl Fn(Heard) + Clone + Send + 'static,
) -> Result<Reached, Failure> {
    let until = deadline(config);
    let servers = cluster::servers(config, until)?;
    let token = tokens::log_in(config.identity(), until)?;
    let (clients, warnings) = reach_kafka(config, &servers, until)?;
    warnings.iter().for_each(|warning| log::warn!("{warning}"));
    let clients = Arc::new(clients);
    let connection = reach_zookeeper(config, &servers, runtime, until)?;
    let in_kafka = KafkaOffsets::new(Arc::clone(&clients), &config.group)
        .map_err(|error| Failure::configuration(format!("`kafka`: {error}")))?;
    let in_zookeeper = reach_offsets(config, &servers, until)?.map(Arc::new);
    let places = offset_places(config, &servers, in_kafka, in_zookeeper.clone(), runtime);
    let store = Arc::clone(&places.store);
    let scope = Scope {
        instance_id,
        topics: config.topics.clone(),
        reset: config.offsets.reset,
        reader: Reader::new(Arc::clone(&clients), &config.group),
    };
    let cluster_id = clients.cluster_id();
    let (lookups, partitions) =
        Lookups::start(Arc::clone(&clients), places, scope, until, heard).map_err(|error| match &error {
            StartupError::Topic { topic, error } => topic_failed(&servers, topic, error),
            StartupError::Thread(_) => Failure::bug(error.to_string()),
        })?;
    check_rights(connection.as_ref(), in_zookeeper.as_deref(), &partitions, runtime, until)?;
    Ok(Reached { servers, clients, connection, store, cluster_id, lookups, token, partitions })
}

/// What ZooKeeper will refuse is said now. Nothing is changed there.
fn check_rights(
    connection: Option<&(Connection, Options)>,
    offsets: Option<&ZookeeperOffsets>,
    partitions: &BTreeSet<TopicPartition>,
    runtime: &Handle,
    until: Instant,
) -> Result<(), Failure> {
    if let Some((connection, options)) = connection {
        let left = until.saturating_duration_since(now());
        let checked = runtime.block_on(connection.check_rights(options, partitions, left));
        checked.map_err(|error| zookeeper_failed(error.into()))?;
    }
    if let Some(offsets) = offsets {
        offsets.check_rights(partitions, until).map_err(|error| offsets_failed(&error))?;
    }
    Ok(())
}

/// Finds and connects to Kafka and ZooKeeper as `run` would, and lets go again; where they are, and what may be wrong there.
pub(crate) fn reach(config: &Config) -> Result<(Servers, Vec<String>), Failure> {
    secrecy::keep(config.identity());
    let runtime = start_runtime("async")?;
    let until = deadline(config);
    let servers = cluster::servers(config, until)?;
    tokens::log_in(config.identity(), until)?;
    let (clients, warnings) = reach_kafka(config, &servers, until)?;
    if let Some(trouble) = clients.look_at_named(until) {
        return Err(kafka_failed(config, &servers.brokers, &KafkaError::Security(Box::new(trouble))));
    }
    let partitions = look_at_topics(config, &servers, &clients, until)?;
    let offsets = reach_offsets(config, &servers, until)?;
    let connection = reach_zookeeper(config, &servers, &runtime, until)?;
    check_rights(connection.as_ref(), offsets.as_ref(), &partitions, &runtime, until)?;
    Ok((servers, warnings))
}

/// What will never be told of a topic ends the start.
fn look_at_topics(
    config: &Config,
    servers: &Servers,
    clients: &Clients,
    until: Instant,
) -> Result<BTreeSet<TopicPartition>, Failure> {
    let mut partitions = BTreeSet::new();
    let described = clients.describe(&config.topics, until.saturating_duration_since(now()));
    for (topic, described) in described {
        let count = described.as_ref().map_or(0, |described| described.partitions);
        partitions.extend((0..count).map(|number| TopicPartition::new(topic.clone(), number)));
        match described.and_then(Described::readable) {
            Err(error) if error.is_permanent() => return Err(topic_failed(servers, &topic, &error)),
            Ok(_) | Err(_) => {}
        }
    }
    Ok(partitions)
}

fn topic_failed(servers: &Servers, topic: &Topic, error: &KafkaError) -> Failure {
    let message = format!("Kafka at {}: topic {topic}: {error}", servers.brokers.join(","));
    if error.is_ours() { Failure::configuration(message) } else { Failure::unreachable(message) }
}

fn deadline(config: &Config) -> Instant {
    now() + config.cluster.connect_timeout
}

/// The runtime for what is async by nature, on a thread of its own.
pub(crate) fn start_runtime(name: &str) -> Result<Handle, Failure> {
    let bug = |error| Failure::bug(format!("failed to start the async runtime: {error}"));
    let runtime = Builder::new_current_thread().enable_all().build().map_err(bug)?;
    let handle = runtime.handle().clone();
    let drive = move || runtime.block_on(std::future::pending::<()>());
    thread::Builder::new().name(name.to_owned()).spawn(drive).map_err(bug)?;
    Ok(handle)
}

/// The client, and what may be wrong there.
fn reach_kafka(
    config: &Config,
    servers: &Servers,
    until: Instant,
) -> Result<(Clients, Vec<String>), Failure> {
    let brokers = &servers.brokers;
    let clients = Clients::new(&client_properties(brokers, config), &config.group)
        .map_err(|error| Failure::configuration(format!("`kafka`: {error}")))?;
    clients.reach(until).map_err(|error| kafka_failed(config, brokers, &error))?;
    let members = match config.offsets.storage {
        OffsetStorage::Kafka | OffsetStorage::Dual => clients.members_of_ours(&config.group, until),
        OffsetStorage::Zookeeper => clients.group_members(&config.group, until),
    };
    let rights = rights::look(config, &clients, members.as_ref().err(), until);
    if !rights.refused.is_empty() {
        let at = |refused: &String| format!("Kafka at {}: {refused}", brokers.join(","));
        return Err(Failure::configuration(rights.refused.iter().map(at).collect::<Vec<_>>().join("\n")));
    }
    let foreign = members.map_err(|error| kafka_failed(config, brokers, &error))?.unwrap_or_default();
    if foreign.is_empty() {
        return Ok((clients, rights.warnings));
    }
    let names: Vec<_> = foreign.iter().map(|m| format!("{} at {}", m.client_id, m.host)).collect();
    Err(Failure::configuration(format!(
        "other consumers are subscribed under group {}: {}. Kafka would refuse our commits: stop them, or use another group",
        config.group,
        names.join(", ")
    )))
}

fn kafka_failed(config: &Config, brokers: &[String], error: &KafkaError) -> Failure {
    let brokers = brokers.join(",");
    if error.is_ours() {
        return Failure::configuration(format!("Kafka at {brokers}: {error}"));
    }
    if let KafkaError::Security(trouble) = error {
        return Failure::unreachable(format!("Kafka at {brokers}: {trouble}"));
    }
    let within = config.cluster.connect_timeout;
    Failure::unreachable(format!(
        "Kafka at {brokers} was not reached within {within:?} ({error}): is it running, and is the address right?"
    ))
}

fn reach_zookeeper(
    config: &Config,
    servers: &Servers,
    runtime: &Handle,
    until: Instant,
) -> Result<Option<(Connection, Options)>, Failure> {
    let Some(options) = membership_options(config, servers.zookeeper.as_ref())? else { return Ok(None) };
    let connection = runtime
        .block_on(Connection::establish(&options, until.saturating_duration_since(now())))
        .map_err(|error| match error {
            // What was left of it says nothing to people.
            ConnectError::Unreachable { servers, last, .. } => {
                ConnectError::Unreachable { servers, last, within: config.cluster.connect_timeout }
            }
            other @ (ConnectError::Servers { .. } | ConnectError::Trouble(_) | ConnectError::Node(_)) => {
                other
            }
        })
        .map_err(zookeeper_failed)?;
    Ok(Some((connection, options)))
}

/// What is wrong by name is the configuration's, or is mended beside it; what does not answer may come.
fn zookeeper_failed(error: ConnectError) -> Failure {
    match &error {
        ConnectError::Trouble(trouble) if trouble.is_ours() => Failure::configuration(error.to_string()),
        ConnectError::Node(node) if node.is_refused() => Failure::configuration(error.to_string()),
        ConnectError::Trouble(_)
        | ConnectError::Servers { .. }
        | ConnectError::Unreachable { .. }
        | ConnectError::Node(_) => Failure::unreachable(error.to_string()),
    }
}

fn offsets_failed(error: &OffsetError) -> Failure {
    match error {
        OffsetError::Refused(_) | OffsetError::Trouble { ours: true, .. } => {
            Failure::configuration(error.to_string())
        }
        OffsetError::Trouble { ours: false, .. } => Failure::unreachable(error.to_string()),
        OffsetError::Kafka(_)
        | OffsetError::Gone
        | OffsetError::Zookeeper { .. }
        | OffsetError::ZookeeperTimedOut { .. }
        | OffsetError::NotANumber { .. }
        | OffsetError::TakenAway { .. }
        | OffsetError::Begun
        | OffsetError::NotOurs => Failure::unreachable(format!("offsets: {error}")),
    }
}

/// Offsets in ZooKeeper, where any are kept there: with a thread of their own, so that membership and its lease wait for nothing
/// that is done about offsets.
fn reach_offsets(
    config: &Config,
    servers: &Servers,
    until: Instant,
) -> Result<Option<ZookeeperOffsets>, Failure> {
    let address = match (config.offsets.storage, &servers.zookeeper) {
        (OffsetStorage::Zookeeper | OffsetStorage::Dual, Some(address)) => address,
        (OffsetStorage::Kafka, _) => return Ok(None),
        (OffsetStorage::Zookeeper | OffsetStorage::Dual, None) => {
            return Err(Failure::configuration(
                "`offsets.storage` needs ZooKeeper, and the cluster has none: set `cluster.zookeeper`, or `offsets.storage: kafka`"
                    .to_owned(),
            ));
        }
    };
    let offsets = zookeeper_offsets(config, address, start_runtime("offsets")?).signed();
    let within = config.cluster.connect_timeout;
    offsets.reach(until).map_err(|error| {
        if matches!(error, OffsetError::Trouble { .. }) {
            return offsets_failed(&error);
        }
        Failure::unreachable(format!(
            "{error} ({within:?}): is it running, and is the address right? `offsets.storage` needs it"
        ))
    })?;
    Ok(Some(offsets))
}

fn zookeeper_offsets(config: &Config, address: &ZookeeperAddress, runtime: Handle) -> ZookeeperOffsets {
    let cluster = &config.cluster;
    let ensemble = ensemble(address, cluster.zookeeper_auth.as_ref(), cluster.zookeeper_tls.as_ref());
    ZookeeperOffsets::new(runtime, ensemble, &address.chroot, &config.group)
}

/// Where offsets are kept, and where some might be that this storage passes over. With static assignment ZooKeeper is asked only
/// where offsets are kept there.
fn offset_places(
    config: &Config,
    servers: &Servers,
    in_kafka: KafkaOffsets,
    in_zookeeper: Option<Arc<ZookeeperOffsets>>,
    runtime: &Handle,
) -> Places {
    let kafka: Arc<dyn OffsetStore> = Arc::new(in_kafka);
    let zookeeper = in_zookeeper.map(|offsets| offsets as Arc<dyn OffsetStore>);
    match (config.offsets.storage, zookeeper) {
        (OffsetStorage::Zookeeper, Some(store)) => {
            Places { store, elsewhere: Some((Elsewhere::Kafka, kafka)) }
        }
        (OffsetStorage::Dual, Some(zookeeper)) => {
            Places { store: Arc::new(DualOffsets::new(kafka, zookeeper)), elsewhere: None }
        }
        (OffsetStorage::Kafka, _) | (_, None) => {
            let address = match config.assignment {
                AssignmentMode::Zookeeper { .. } => servers.zookeeper.as_ref(),
                AssignmentMode::Static { .. } => None,
            };
            let classic = |address| Arc::new(zookeeper_offsets(config, address, runtime.clone()));
            let elsewhere = address.map(|address| (Elsewhere::Zookeeper, classic(address) as _));
            Places { store: kafka, elsewhere }
        }
    }
}
