//! Rights in Kafka, at the start: whatever is refused is said at once, a line each, before anything is begun.

use std::time::Instant;

use kafkavisor::clock::now;
use kafkavisor::config::{Config, PoisonAction};
use kafkavisor::ids::Topic;
use kafkavisor_kafka::Described;
use kafkavisor_kafka::clients::Clients;
use kafkavisor_kafka::error::KafkaError;

/// What is wrong, and what may be.
#[derive(Debug, Default)]
pub(super) struct Rights {
    /// What is not allowed, and must be.
    pub(super) refused: Vec<String>,
    /// What somebody may want to know.
    pub(super) warnings: Vec<String>,
}

/// Asks for the topics, and for the one for dead letters; what it heard of the group, the caller knows.
pub(super) fn look(config: &Config, clients: &Clients, group: Option<&KafkaError>, until: Instant) -> Rights {
    let mut rights = Rights::default();
    if group == Some(&KafkaError::GroupDenied) {
        rights.refused.push(format!("group {}: {}", config.group, KafkaError::GroupDenied));
    }
    let poison = &config.handler.poison;
    let dead_letters = poison.topic.as_ref().filter(|_| poison.action == PoisonAction::DeadLetter);
    let topics: Vec<Topic> = config.topics.iter().chain(dead_letters).cloned().collect();
    let mut described = clients.describe(&topics, until.saturating_duration_since(now()));
    for topic in &config.topics {
        if let Some(Err(KafkaError::TopicDenied)) =
            described.remove(topic).map(|it| it.and_then(Described::readable))
        {
            rights.refused.push(format!("topic {topic}: {}", KafkaError::TopicDenied));
        }
    }
    if let Some((topic, described)) = dead_letters.and_then(|topic| described.remove_entry(topic)) {
        match described.and_then(Described::writable) {
            // Who may not even see it may not write to it.
            Err(KafkaError::WriteDenied | KafkaError::TopicDenied) => {
                rights.refused.push(format!("topic {topic}, for dead letters: {}", KafkaError::WriteDenied));
            }
            Ok(Described { partitions: 0, .. }) => rights.warnings.push(format!(
                "topic {topic}, for dead letters, does not exist: make it, or a partition with a message to be dead-lettered stops there"
            )),
            // What could not be told now may be well.
            Ok(_) | Err(_) => {}
        }
    }
    rights
}
