//! A callback for each message: what yelp_kafka deprecated, so that who has it finds it.
#![expect(deprecated, reason = "it is marked as deprecated itself")]

use std::fmt::{Debug, Display};

use super::{ConsumerError, KafkaConsumerGroup, Message};
use crate::consumer_config::KafkaConsumerConfig;

/// Calls a function for each message of a topic, as a member of a group. Deprecated as the original is. From yelp_kafka:
/// `yelp_kafka.consumer_group.ConsumerGroup`.
#[deprecated(note = "use `KafkaConsumerGroup`: it does the same, and who calls whom is yours to say")]
#[derive(Debug)]
pub struct ConsumerGroup<F> {
    group: KafkaConsumerGroup,
    process: F,
}

/// The function has failed for a message, which comes again. From yelp_kafka: `yelp_kafka.error.ProcessMessageError`.
#[derive(Debug, thiserror::Error)]
#[error("{}:{} offset {}: {error}", message.topic, message.partition, message.offset)]
pub struct ProcessMessageError<E: Debug + Display> {
    /// The message.
    pub message: Box<Message>,
    /// What the function has returned.
    pub error: E,
}

/// Why [`ConsumerGroup::run`] has ended.
#[derive(Debug, thiserror::Error)]
pub enum RunError<E: Debug + Display> {
    /// The function has failed.
    #[error(transparent)]
    Process(#[from] ProcessMessageError<E>),
    /// The group has.
    #[error(transparent)]
    Consumer(#[from] ConsumerError),
}

impl<F, E> ConsumerGroup<F>
where
    F: FnMut(&Message) -> Result<(), E>,
    E: Debug + Display,
{
    /// A group that calls `process` for each message of the topic.
    pub fn new(topic: &str, config: KafkaConsumerConfig, process: F) -> Result<Self, ConsumerError> {
        Ok(Self { group: KafkaConsumerGroup::new([topic], config)?, process })
    }

    /// Joins the group and calls the function for each message, until it fails, or membership is lost.
    pub fn run(&mut self) -> Result<(), RunError<E>> {
        let consumer = self.group.start()?;
        loop {
            match consumer.next() {
                Ok(message) => match (self.process)(&message) {
                    Ok(()) => match consumer.task_done(&message) {
                        // The partition is somebody else's by now, and the message comes again there.
                        Ok(()) | Err(ConsumerError::NotOurs { .. }) => {}
                        Err(error) => return Err(error.into()),
                    },
                    Err(error) => {
                        return Err(ProcessMessageError { message: Box::new(message), error }.into());
                    }
                },
                Err(error) if error.is_retriable() => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}
