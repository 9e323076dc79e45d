//! Where reading begins. Messages lost by a reset are the losses nobody notices, so every case is decided here, in one
//! function, from what the group, the log and the topic say. Pure.
//!
//! | the group's offset | begins at |
//! |---|---|
//! | in the log | that offset |
//! | in one of two places that it is kept in, or another in each | that offset, once it is in both |
//! | of a topic that was deleted and made again | the earliest message |
//! | below the log's start | the earliest message, said loudly |
//! | beyond the log's end | nowhere: parked until `seek` |
//! | not to be understood | nowhere: parked, the node named |
//! | none, for the partition appeared later | the earliest message |
//! | none, we had committed one and somebody took it away | the earliest message |
//! | none, but one where offsets are not kept | nowhere: parked, `offsets.storage` named |
//! | none, other partitions of the topic have one | the earliest message |
//! | none at all | as `offsets.reset` says, for every partition of the topic at once |

use kafkavisor_types::ids::Offset;
use serde::{Deserialize, Serialize};

use crate::commit_note::CommitNote;

/// An end of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reset {
    /// The oldest message.
    Earliest,
    /// The next message to come.
    Latest,
}

/// An offset of the group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    pub offset: Offset,
    pub metadata: String,
    /// It is in every place that the group's offsets are kept in.
    pub complete: bool,
}

/// What is known of an offset that the group does not have where its offsets are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Missing {
    /// Nothing.
    Never,
    /// We had committed one, and somebody has taken it away.
    TakenAway,
    /// There is one where offsets are not kept.
    Elsewhere(Elsewhere),
    /// What is there is no offset, as this says.
    Unusable(String),
}

/// Where the group's offsets are not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Elsewhere {
    Kafka,
    Zookeeper,
}

/// The log of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Log {
    /// Its earliest message.
    pub start: Offset,
    /// Behind its last message.
    pub end: Offset,
    /// Behind the last message that no open transaction holds back.
    pub stable_end: Offset,
}

/// Everything that the decision depends on.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The random id of this instance, with which it signs its commits.
    pub instance: String,
    pub committed: Result<Committed, Missing>,
    /// Whether the group has an offset for any partition of the topic.
    pub topic_committed: bool,
    /// The partition was not there when this supervisor first looked, or the topic was made again since.
    pub appeared_later: bool,
    pub log: Log,
    pub topic_id: Option<String>,
    pub reset: Reset,
}

/// Why a partition begins where it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// `by_us`: this instance wrote it, and not an operator, whose word a status page must never overrule.
    Committed {
        by_us: bool,
    },
    /// Another instance wrote it.
    CommittedByAnother,
    /// It is in one of the places that the group's offsets are kept in, and is to be in all of them.
    CommittedInPart {
        by_us: bool,
    },
    TopicMadeAgain,
    BelowStart {
        committed: Offset,
    },
    AppearedLater,
    TakenAway,
    Reset,
}

impl Why {
    /// Whether the group's offset is one that this instance has signed: only then a page of it may know more.
    pub fn is_by_us(self) -> bool {
        matches!(self, Self::Committed { by_us: true } | Self::CommittedInPart { by_us: true })
    }
}

/// Where reading begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    At { offset: Offset, why: Why },
    Park(String),
}

/// Decides.
pub fn decide(facts: &Facts) -> Decision {
    let earliest = |why| Decision::At { offset: facts.log.start, why };
    match &facts.committed {
        Ok(committed) => from_commit(facts, committed),
        Err(Missing::Unusable(why)) => Decision::Park(why.clone()),
        Err(_) if facts.appeared_later => earliest(Why::AppearedLater),
        Err(Missing::TakenAway) => earliest(Why::TakenAway),
        Err(Missing::Elsewhere(elsewhere)) => Decision::Park(elsewhere.why_not_read()),
        Err(Missing::Never) if facts.topic_committed => earliest(Why::AppearedLater),
        Err(Missing::Never) => match facts.reset {
            Reset::Earliest => earliest(Why::Reset),
            Reset::Latest => Decision::At { offset: facts.log.stable_end, why: Why::Reset },
        },
    }
}

