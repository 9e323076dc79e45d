//! What becomes of a commit.

use kafkavisor_types::ids::{Offset, TopicPartition};

/// One commit of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitAnswer {
    pub partition: TopicPartition,
    pub offset: Offset,
    pub error: Option<NotCommitted>,
}

/// Why it is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotCommitted {
    /// It may be, if it is tried again.
    Failed(String),
    /// Not before somebody gives a right, or changes how we log in.
    Barred(String),
    /// There is no such partition, as Kafka says: nothing can be committed of it.
    Gone(String),
}

impl NotCommitted {
    pub fn why(&self) -> &str {
        let (Self::Failed(why) | Self::Barred(why) | Self::Gone(why)) = self;
        why
    }
}
