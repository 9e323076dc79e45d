//! What keeps the instance from Kafka, beside what workers say.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kafkavisor::ids::TopicPartition;
use kafkavisor_supervisor_core::{Barred, Partition};

use crate::tokens::NoSuccessor;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Troubles {
    /// There is no new token.
    pub(super) of_tokens: Option<NoSuccessor>,
    /// As its own clients have it.
    pub(super) of_topics: Arc<BTreeSet<String>>,
    /// As the look for where they begin has it.
    pub(super) of_starts: BTreeMap<TopicPartition, Arc<str>>,
    /// What a closer look found when workers were not let in.
    pub(super) seen: Option<Arc<str>>,
}

impl Troubles {
    /// A worker is not let in: where it is the first again, what was found then is over.
    pub(super) fn refused<'a>(&mut self, mut partitions: impl Iterator<Item = &'a Partition>) {
        if !partitions.any(|owned| matches!(owned.tenure.barred, Some(Barred::Refused(_)))) {
            self.seen = None;
        }
    }

    /// What the look for where a partition begins has met.
    pub(super) fn of_start(&mut self, partition: TopicPartition, trouble: Option<String>) {
        match trouble {
            Some(trouble) => drop(self.of_starts.insert(partition, Arc::from(trouble))),
            None => drop(self.of_starts.remove(&partition)),
        }
    }

    /// What a closer look has found, and whether it is news: each worker that is not let in has it looked again.
    pub(super) fn look(&mut self, found: Option<String>) -> Option<&str> {
        let known = std::mem::replace(&mut self.seen, found.map(Arc::from));
        self.seen.as_deref().filter(|found| known.as_deref() != Some(found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_news_once_until_it_changes_or_is_over() {
        let mut troubles = Troubles::default();
        let mut look = |found: &str| troubles.look(Some(found.to_owned())).map(str::to_owned);
        assert_eq!(look("expired").as_deref(), Some("expired"));
        assert_eq!(look("expired"), None);
        assert_eq!(look("unknown").as_deref(), Some("unknown"));
        assert_eq!(look("expired").as_deref(), Some("expired"));
        troubles.refused(std::iter::empty());
        assert_eq!(troubles.look(Some("expired".to_owned())), Some("expired"));
        assert_eq!(troubles.look(None), None);
    }
}
