//! The name of a partition's page in the runtime directory: one file a partition, whatever the topic is called.

use std::fmt::Write as _;

use kafkavisor::ids::TopicPartition;
use sha1::{Digest, Sha1};

/// The longest name of a file on Linux, in bytes.
const LONGEST: usize = 255;
/// What follows the topic at most.
const REST: usize = "-2147483647.page".len();
/// What is kept of a topic that is too long, for people.
const KEPT: usize = 160;

/// The page's file name. Partitions are never negative, so that the last `-` ends the topic; and no topic holds a `~`.
pub(super) fn page_name(partition: &TopicPartition) -> String {
    let topic = partition.topic.as_str();
    if topic.len() + REST <= LONGEST {
        return format!("{topic}-{}.page", partition.partition);
    }
    let kept = topic.get(..KEPT).unwrap_or_default();
    let digest = Sha1::digest(topic).iter().fold(String::new(), |mut text, byte| {
        let _never_fails = write!(text, "{byte:02x}");
        text
    });
    format!("{kept}~{digest}-{}.page", partition.partition)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_partition_has_a_file_of_its_own_with_a_name_that_fits() {
        let long = |end: &str| format!("{}{end}", "x".repeat(249 - end.len()));
        let topics = ["a".to_owned(), "a-1".into(), "a-1-2".into(), long("a"), long("b"), "x".repeat(239)];
        let mut names = BTreeSet::new();
        for topic in &topics {
            for partition in [0, 1, 2, 12, i32::MAX] {
                let name = page_name(&format!("{topic}:{partition}").parse().unwrap());
                assert!(name.len() <= LONGEST, "{name} has {} bytes", name.len());
                assert!(names.insert(name.clone()), "{name} is two partitions'");
            }
        }
        assert_eq!(page_name(&"orders:3".parse().unwrap()), "orders-3.page", "as it always was");
    }
}
