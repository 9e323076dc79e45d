//! The first session with ZooKeeper: it has a time limit, and an error to show.

use std::collections::BTreeSet;
use std::time::Duration;

use kafkavisor_zookeeper::ConnectError;
use kafkavisor_zookeeper::nodes::{NodeError, Right, make_folder};
use kafkavisor_zookeeper::rights::{self, Deed};
use tokio::time::timeout;
use zookeeper_client::{Client, Error};

use super::options::Options;
use super::paths::{Paths, normal};
use crate::clock;
use crate::ids::TopicPartition;

/// A session that is established and waits for its membership.
#[derive(Debug)]
pub struct Connection {
    pub(super) client: Client,
}

impl Connection {
    /// Connects and makes the chroot where it is missing; an error after `within`.
    pub async fn establish(options: &Options, within: Duration) -> Result<Self, ConnectError> {
        let end = clock::now() + within;
        let client = options.ensemble.connect(options.session_timeout, within).await?;
        let connection = Self { client };
        let root = normal(&options.chroot);
        let left = end.saturating_duration_since(clock::now());
        let make = async {
            if !root.is_empty() && matches!(connection.client.check_stat(&root).await, Ok(None)) {
                log::warn!(
                    "ZooKeeper has no {root}, and it is made: is that the path after the servers in `cluster.zookeeper`?"
                );
            }
            make_folder(&connection.client, &root, options.ensemble.acls()).await
        };
        let made = timeout(left, make).await;
        made.unwrap_or_else(|_| Err(NodeError::of(&root, Right::Create, Error::Timeout)))?;
        Ok(connection)
    }

    /// Whether a member with these partitions may do all that it will have to; changes nothing.
    pub async fn check_rights(
        &self,
        options: &Options,
        partitions: &BTreeSet<TopicPartition>,
        within: Duration,
    ) -> Result<(), NodeError> {
        let paths = Paths::new(&options.chroot, &options.group_path);
        let party = paths.party();
        let mut deeds = vec![Deed::List(party.clone()), Deed::Fill(party.clone())];
        deeds.push(Deed::Make(paths.all_locks()));
        if options.siblings {
            deeds.push(Deed::List(paths.parent_and_name().0.to_owned()));
        }
        for folder in partitions.iter().map(|partition| paths.locks(partition)) {
            deeds.extend([Deed::List(folder.clone()), Deed::Fill(folder)]);
        }
        let checked = rights::check(&self.client, options.ensemble.acls(), &deeds);
        timeout(within, checked)
            .await
            .unwrap_or_else(|_| Err(NodeError::of(&party, Right::Read, Error::Timeout)))
    }
}
