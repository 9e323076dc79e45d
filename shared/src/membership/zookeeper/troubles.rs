//! What stands in the member's way, so that it is said once, and taken back when it is mended.

use std::collections::BTreeMap;
use std::mem::{Discriminant, discriminant};
use std::sync::{Arc, Mutex, PoisonError};

use crate::ids::TopicPartition;
use crate::partitioner::messages::{Notice, Request};

/// Where it was noticed, and what mends it there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// There is no connection.
    Session,
    /// Requests of this kind are refused.
    Request(Discriminant<Request>),
}

/// By partition; none of them is the group as a whole.
type All = BTreeMap<Option<TopicPartition>, (Kind, String)>;

/// Shared with the session's tasks.
#[derive(Debug, Clone, Default)]
pub(super) struct Troubles(Arc<Mutex<All>>);

impl Troubles {
    /// There is no connection, for this reason; what is new is to be said.
    pub(super) fn no_session(&self, why: String) -> Option<Notice> {
        self.note(None, Kind::Session, why)
    }

    /// There is one.
    pub(super) fn connected(&self) -> Option<Notice> {
        self.mended(None, Kind::Session)
    }

    pub(super) fn refused(&self, request: &Request, why: String) -> Option<Notice> {
        self.note(request.partition().cloned(), Kind::Request(discriminant(request)), why)
    }

    pub(super) fn allowed(&self, request: &Request) -> Option<Notice> {
        self.mended(request.partition().cloned(), Kind::Request(discriminant(request)))
    }

    /// Forgets those of partitions that are nothing to us any more.
    pub(super) fn keep(&self, ours: impl Fn(&TopicPartition) -> bool) -> Vec<Notice> {
        self.take(|of, _| of.as_ref().is_some_and(|partition| !ours(partition)))
    }

    /// The session is over, and with it whatever was refused in it.
    pub(super) fn session_over(&self) -> Vec<Notice> {
        self.take(|_, kind| kind != Kind::Session)
    }

    fn note(&self, partition: Option<TopicPartition>, kind: Kind, why: String) -> Option<Notice> {
        let before = self.all(|all| all.insert(partition.clone(), (kind, why.clone())));
        (before.map(|(_, why)| why).as_ref() != Some(&why)).then_some(Notice::Troubled { partition, why })
    }

    fn mended(&self, partition: Option<TopicPartition>, by: Kind) -> Option<Notice> {
        self.all(|all| {
            all.get(&partition).filter(|(kind, _)| *kind == by)?;
            all.remove(&partition);
            Some(Notice::Untroubled { partition })
        })
    }

    fn take(&self, which: impl Fn(&Option<TopicPartition>, Kind) -> bool) -> Vec<Notice> {
        self.all(|all| {
            let (taken, kept) = std::mem::take(all).into_iter().partition(|(of, (kind, _))| which(of, *kind));
            *all = kept;
            All::into_keys(taken).map(|partition| Notice::Untroubled { partition }).collect()
        })
    }

    fn all<T>(&self, work: impl FnOnce(&mut All) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trouble_is_said_once_and_taken_back_by_what_mends_it() {
        let troubles = Troubles::default();
        let partition: TopicPartition = "t:1".parse().unwrap();
        let delete = Request::DeleteLock { partition: partition.clone(), node: "n".to_owned() };
        let list = Request::ListLocks { partition: partition.clone(), prefix: "p".to_owned() };
        let why = || "why".to_owned();
        let troubled = Notice::Troubled { partition: Some(partition.clone()), why: why() };
        let untroubled = Notice::Untroubled { partition: Some(partition.clone()) };
        assert_eq!(troubles.refused(&delete, why()), Some(troubled.clone()));
        assert_eq!(troubles.refused(&delete, why()), None);
        assert_eq!(troubles.allowed(&list), None, "another question");
        assert_eq!(troubles.allowed(&delete), Some(untroubled.clone()));
        assert_eq!(troubles.allowed(&delete), None);

        assert!(troubles.refused(&delete, why()).is_some() && troubles.no_session(why()).is_some());
        assert_eq!(troubles.keep(|_| true), []);
        assert_eq!(troubles.keep(|_| false), [untroubled]);
        assert!(troubles.refused(&Request::ListParty, "other".to_owned()).is_some());
        assert_eq!(troubles.connected(), None, "the refusal has taken its place");
        assert_eq!(troubles.session_over(), [Notice::Untroubled { partition: None }]);
    }
}
