//! Finding the cluster's servers at start: as they are named, or by discovery, which is asked until its time is up.

use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::bounded;
use kafkavisor::clock::now;
use kafkavisor::config::{Assignment, ClusterAddress, Config, OffsetStorage, Servers};

use super::question::{NotFound, Question};
use crate::exit::Failure;

/// A service that is not there yet is asked again after this.
const ASK_AGAIN: Duration = Duration::from_millis(200);

/// The servers of the cluster, found until `until` at the latest.
pub(crate) fn servers(config: &Config, until: Instant) -> Result<Servers, Failure> {
    let question = match (&config.cluster.address, Question::of(config)) {
        (ClusterAddress::Servers(servers), _) => return Ok(servers.clone()),
        (ClusterAddress::Discovery(_), Some(question)) => question,
        (ClusterAddress::Discovery(_), None) => {
            return Err(Failure::bug("a cluster that is to be found was not asked for".to_owned()));
        }
    };
    let within = config.cluster.connect_timeout;
    let servers = patiently(|| in_time(&question, until, within), until).map_err(|error| error.failure())?;
    with_zookeeper(config, &question, servers)
}

/// What [`servers`] would find wrong before it asks anybody; the servers, where discovery's files alone name them.
pub(crate) fn servers_in_files(config: &Config) -> Result<Option<Servers>, Failure> {
    let Some(question) = Question::of(config) else { return Ok(None) };
    let servers = question.look().map_err(|error| error.failure())?;
    servers.map(|servers| with_zookeeper(config, &question, servers)).transpose()
}

/// The servers, with a ZooKeeper if one is needed.
fn with_zookeeper(config: &Config, question: &Question, servers: Servers) -> Result<Servers, Failure> {
    let needed = matches!(config.assignment, Assignment::Zookeeper { .. })
        || matches!(config.offsets.storage, OffsetStorage::Zookeeper | OffsetStorage::Dual);
    if needed && servers.zookeeper.is_none() {
        return Err(question.no_zookeeper().failure());
    }
    Ok(servers)
}

/// Asks again while somebody may still come to answer. What was said at last says more than that time was up.
fn patiently(ask: impl Fn() -> Result<Servers, NotFound>, until: Instant) -> Result<Servers, NotFound> {
    let mut said = None;
    loop {
        match ask() {
            Err(error) if error.may_come() && now() + ASK_AGAIN < until => said = Some(error),
            Err(error @ NotFound::TooLate { .. }) => return Err(said.unwrap_or(error)),
            answer => return answer,
        }
        thread::park_timeout(ASK_AGAIN);
    }
}

/// Asks, and waits no longer than until `until`: an exchange may take longer than there is time.
fn in_time(question: &Question, until: Instant, within: Duration) -> Result<Servers, NotFound> {
    let (answer_in, answer) = bounded(1);
    let asked = question.clone();
    let ask = move || {
        let _nobody_waits_any_more = answer_in.send(asked.ask());
    };
    let started = thread::Builder::new().name("discovery".to_owned()).spawn(ask);
    if let Err(error) = started {
        log::error!("no thread to ask discovery: {error}");
    }
    answer.recv_deadline(until).unwrap_or_else(|_| Err(question.too_late(within)))
}
