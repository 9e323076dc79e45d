//! Where a group's nodes are, chroot included.

use crate::ids::TopicPartition;
use crate::partitioner::allocation::kazoo_name;

/// The chroot in the form that paths are put behind: empty, or `/a/b`.
pub(super) fn normal(chroot: &str) -> String {
    let chroot = chroot.trim_matches('/');
    if chroot.is_empty() { String::new() } else { format!("/{chroot}") }
}

/// The folder of a group's members, by the name that kazoo gives it.
pub(super) const PARTY: &str = "party";
/// The folder of its locks.
pub(super) const LOCKS: &str = "locks";

/// The paths of one group.
#[derive(Debug, Clone)]
pub(super) struct Paths {
    group: String,
}

impl Paths {
    pub(super) fn new(chroot: &str, group_path: &str) -> Self {
        Self { group: format!("{}{group_path}", normal(chroot)) }
    }

    pub(super) fn party(&self) -> String {
        format!("{}/{PARTY}", self.group)
    }

    pub(super) fn party_node(&self, node: &str) -> String {
        format!("{}/{PARTY}/{node}", self.group)
    }

    pub(super) fn all_locks(&self) -> String {
        format!("{}/{LOCKS}", self.group)
    }

    pub(super) fn locks(&self, partition: &TopicPartition) -> String {
        format!("{}/{LOCKS}/{}", self.group, kazoo_name(partition))
    }

    /// The folder of the group's folders, and this one's name in it.
    pub(super) fn parent_and_name(&self) -> (&str, &str) {
        self.group.rsplit_once('/').unwrap_or(("", &self.group))
    }

    /// The paths of the folder `name` beside this one.
    pub(super) fn sibling(&self, name: &str) -> Self {
        Self { group: format!("{}/{name}", self.parent_and_name().0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_begin_with_the_chroot_if_there_is_one() {
        for chroot in ["/kafka", "kafka/", "/kafka/"] {
            assert_eq!(Paths::new(chroot, "/yelp-kafka/g/sha").party(), "/kafka/yelp-kafka/g/sha/party");
        }
        for chroot in ["", "/"] {
            assert_eq!(Paths::new(chroot, "/g").party_node("x"), "/g/party/x");
        }
        let paths = Paths::new("/kafka", "/yelp-kafka/g/sha");
        assert_eq!(paths.locks(&"t-a:3".parse().unwrap()), "/kafka/yelp-kafka/g/sha/locks/t-a-3");
        assert_eq!(paths.sibling("other").all_locks(), "/kafka/yelp-kafka/g/other/locks");
    }
}
