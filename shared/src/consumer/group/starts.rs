//! Where the group's partitions begin: found out once they are surely ours, committed where it is new, looked for again where it is not known.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kafkavisor_group::start::{Decision, Why};
use kafkavisor_group::starts::{Asked, Found};

use super::engine::Engine;
use super::state::{Stage, Tenure};
use crate::clock::now;
use crate::consumer::progress::Progress;
use crate::ids::{Offset, TopicPartition};

/// A start that could not be found out is looked for again after this, then after twice as long, up to the longest.
const AGAIN: Duration = Duration::from_millis(300);
const AGAIN_MAX: Duration = Duration::from_secs(10);

impl Engine {
    pub(super) fn locate_again(&mut self, partition: &TopicPartition, turn: u64) {
        // What is done is forgotten with the place.
        self.commit_unasked("it is tried again");
        let mut state = self.shared.state();
        if let Some(tenure) = state.tenures.get_mut(partition).filter(|tenure| tenure.turn == turn)
            && matches!(tenure.stage, Stage::Consuming)
        {
            self.turns += 1;
            tenure.turn = self.turns;
            tenure.progress = Progress::at(Offset(0), true);
            tenure.stage = Stage::Locating { at: now() + AGAIN, tries: 1 };
            self.shared.fetching().end(partition);
        }
    }

    /// Finds out where partitions begin that are due, once they are surely ours.
    pub(super) fn locate(&mut self, time: Instant) {
        if self.shared.lease.left().is_none() {
            return;
        }
        let due = |(key, tenure): (&TopicPartition, &Tenure)| match &tenure.stage {
            Stage::Locating { at, .. } | Stage::Parked { at, .. } if *at <= time => {
                Some(Asked { partition: key.clone(), request: tenure.turn, made_again: tenure.made_again })
            }
            Stage::Locating { .. } | Stage::Consuming | Stage::Leaving { .. } | Stage::Parked { .. } => None,
        };
        let asked: Vec<_> = self.shared.state().tenures.iter().filter_map(due).collect();
        if asked.is_empty() {
            return;
        }
        let found = self.reached.starts.find(&mut self.reached.topics, asked);
        let mut begun = BTreeMap::new();
        for found in found {
            found.say();
            self.found(found, &mut begun);
        }
        if !begun.is_empty() {
            self.commit_starts(begun);
        }
        self.shared.tell();
    }

    /// A start that is committed is begun with; another one goes to `begun`, with all that begin with it.
    fn found(&mut self, found: Found, begun: &mut BTreeMap<TopicPartition, (Offset, bool)>) {
        let Found { partition, request, topic_id, decision, begins } = found;
        let mut state = self.shared.state();
        let Some(tenure) = state.tenures.get_mut(&partition).filter(|tenure| tenure.turn == request) else {
            return;
        };
        let (tries, told) = match &tenure.stage {
            Stage::Locating { tries, .. } => (*tries, None),
            Stage::Parked { why, .. } => (0, Some(why.clone())),
            Stage::Consuming | Stage::Leaving { .. } => return,
        };
        tenure.topic_id = topic_id;
        match decision {
            Ok(Decision::At { offset, why: Why::Committed { .. } | Why::CommittedByAnother }) => {
                tenure.progress = Progress::at(offset, true);
                self.consume(&partition, offset, tenure);
            }
            Ok(Decision::At { offset, why }) => {
                let first =
                    !tenure.made_again && matches!(why, Why::Reset | Why::AppearedLater | Why::TakenAway);
                again(tenure, tries);
                begun.extend(begins.into_iter().map(|(other, offset)| (other, (offset, true))));
                begun.insert(partition, (offset, first));
            }
            Ok(Decision::Park(why)) => {
                tenure.stage = Stage::Parked { at: now() + AGAIN_MAX, why: why.clone() };
                // Numbers change while somebody produces.
                let without_numbers = |why: &str| why.replace(|c: char| c.is_ascii_digit(), "");
                if told.is_some_and(|told| without_numbers(&told) == without_numbers(&why)) {
                    return;
                }
                log::error!("{partition} is parked: {why}; it is looked at again");
                state.parked.push((partition, why));
                drop(state);
                self.shared.tell();
            }
            Err(error) => {
                log::warn!("{partition}: where it begins is not known: {error}; it is looked for again");
                again(tenure, tries);
            }
        }
    }

    fn consume(&self, partition: &TopicPartition, offset: Offset, tenure: &mut Tenure) {
        tenure.made_again = false;
        tenure.stage = Stage::Consuming;
        if let Err(error) = self.shared.fetching().begin(partition, offset, tenure.turn) {
            log::error!("{partition}: {error}; it is tried again");
            again(tenure, 1);
        }
    }

    /// Nothing is read from a start that is not committed: whoever takes over must not begin elsewhere.
    fn commit_starts(&mut self, begun: BTreeMap<TopicPartition, (Offset, bool)>) {
        let starts = begun.iter().filter(|(_, (_, first))| *first).map(|(key, _)| key.clone()).collect();
        let offsets = begun.iter().map(|(key, (offset, _))| (key.clone(), *offset)).collect();
        let answers = self.write(offsets, starts);
        let mut state = self.shared.state();
        for (partition, (offset, _)) in begun {
            let Some(tenure) = state.tenures.get_mut(&partition) else { continue };
            if !matches!(tenure.stage, Stage::Locating { .. }) {
                continue;
            }
            match answers.get(&partition) {
                Some(Ok(())) => {
                    tenure.progress = Progress::at(offset, true);
                    self.consume(&partition, offset, tenure);
                }
                Some(Err(error)) => log::info!("{partition}: {error}; where it begins is looked for again"),
                None => {}
            }
        }
    }
}

fn again(tenure: &mut Tenure, tries: u32) {
    let pause = AGAIN.saturating_mul(2u32.saturating_pow(tries.min(10))).min(AGAIN_MAX);
    tenure.stage = Stage::Locating { at: now() + pause, tries: tries.saturating_add(1) };
}
