//! Commits: one request at a time, for everything that is owed. Starts that are new to the group and an operator's word are
//! confirmed before anything is delivered.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kafkavisor::ids::{Offset, TopicPartition};
use kafkavisor_group::answer::{CommitAnswer, NotCommitted};
use kafkavisor_marks::hit;

use super::Core;
use crate::messages::{Action, Refusal};
use crate::partition::Partition;
use crate::phase::{Phase, Purpose};
use crate::tenure::Place;

/// Offsets are committed again this often, changed or not, so that a quiet partition's offset never expires.
const COMMIT_AGAIN: Duration = Duration::from_secs(300);
/// A failed commit is tried again after this, however long the interval is.
const COMMIT_ERROR: Duration = Duration::from_secs(1);
/// ... and after this where a partition waits for it to be released.
const COMMIT_RETRY: Duration = Duration::from_millis(250);

impl Core {
    /// Asks for a commit of everything that is owed, when it is due and none is under way.
    pub(super) fn commit(&mut self, now: Instant) -> Vec<Action> {
        if self.commit_under_way || self.partitions.all().is_empty() {
            return Vec::new();
        }
        let (mut urgent, mut retry) = (false, false);
        for key in self.partitions.releasing() {
            if let Some(partition) = self.partitions.get(&key).filter(|p| p.tenure.uncommitted().is_some()) {
                urgent |= partition.tenure.commit_error.is_none();
                retry |= partition.tenure.commit_error.is_some();
            }
        }
        if !urgent && self.commit_at.is_none_or(|at| now < at) {
            return Vec::new();
        }
        let interval = self.configs.settings().commit_interval;
        self.commit_at = Some(now + if retry { COMMIT_RETRY.min(interval) } else { interval });
        if !self.leased {
            hit!(nothing_is_committed_without_a_lease);
            return Vec::new();
        }
        let first = |partition: &Partition| *partition.phase() == Phase::Committing { first: true };
        let mut starts: BTreeSet<_> = self.partitions.keys_where(first).into_iter().collect();
        let owed =
            |(key, partition): (&TopicPartition, &Partition)| Some((key.clone(), owed(now, partition)?));
        let mut offsets: BTreeMap<_, _> = self.partitions.all().iter().filter_map(owed).collect();
        for (key, offset) in &offsets {
            if let Some(place) = self.partitions.get_mut(key).and_then(|p| p.tenure.held_mut()) {
                place.requested = Some(*offset);
            }
        }
        // Once, and with the start that they were found with: later they may be somebody's, and elsewhere.
        for (key, offset) in std::mem::take(&mut self.begins) {
            let known = self.partitions.get(&key).is_some_and(|p| p.tenure.place.is_some());
            if !known && !offsets.is_empty() {
                hit!(starts_of_others_are_committed_too);
                starts.insert(key.clone());
                offsets.insert(key, offset);
            }
        }
        if offsets.is_empty() {
            return Vec::new();
        }
        self.commit_under_way = true;
        vec![Action::Commit { offsets, starts }]
    }

    pub(super) fn committed(&mut self, now: Instant, answers: Vec<CommitAnswer>) -> Vec<Action> {
        self.commit_under_way = false;
        answers.into_iter().flat_map(|answer| self.answered(now, answer)).collect()
    }

