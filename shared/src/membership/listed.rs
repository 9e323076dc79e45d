//! Static assignment: the operator lists partitions, and they are ours for as long as we run. There is nobody to ask, so that the
//! evidence lasts for ever, and no fencing token.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::{Debug, Formatter};
use std::time::Duration;

use super::{Member, Notice};
use crate::clock::Boottime;
use crate::ids::{FencingToken, TopicPartition};

/// The only member of its group.
pub struct ListedMember<S> {
    held: RefCell<BTreeSet<TopicPartition>>,
    sink: S,
}

impl<S: Fn(Notice)> ListedMember<S> {
    /// Takes all of them. `sink` is called here and in each call; it must not block.
    pub fn start(partitions: BTreeSet<TopicPartition>, sink: S) -> Self {
        let timeout = Duration::MAX;
        sink(Notice::Joined { session: None, member: None, node: None, timeout });
        sink(Notice::Evidence { sent: Boottime::now(), timeout });
        for partition in partitions.iter().cloned() {
            sink(Notice::Assigned { partition, token: None });
        }
        sink(Notice::Settled { members: 1 });
        Self { held: RefCell::new(partitions), sink }
    }
}

impl<S: Fn(Notice) + Send> Member for ListedMember<S> {
    /// The list is the operator's: what Kafka has besides is not ours.
    fn partitions_changed(&self, _partitions: BTreeSet<TopicPartition>) {}

    fn released(&self, partition: TopicPartition, _token: Option<FencingToken>) {
        let mut held = self.held.borrow_mut();
        if held.remove(&partition) && held.is_empty() {
            (self.sink)(Notice::Left);
        }
    }

    fn leave(&self) {
        let held = self.held.borrow();
        for partition in held.iter().cloned() {
            (self.sink)(Notice::Revoked { partition, token: None });
        }
        if held.is_empty() {
            (self.sink)(Notice::Left);
        }
    }
}

impl<S> Debug for ListedMember<S> {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ListedMember").field("held", &self.held.borrow()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use super::*;

    fn started(count: i32) -> (impl Member, Receiver<Notice>) {
        let partition = |number| format!("t:{number}").parse().unwrap();
        let (told, notices) = channel();
        let member = ListedMember::start((0..count).map(partition).collect(), move |notice| {
            told.send(notice).unwrap();
        });
        (member, notices)
    }

    #[test]
    fn all_of_the_list_is_held_without_end_until_it_leaves() {
        let (member, notices) = started(2);
        let heard: Vec<_> = notices.try_iter().collect();
        let [joined, Notice::Evidence { timeout, .. }, first, second, settled] = &heard[..] else {
            panic!("{heard:?}")
        };
        assert_eq!(*joined, Notice::Joined { session: None, member: None, node: None, timeout: *timeout });
        assert_eq!(*timeout, Duration::MAX);
        let assigned = |of: &str| Notice::Assigned { partition: of.parse().unwrap(), token: None };
        assert_eq!([first, second], [&assigned("t:0"), &assigned("t:1")]);
        assert_eq!(*settled, Notice::Settled { members: 1 });

        member.partitions_changed(BTreeSet::new());
        assert_eq!(notices.try_iter().count(), 0, "the list is the operator's");
        member.leave();
        let revoked = |of: &str| Notice::Revoked { partition: of.parse().unwrap(), token: None };
        assert_eq!(notices.try_iter().collect::<Vec<_>>(), [revoked("t:0"), revoked("t:1")]);
    }

    #[test]
    fn it_has_left_once_the_last_is_released() {
        let (member, notices) = started(2);
        member.leave();
        notices.try_iter().for_each(drop);
        member.released("t:0".parse().unwrap(), None);
        assert_eq!(notices.try_iter().count(), 0);
        member.released("t:1".parse().unwrap(), None);
        assert_eq!(notices.try_iter().collect::<Vec<_>>(), [Notice::Left]);
        // What is said twice says nothing new.
        member.released("t:1".parse().unwrap(), None);
        assert_eq!(notices.try_iter().count(), 0);
    }
}
