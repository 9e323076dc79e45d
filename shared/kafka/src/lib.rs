//! What the project knows of Kafka: clients and their properties, topics, where logs begin and end, fetching, the group's
//! offsets, dead letters' headers. It takes plain values, and knows nothing of configuration files and processes.
//!
//! A request that names many partitions is answered partition by partition, and within its time: what one of them lacks (a
//! deleted topic, a right, a leader) fails and delays no other.
//!
//! | module | for |
//! |---|---|
//! | [`properties`] | what every client is set up with |
//! | [`tokens`] | tokens that clients show to brokers |
//! | [`clients`] | reaching Kafka, topics with their ids |
//! | `topics` | all topics of a cluster |
//! | [`groups`] | a group's members and offsets, seen from outside |
//! | [`logs`] | where logs begin and end, and where in them a time is |
//! | [`heads`] | how old the first message is that nobody fetches |
//! | [`offsets`] | the group's offsets, behind one trait |
//! | [`fetch`] | one partition's messages, a batch at a time and without blocking |
//! | [`dead_letter`] | dead letters: producing them, and what stands beside a message |
//! | [`patience`] | asking again while Kafka can't answer yet |
//! | [`error`] | why Kafka did not do what it was asked |
//! | `live` | one client of librdkafka's
//! | `admin` | the requests that the safe crate does not have |
//! | [`trouble`] | what is wrong with authentication, certificates, rights |

mod admin;
pub mod clients;
pub mod dead_letter;
pub mod error;
pub mod fetch;
pub mod groups;
pub mod heads;
mod live;
pub mod logs;
pub mod offsets;
pub mod patience;
pub mod properties;
pub mod tokens;
mod topics;
pub mod trouble;

use kafkavisor_types::ids::{Topic, TopicPartition};
use rdkafka::topic_partition_list::{Offset as ListOffset, TopicPartitionList};

pub use admin::{Described, GroupMember};

/// Which librdkafka and which OpenSSL this program speaks with, a line each.
#[cfg(feature = "probe")]
pub fn carried() -> String {
    let (_, librdkafka) = rdkafka::util::get_rdkafka_version();
    format!("librdkafka {librdkafka}\n{}", trouble::tls::openssl_version())
}

/// A partition as librdkafka names it; none for names that Kafka itself refuses.
fn partition(topic: &str, number: i32) -> Option<TopicPartition> {
    Some(TopicPartition::new(Topic::new(topic).ok()?, number))
}

fn list<'a>(partitions: impl Iterator<Item = &'a TopicPartition>) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for key in partitions {
        let _never_refused =
            list.add_partition_offset(key.topic.as_str(), key.partition.0, ListOffset::Invalid);
    }
    list
}
