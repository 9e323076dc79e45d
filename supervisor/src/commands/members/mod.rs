//! `kafkavisor members`: who is in a group, and who holds which partition.
//!
//! | module | for |
//! |---|---|
//! | [`zookeeper`] | members by their nodes, Python's among them |
//! | [`kafka`] | members in Kafka's own membership |
//! | [`print`] | what is shown of either |

mod kafka;
mod print;
mod zookeeper;

pub(super) use zookeeper::in_zookeeper;

use super::identity::finding;
use crate::cli::MembersArgs;
use crate::exit::{Exit, Failure};

/// Asks whom the command line names; it names one of them.
pub(super) fn run(args: &MembersArgs) -> Result<Exit, Failure> {
    let who = finding(args.config.as_deref())?;
    let members = match (&args.zookeeper, &args.brokers) {
        (Some(address), _) => zookeeper::members(address, &args.group, &args.topics, &who)?,
        (None, Some(brokers)) => kafka::members(brokers, &args.group, &args.topics, &who)?,
        (None, None) => return Err(Failure::usage("say -z ZOOKEEPER or -b BROKERS".to_owned())),
    };
    members.print(args.json)
}
