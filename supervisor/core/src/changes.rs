//! What is told of the instance to whoever looks: each change once, with its reason.

use std::sync::Arc;

use kafkavisor::ids::{FencingToken, TopicPartition};

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Whose; none of the instance as a whole.
    pub partition: Option<TopicPartition>,
    /// A state that was entered, or what happened, by the name that `events` prints.
    pub event: &'static str,
    pub reason: Option<Arc<str>>,
}

/// Those that nobody has taken yet.
#[derive(Debug, Default)]
pub(crate) struct Changes(Vec<Change>);

impl Changes {
    pub(crate) fn of(&mut self, key: &TopicPartition, event: &'static str, reason: impl Into<Arc<str>>) {
        self.0.push(Change { partition: Some(key.clone()), event, reason: Some(reason.into()) });
    }

    pub(crate) fn entered(&mut self, key: TopicPartition, state: &'static str, reason: Option<String>) {
        self.0.push(Change { partition: Some(key), event: state, reason: reason.map(Arc::from) });
    }

    pub(crate) fn assigned(&mut self, key: &TopicPartition, token: Option<FencingToken>) {
        let reason = token.map(|token| Arc::from(format!("fencing token {token}")));
        self.0.push(Change { partition: Some(key.clone()), event: "assigned", reason });
    }

    pub(crate) fn of_all(&mut self, event: &'static str, reason: Option<String>) {
        self.0.push(Change { partition: None, event, reason: reason.map(Arc::from) });
    }

    pub(crate) fn take(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.0)
    }
}