    fn answered(&mut self, now: Instant, answer: CommitAnswer) -> Vec<Action> {
        let CommitAnswer { partition: key, offset, error } = answer;
        let Some(partition) = self.partitions.get_mut(&key) else { return Vec::new() };
        // What was found or ordered meanwhile is not what was asked about.
        let requested = partition.tenure.held_mut().and_then(|place| place.requested.take());
        let asked = requested == Some(offset);
        partition.tenure.note_gone(matches!(error, Some(NotCommitted::Gone(_))));
        partition.tenure.commits_barred = matches!(error, Some(NotCommitted::Barred(_)));
        if !asked {
            hit!(answer_to_what_was_asked_before);
        }
        match error {
            None => {
                if partition.tenure.commit_error.take().is_some() {
                    log::info!(partition:% = key; "commits succeed again");
                    self.changes.entered(key.clone(), "commits_again", None);
                }
                if asked { self.confirmed(now, &key, offset) } else { Vec::new() }
            }
            Some(error) => {
                self.commit_at = self.commit_at.min(Some(now + COMMIT_ERROR));
                self.commit_errors += 1;
                let error = error.why();
                hit!(commit_failed);
                // A start, or an operator's word, that is refused is said where it is taken back.
                if matches!(partition.phase(), Phase::Committing { .. }) {
                    return if asked { self.refused(now, &key, error) } else { Vec::new() };
                }
                if partition.tenure.commit_error.as_deref() != Some(error) {
                    log::error!(partition:% = key; "offset {offset} is not committed: {error}; tried again");
                    self.changes.of(&key, "commit_failed", error);
                }
                partition.tenure.commit_error = Some(Arc::from(error));
                Vec::new()
            }
        }
    }

    fn confirmed(&mut self, now: Instant, key: &TopicPartition, offset: Offset) -> Vec<Action> {
        let Some(partition) = self.partitions.get_mut(key) else { return Vec::new() };
        let Some(place) = partition.tenure.held_mut() else { return Vec::new() };
        place.committed = Some(offset);
        place.committed_at = Some(now);
        let answering = partition.tenure.answering.take_if(|answering| answering.seek.offset == offset);
        let begins = matches!(partition.phase(), Phase::Committing { .. });
        let mut actions = Vec::new();
        if let Some(answering) = answering {
            hit!(operators_word_is_confirmed);
            let (ticket, result) = (answering.seek.ticket, Ok(answering.seek.said));
            actions.push(Action::Answer { ticket, result });
            if begins {
                actions.push(self.move_page(key, offset, answering.before.is_some()));
            }
        }
        actions.push(Action::NoteCommitted { partition: key.clone(), offset });
        if begins {
            self.made_again_no_more(key);
            actions.extend(self.launch(now, key));
        }
        actions
    }

    fn move_page(&mut self, key: &TopicPartition, next: Offset, begun: bool) -> Action {
        if begun {
            return Action::MovePage { partition: key.clone(), next };
        }
        self.record_mut(key).new_page();
        Action::MakePage { partition: key.clone(), start: next }
    }

    /// A start that could not be committed is looked for again: it may be another by now. An operator's word that could not be is
    /// taken back.
    fn refused(&mut self, now: Instant, key: &TopicPartition, error: &str) -> Vec<Action> {
        let Some(partition) = self.partitions.get_mut(key) else { return Vec::new() };
        let Some(answering) = partition.tenure.answering.take() else {
            hit!(start_is_refused);
            self.locate_later(now, key, format!("its start could not be committed: {error}"));
            return Vec::new();
        };
        hit!(operators_word_is_taken_back);
        // Kafka may have it all the same: what holds is committed once more.
        let owed = |place| Place { committed: None, committed_at: None, requested: None, ..place };
        partition.tenure.place = answering.before.map(owed);
        self.commit_at = Some(now);
        let why = format!("it could not be committed: {error}; nothing has changed");
        let mut actions =
            vec![Action::Answer { ticket: answering.seek.ticket, result: Err(Refusal::Failed(why)) }];
        actions.extend(self.launch(now, key));
        actions
    }
}

/// What is to be committed of a partition now.
fn owed(now: Instant, partition: &Partition) -> Option<Offset> {
    if partition.phase().purpose() == Some(Purpose::Forget) {
        return None;
    }
    let Some(place) = &partition.tenure.place else { return partition.tenure.uncommitted() };
    let old = place.committed_at.is_none_or(|at| now.saturating_duration_since(at) >= COMMIT_AGAIN);
    if old && place.committed.is_some() && place.uncommitted().is_none() {
        hit!(commit_is_repeated);
    }
    place.uncommitted().or(old.then_some(place.acknowledged))
}
