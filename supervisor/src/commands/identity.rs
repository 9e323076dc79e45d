//! Who a command is to Kafka and to ZooKeeper: as the file of `-c` says, which is checked as `run` would.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use kafkavisor::clock::now;
use kafkavisor::config::{Finding, Source};

use crate::checks::check_identity;
use crate::exit::Failure;
use crate::processes::secrecy;
use crate::tokens;

/// As long as `cluster.connect_timeout` is unless told otherwise; no request takes longer.
pub(super) const WITHIN: Duration = Duration::from_secs(10);

/// What the file says about finding clusters, and about who we are to them.
pub(super) fn finding(file: Option<&Path>) -> Result<Finding, Failure> {
    let Some(path) = file else { return Ok(Finding::default()) };
    let finding = Source::read(path).and_then(|source| Finding::load(&source, check_identity));
    let finding = finding.map_err(|errors| Failure::configuration(errors.to_string()))?;
    secrecy::keep(finding.identity());
    Ok(finding)
}

/// Gets what Kafka wants to be shown; the properties of clients that show it.
pub(super) fn log_in(who: &Finding) -> Result<BTreeMap<String, String>, Failure> {
    tokens::log_in(who.identity(), now() + WITHIN)?;
    Ok(tokens::for_clients(&who.kafka))
}
