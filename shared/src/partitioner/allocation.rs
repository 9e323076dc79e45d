//! Partitions by the names that Python members give them, and which of them are mine.
//!
//! Every member computes the same allocation from the same party, so the order of partitions and members must be exactly
//! kazoo's: texts by code point (`t-1`, `t-10`, `t-2`). What members do about their shares is left to
//! [`set_partitioner`](super::set_partitioner).

use crate::ids::{InvalidName, Topic, TopicPartition};

/// A text that is no name in a partitioner's set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is no partition of a partitioner; expected <topic>-<partition>")]
pub struct NotAKazooName {
    /// The text as given.
    pub given: String,
    /// What is wrong with the topic, where it is the topic.
    #[source]
    pub topic: Option<InvalidName>,
}

/// The partition's name in kazoo's set: `<topic>-<partition>`.
pub fn kazoo_name(partition: &TopicPartition) -> String {
    format!("{}-{}", partition.topic, partition.partition)
}

/// The partition that a name in kazoo's set means. The *last* dash divides it; topics may hold dashes.
pub fn parse_kazoo_name(given: &str) -> Result<TopicPartition, NotAKazooName> {
    let wrong = |topic| NotAKazooName { given: given.to_owned(), topic };
    let (topic, partition) = given.rsplit_once('-').ok_or_else(|| wrong(None))?;
    let digits = !partition.is_empty() && partition.bytes().all(|b| b.is_ascii_digit());
    let partition = partition.parse().ok().filter(|_| digits).ok_or_else(|| wrong(None))?;
    let topic = Topic::new(topic).map_err(|error| wrong(Some(error)))?;
    Ok(TopicPartition::new(topic, partition))
}

/// A member's id, from the name of its party node: the text after the *first* dash, and as in kazoo the whole name
/// where there is none.
pub fn member_id(party_node: &str) -> &str {
    party_node.split_once('-').map_or(party_node, |(_, id)| id)
}

/// My share of `partitions` among the members `ids`, in kazoo's order. Empty when I am not among them.
pub fn allocate<'a>(
    partitions: impl IntoIterator<Item = &'a TopicPartition>,
    ids: &[&str],
    me: &str,
) -> Vec<TopicPartition> {
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    let Some(mine) = ids.iter().position(|id| *id == me) else { return Vec::new() };
    let mut partitions: Vec<_> =
        partitions.into_iter().map(|partition| (kazoo_name(partition), partition)).collect();
    partitions.sort_unstable();
    partitions.into_iter().skip(mine).step_by(ids.len()).map(|(_, partition)| partition.clone()).collect()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Allocation {
        partitions: Vec<String>,
        party: Vec<String>,
        ids: Vec<String>,
        shares: Vec<Vec<String>>,
    }

    #[derive(Deserialize)]
    struct Fixture {
        allocations: Vec<Allocation>,
    }

    #[test]
    fn shares_are_those_that_kazoo_computes() {
        let fixture: Fixture =
            serde_json::from_str(include_str!("../../tests/fixtures/kazoo-allocations.json")).unwrap();
        assert!(fixture.allocations.len() >= 300);
        for case in fixture.allocations {
            let partitions: Vec<_> =
                case.partitions.iter().map(|partition| parse_kazoo_name(partition).unwrap()).collect();
            let ids: Vec<_> = case.party.iter().map(|node| member_id(node)).collect();
            assert_eq!(ids, case.ids, "ids in {:?}", case.party);
            for (id, share) in case.ids.iter().zip(&case.shares) {
                let ours: Vec<_> = allocate(&partitions, &ids, id).iter().map(kazoo_name).collect();
                assert_eq!(&ours, share, "{id} among {ids:?}");
            }
        }
    }

    #[test]
    fn an_item_is_divided_at_its_last_dash() {
        let partition = parse_kazoo_name("a-b-12").unwrap();
        assert_eq!((partition.to_string().as_str(), kazoo_name(&partition).as_str()), ("a-b:12", "a-b-12"));
        for bad in ["", "a", "a-", "a-+1", "a- 1", "-1", "a-b", "a/b-1", "a-99999999999"] {
            assert!(parse_kazoo_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn who_is_not_in_the_party_owns_nothing() {
        let partitions = [parse_kazoo_name("a-0").unwrap()];
        assert_eq!(allocate(&partitions, &["x"], "y"), []);
        assert_eq!(allocate(&partitions, &[], "y"), []);
    }
}
