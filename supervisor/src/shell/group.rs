//! The group, as the configuration means it.

use std::collections::BTreeSet;

use kafkavisor::config::{Assignment as AssignmentMode, Config, GroupPathStyle, ZookeeperAddress};
use kafkavisor::ensemble::ensemble;
use kafkavisor::ids::{Partition, Topic, TopicPartition};
use kafkavisor::membership::{Identity, Options};
use kafkavisor::partitioner::group_path::{GroupFolder, TopicsRepr};

use crate::exit::Failure;

/// What membership needs to know, where there is ZooKeeper.
pub(super) fn membership_options(
    config: &Config,
    zookeeper: Option<&ZookeeperAddress>,
) -> Result<Option<Options>, Failure> {
    let AssignmentMode::Zookeeper { group_path, cooldown, session_timeout, use_group_sha } =
        &config.assignment
    else {
        return Ok(None);
    };
    let Some(address) = zookeeper else { return Ok(None) };
    let hashed = |repr| {
        if *use_group_sha {
            GroupFolder::hashed(&config.group, &config.topics, repr)
        } else {
            GroupFolder::plain(&config.group)
        }
    };
    let folder = match group_path {
        GroupPathStyle::Python3 => hashed(TopicsRepr::Python3),
        GroupPathStyle::Python2Unicode => hashed(TopicsRepr::Python2Unicode),
        GroupPathStyle::Path(path) => {
            GroupFolder::at(path).map_err(|error| Failure::configuration(error.to_string()))?
        }
    };
    Ok(Some(Options {
        ensemble: ensemble(
            address,
            config.cluster.zookeeper_auth.as_ref(),
            config.cluster.zookeeper_tls.as_ref(),
        ),
        chroot: address.chroot.clone(),
        group_path: folder.path().to_owned(),
        siblings: folder.parent().is_some(),
        session_timeout: *session_timeout,
        cooldown: *cooldown,
        identity: Identity::here(),
    }))
}

/// Which of the partitions that there are can become ours.
pub(super) fn eligible(config: &Config, existing: BTreeSet<TopicPartition>) -> BTreeSet<TopicPartition> {
    match &config.assignment {
        AssignmentMode::Zookeeper { .. } => existing,
        AssignmentMode::Static { partitions } => {
            let of = |topic: Topic, numbers: BTreeSet<Partition>| {
                numbers
                    .into_iter()
                    .map(move |number| TopicPartition { topic: topic.clone(), partition: number })
            };
            partitions.clone().into_iter().flat_map(|(topic, numbers)| of(topic, numbers)).collect()
        }
    }
}
