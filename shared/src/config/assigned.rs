//! Who assigns which topics, once file and flags are known: the rules between `topics`, `cluster` and `assignment`.
//!
//! `--partitions` wins over everything. Otherwise the file's mode holds; without one, a list of partitions and no ZooKeeper
//! mean static assignment.

use std::collections::BTreeSet;

use crate::ids::Topic;

use super::assignment::{Assignment, AssignmentDraft, Mode, Partitions};
use super::errors::{Place, Problems};
use super::reader::{Setting, needed};
use super::topics::Listed;

/// The topics that either side lists.
pub(super) struct Wanted {
    pub(super) flags: Option<Listed>,
    pub(super) file: Option<Listed>,
}

/// What is known of ZooKeeper: whether an address is given, or was to be found by discovery.
pub(super) struct Ensemble {
    pub(super) given: bool,
    pub(super) discovery: bool,
}

pub(super) type Assigned = Option<(Assignment, Vec<Topic>)>;

/// `--partitions`: static, whatever the file says.
pub(super) fn by_flag(
    partitions: Setting<Partitions>,
    topics: Option<Listed>,
    zookeeper_flag: bool,
    p: &mut Problems,
) -> Assigned {
    if zookeeper_flag {
        p.at(
            partitions.place,
            "this means static assignment, without ZooKeeper: leave out -z or --partitions",
        );
    }
    let partitions = partitions.value?;
    if let Some(topics) = topics {
        for topic in topics.value.iter().flatten().filter(|topic| !partitions.contains_key(*topic)) {
            let message =
                format!("topic {topic} has no partitions: add `--partitions {topic}:0` or leave it out");
            p.at(topics.place, message);
        }
    }
    let topics = partitions.keys().cloned().collect();
    Some((Assignment::Static { partitions }, topics))
}

pub(super) fn by_file(
    draft: AssignmentDraft,
    wanted: Wanted,
    ensemble: &Ensemble,
    p: &mut Problems,
) -> Assigned {
    let mode = match &draft.mode {
        Some(mode) => mode.value?,
        None if draft.partitions.is_some() && !ensemble.given => Mode::Static,
        None => Mode::Zookeeper,
    };
    match mode {
        Mode::Zookeeper => by_zookeeper(draft, wanted, ensemble, p),
        Mode::Static => by_list(draft, wanted, p),
    }
}

fn by_zookeeper(draft: AssignmentDraft, wanted: Wanted, ensemble: &Ensemble, p: &mut Problems) -> Assigned {
    if let Some(partitions) = draft.partitions {
        let message =
            "`assignment.partitions` is for static assignment: set `assignment.mode: static` or remove it";
        p.at(partitions.place, message);
    }
    if !ensemble.given && !ensemble.discovery {
        p.at(
            Place::Nowhere,
            "no ZooKeeper: set `cluster.zookeeper` in the file or pass -z ZOOKEEPER (or --partitions, which needs none)",
        );
    }
    let missing = "no topics: set `topics` in the file or pass -t TOPIC";
    let topics = needed(wanted.flags.or(wanted.file), missing, p)?;
    Some((draft.zookeeper, topics))
}

fn by_list(draft: AssignmentDraft, wanted: Wanted, p: &mut Problems) -> Assigned {
    let Some(setting) = draft.partitions else {
        let message = "static assignment needs partitions: set `assignment.partitions` or pass --partitions";
        p.at(draft.mode.map_or(Place::Nowhere, |mode| mode.place), message);
        return None;
    };
    let mut partitions = setting.value?;
    let narrowed = wanted.flags.is_some();
    let listed = wanted.flags.or(wanted.file);
    let place = listed.as_ref().map_or(setting.place, |listed| listed.place);
    let mut topics = listed.and_then(|listed| listed.value).unwrap_or_default();
    for topic in topics.iter().filter(|topic| !partitions.contains_key(*topic)) {
        let message =
            format!("topic {topic} has no partitions: add it to `assignment.partitions` or leave it out");
        // With a flag it is the combination with the file that is wrong.
        p.at(if narrowed { setting.place } else { place }, message);
    }
    let known: BTreeSet<Topic> = topics.iter().cloned().collect();
    if narrowed {
        partitions.retain(|topic, _| known.contains(topic));
    }
    topics.extend(partitions.keys().filter(|topic| !known.contains(*topic)).cloned());
    Some((Assignment::Static { partitions }, topics))
}