impl Elsewhere {
    fn why_not_read(self) -> String {
        let (kept, other, storage) = match self {
            Self::Zookeeper => ("Kafka", "ZooKeeper (/consumers)", "zookeeper"),
            Self::Kafka => ("ZooKeeper (/consumers)", "Kafka", "kafka"),
        };
        format!(
            "the group has no offset in {kept} but one in {other}: reading on from there needs \
             `offsets.storage: {storage}` or `dual`; or set the offset in {kept}"
        )
    }
}

fn from_commit(facts: &Facts, committed: &Committed) -> Decision {
    let offset = committed.offset;
    let (start, end) = (facts.log.start, facts.log.end);
    let note = CommitNote::of(&committed.metadata);
    if let (Some(then), Some(now)) = (note.as_ref().and_then(|note| note.topic_id.as_ref()), &facts.topic_id)
        && then != now
    {
        return Decision::At { offset: start, why: Why::TopicMadeAgain };
    }
    if offset < start {
        return Decision::At { offset: start, why: Why::BelowStart { committed: offset } };
    }
    if offset > end {
        return Decision::Park(format!(
            "the group's offset {offset} is beyond the end of the partition, {end}: seek to where it should go on"
        ));
    }
    let signed = note.and_then(|note| note.instance_id);
    let by_us = signed.as_ref() == Some(&facts.instance);
    let why = match signed {
        _ if !committed.complete => Why::CommittedInPart { by_us },
        Some(id) if id != facts.instance => Why::CommittedByAnother,
        signed => Why::Committed { by_us: signed.is_some() },
    };
    Decision::At { offset, why }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commit_note::written::{LATER, TOPIC, WRITTEN};

    fn facts() -> Facts {
        Facts {
            instance: "i".to_owned(),
            committed: Err(Missing::Never),
            topic_committed: false,
            appeared_later: false,
            log: Log { start: Offset(10), end: Offset(100), stable_end: Offset(90) },
            topic_id: Some("now".to_owned()),
            reset: Reset::Latest,
        }
    }

    fn committed(offset: i64, topic_id: Option<&str>) -> Result<Committed, Missing> {
        noted(offset, &CommitNote::new("name", "i", topic_id.map(str::to_owned)).to_text())
    }

    #[expect(clippy::unnecessary_wraps, reason = "as `Facts` has it")]
    fn noted(offset: i64, metadata: &str) -> Result<Committed, Missing> {
        Ok(Committed { offset: Offset(offset), metadata: metadata.to_owned(), complete: true })
    }

    #[track_caller]
    fn begins(facts: &Facts, offset: i64, why: Why) {
        assert_eq!(decide(facts), Decision::At { offset: Offset(offset), why });
    }

    #[test]
    fn at_the_groups_offset() {
        for offset in [10, 50, 100] {
            let ours = Why::Committed { by_us: true };
            begins(&Facts { committed: committed(offset, Some("now")), ..facts() }, offset, ours);
        }
        begins(&Facts { committed: committed(50, None), ..facts() }, 50, Why::Committed { by_us: true });
    }

    #[test]
    fn who_committed_is_told_apart() {
        let by_hand = noted(50, "");
        begins(&Facts { committed: by_hand, ..facts() }, 50, Why::Committed { by_us: false });
        let other = Facts { committed: committed(50, None), instance: "other".to_owned(), ..facts() };
        begins(&other, 50, Why::CommittedByAnother);
        let before = noted(50, r#"{"kafkavisor":"i","topic_id":"now"}"#);
        begins(&Facts { committed: before, ..facts() }, 50, Why::Committed { by_us: false });
    }

    #[test]
    fn what_earlier_versions_wrote_is_read() {
        for row in WRITTEN {
            let (text, _, instance_id, topic_id) = row;
            let committed = noted(50, text);
            let facts = Facts { instance: "5eed".to_owned(), committed, ..facts() };
            let same = Facts { topic_id: Some(TOPIC.to_owned()), ..facts.clone() };
            begins(&same, 50, Why::Committed { by_us: instance_id.is_some() });
            match topic_id {
                Some(_) => begins(&facts, 10, Why::TopicMadeAgain),
                None => begins(&facts, 50, Why::Committed { by_us: instance_id.is_some() }),
            }
        }
    }

    #[test]
    fn what_later_versions_sign_is_theirs_still() {
        for (text, _) in LATER {
            let committed = noted(50, text);
            let facts = Facts { instance: "5eed".to_owned(), committed, ..facts() };
            begins(&facts, 50, Why::Committed { by_us: true });
        }
    }

    #[test]
    fn who_wrote_nothing_that_counts_is_nobody_of_ours() {
        let odd = r#"{"kafkavisor":"i","format":"x","instance_id":{},"topic_id":9}"#;
        begins(&Facts { committed: noted(50, odd), ..facts() }, 50, Why::Committed { by_us: false });
    }

    #[test]
    fn at_the_earliest_where_anything_could_be_lost() {
        begins(&Facts { committed: committed(50, Some("then")), ..facts() }, 10, Why::TopicMadeAgain);
        let below = Why::BelowStart { committed: Offset(9) };
        begins(&Facts { committed: committed(9, Some("now")), ..facts() }, 10, below);
        begins(&Facts { topic_committed: true, ..facts() }, 10, Why::AppearedLater);
        begins(&Facts { appeared_later: true, ..facts() }, 10, Why::AppearedLater);
    }

    #[test]
    fn by_reset_only_without_any_offset() {
        begins(&facts(), 90, Why::Reset);
        begins(&Facts { reset: Reset::Earliest, ..facts() }, 10, Why::Reset);
    }

    #[test]
    fn nowhere_beyond_the_end_or_with_an_offset_elsewhere() {
        let beyond = decide(&Facts { committed: committed(101, Some("now")), ..facts() });
        assert!(matches!(beyond, Decision::Park(why) if why.contains("101") && why.contains("seek")));
        for (elsewhere, storage) in [(Elsewhere::Zookeeper, "zookeeper"), (Elsewhere::Kafka, "kafka")] {
            // Also where other partitions of the topic have theirs where it belongs.
            for topic_committed in [false, true] {
                let committed = Err(Missing::Elsewhere(elsewhere));
                let other = decide(&Facts { committed, topic_committed, ..facts() });
                let key = format!("`offsets.storage: {storage}`");
                assert!(matches!(&other, Decision::Park(why) if why.contains(&key)), "{other:?}");
            }
        }
    }

    #[test]
    fn nowhere_with_what_is_no_offset() {
        let unusable = || Err(Missing::Unusable("/n holds \"x\"".to_owned()));
        for (appeared_later, topic_committed) in [(false, false), (true, false), (false, true)] {
            let facts = Facts { committed: unusable(), appeared_later, topic_committed, ..facts() };
            assert_eq!(decide(&facts), Decision::Park("/n holds \"x\"".to_owned()));
        }
    }

    #[test]
    fn at_the_earliest_where_an_offset_of_ours_was_taken_away() {
        begins(&Facts { committed: Err(Missing::TakenAway), ..facts() }, 10, Why::TakenAway);
    }

    #[test]
    fn an_offset_in_one_place_of_two_is_one_that_is_not_committed_yet() {
        let in_part = |committed: Result<Committed, Missing>| Facts {
            committed: committed.map(|committed| Committed { complete: false, ..committed }),
            ..facts()
        };
        begins(&in_part(committed(50, Some("now"))), 50, Why::CommittedInPart { by_us: true });
        begins(&in_part(noted(50, "")), 50, Why::CommittedInPart { by_us: false });
        begins(&in_part(committed(50, Some("then"))), 10, Why::TopicMadeAgain);
    }
}
