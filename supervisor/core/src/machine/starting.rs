//! Where a partition of ours begins: looked up, committed where it is new, looked up again where it could not be.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kafkavisor::clock::Boottime;
use kafkavisor::ids::{Offset, TopicPartition};
use kafkavisor::protocol::StopReason;
use kafkavisor_group::start::{Decision, Why};
use kafkavisor_marks::hit;

use super::ending::UNPARK;
use super::{Core, KILL_AFTER, not_done};
use crate::messages::{Action, Found, TakenUp};
use crate::partition::Partition;
use crate::phase::{Phase, Purpose};
use crate::tenure::Place;

/// A start that could not be found out is looked for again after this, then after twice as long, up to the longest.
const LOCATE_AGAIN: Duration = Duration::from_millis(300);
const LOCATE_AGAIN_MAX: Duration = Duration::from_secs(10);

fn pause(tries: u32) -> Duration {
    LOCATE_AGAIN.saturating_mul(2u32.saturating_pow(tries.min(10))).min(LOCATE_AGAIN_MAX)
}

impl Core {
    pub(super) fn start_found(
        &mut self,
        now: Instant,
        key: &TopicPartition,
        request: u64,
        found: Found,
    ) -> Vec<Action> {
        let Some(partition) = self.partitions.get_mut(key) else { return Vec::new() };
        if !matches!(partition.phase(), Phase::Locating { request: asked, .. } if *asked == request) {
            return Vec::new();
        }
        if partition.tenure.goes_on(&found.decision) {
            hit!(place_outlives_a_missing_right);
            partition.tenure.place = partition.tenure.kept.take();
            return self.launch(now, key);
        }
        partition.tenure.kept = None;
        match found.decision {
            Decision::Park(why) => {
                hit!(start_parks);
                log::error!(partition:% = key; "parked: {why}; {UNPARK}");
                self.note_exit(key, &why);
                self.enter(key, Phase::Parked { why: Arc::from(why) });
                Vec::new()
            }
            Decision::At { offset, why } => {
                let made_again = partition.tenure.made_again;
                // What was decided because the group has no offset holds only as long as it has none.
                let first = !made_again && matches!(why, Why::Reset | Why::AppearedLater | Why::TakenAway);
                let by_us = why.is_by_us();
                let taken = found.page.filter(|page| by_us && page.progress.acknowledged >= offset.0);
                let committed =
                    matches!(why, Why::Committed { .. } | Why::CommittedByAnother).then_some(offset);
                // What somebody else has signed is signed by us at the next commit: so that whoever looks knows who had it.
                let committed_at = committed.filter(|_| by_us).map(|_| now);
                partition.tenure.place = Some(Place { committed, committed_at, ..Place::at(offset) });
                self.keep_paused(key, why);
                let mut actions = if let Some(page) = taken {
                    hit!(page_is_gone_on_from);
                    self.take_up(now, key, &page)
                } else {
                    hit!(page_is_made_anew);
                    self.record_mut(key).new_page();
                    vec![Action::MakePage { partition: key.clone(), start: offset }]
                };
                let parked = |partition: &Partition| matches!(partition.phase(), Phase::Parked { .. });
                if self.partitions.get(key).is_some_and(parked) {
                    // What it would begin with has just been judged.
                } else if committed.is_some() {
                    self.made_again_no_more(key);
                    actions.extend(self.launch(now, key));
                } else {
                    hit!(start_is_committed_first);
                    self.begins.extend(found.begins);
                    self.commit_at = Some(now);
                    self.enter(key, Phase::Committing { first });
                }
                actions
            }
        }
    }

    /// Where it begins in the new topic is settled.
    pub(super) fn made_again_no_more(&mut self, key: &TopicPartition) {
        if let Some(partition) = self.partitions.get_mut(key) {
            partition.tenure.made_again = false;
        }
    }

    pub(super) fn contended(&mut self, key: &TopicPartition) {
        if let Some(pause) = self.records.get_mut(key).and_then(|record| record.paused.as_mut()) {
            pause.contended = true;
        }
    }

    /// A pause outlives a lost session, but not somebody else's ownership. Instances of ours sign what they own; of an offset that
    /// nobody has signed, a Python member's or one that was set by hand, the line for the lock tells.
    fn keep_paused(&mut self, key: &TopicPartition, why: Why) {
        let token = self.partitions.get(key).and_then(|partition| partition.tenure.token);
        let Some(record) = self.records.get_mut(key) else { return };
        let Some(pause) = record.paused.as_mut().filter(|pause| pause.under != token) else { return };
        let had = match why {
            Why::Committed { by_us: true } | Why::CommittedInPart { by_us: true } => false,
            Why::CommittedByAnother => true,
            Why::Committed { by_us: false }
            | Why::CommittedInPart { by_us: false }
            | Why::TopicMadeAgain
            | Why::BelowStart { .. }
            | Why::AppearedLater
            | Why::TakenAway
            | Why::Reset => pause.contended,
        };
        (pause.under, pause.contended) = (token, false);
        if had {
            hit!(pause_ends_with_another_owner);
            log::info!(partition:% = key; "another member has had it meanwhile, so it is paused no more");
            record.paused = None;
        } else {
            hit!(pause_outlives_a_tenure);
        }
    }

    /// The page of an earlier tenure holds: reading goes on behind the last acknowledged message. A message that was alone in
    /// flight when everything ended, often enough, is judged now.
    fn take_up(&mut self, now: Instant, key: &TopicPartition, page: &TakenUp) -> Vec<Action> {
        let TakenUp { progress, attempts, died_alone } = *page;
        let acknowledged = Offset(progress.acknowledged);
        log::info!(partition:% = key; "goes on after the last acknowledged message, at {acknowledged}");
        self.record_mut(key).old_page(&progress);
        if progress.acknowledged_at > Boottime(0) {
            self.last_acknowledged = self.last_acknowledged.max(Some(progress.acknowledged_at));
        }
        let at = self.at;
        let Some(partition) = self.partitions.get_mut(key) else { return Vec::new() };
        partition.tenure.acknowledged_at = progress.acknowledged_at;
        if let Some(place) = &mut partition.tenure.place {
            place.acknowledged = acknowledged;
        }
        let deaths = attempts.deaths(acknowledged);
        if deaths == 0 || attempts.head != acknowledged.0 {
            return Vec::new();
        }
        let how = "the supervisor ended with this message in flight";
        partition.tenure.block(acknowledged, &attempts, how, String::new());
        if !died_alone {
            return Vec::new();
        }
        hit!(death_of_the_supervisor_counts_for_its_message);
        partition.tenure.last_death = Some(at);
        let config = partition.tenure.config;
        let surroundings = self.surroundings(key, Some(config));
        self.judge_death(now, key, acknowledged, deaths, how, surroundings)
    }

    pub(super) fn start_unknown(
        &mut self,
        now: Instant,
        key: &TopicPartition,
        request: u64,
        error: &str,
    ) -> Vec<Action> {
        let Some(partition) = self.partitions.get_mut(key) else { return Vec::new() };
        if let Phase::Locating { request: asked, tries, waiting } = partition.phase()
            && *asked == request
        {
            let (now_waiting, tries) = (format!("where to begin is not known yet: {error}"), *tries);
            if waiting.as_deref() != Some(&now_waiting) {
                log::warn!(partition:% = key; "{now_waiting}; it is looked up again");
            }
            hit!(start_is_unknown);
            let at = now + pause(tries);
            partition.enter(Phase::LocatingAgain { at, tries: tries + 1, waiting: Arc::from(now_waiting) });
        }
        Vec::new()
    }

    pub(super) fn locate(&mut self, key: &TopicPartition) -> Vec<Action> {
        let request = self.next_request();
        let Some(partition) = self.partitions.get_mut(key) else { return Vec::new() };
        let (tries, waiting) = if let Phase::LocatingAgain { tries, waiting, .. } = partition.phase() {
            (*tries, Some(waiting.clone()))
        } else {
            (0, None)
        };
        partition.enter(Phase::Locating { request, tries, waiting });
        let made_again = partition.tenure.made_again;
        vec![Action::FindStart { partition: key.clone(), request, made_again }]
    }

    /// It is looked for again after a while.
    pub(super) fn locate_later(&mut self, now: Instant, key: &TopicPartition, waiting: String) {
        if let Some(partition) = self.partitions.get_mut(key) {
            partition.tenure.place = None;
            partition.enter(Phase::LocatingAgain {
                at: now + LOCATE_AGAIN,
                tries: 1,
                waiting: Arc::from(waiting),
            });
        }
    }

    /// The right to read it has gone: when its start is found, the right is back. It goes on where it was if nobody has moved the
    /// group meanwhile.
    pub(super) fn locate_when_allowed(&mut self, now: Instant, key: &TopicPartition, waiting: String) {
        if let Some(partition) = self.partitions.get_mut(key) {
            partition.tenure.kept = partition.tenure.place.take();
        }
        self.locate_later(now, key, waiting);
    }

    /// Nothing of the old topic may be committed for the new one, whatever is under way: from here on there is no place.
    pub(super) fn made_again(&mut self, now: Instant, key: &TopicPartition) -> Vec<Action> {
        let within = self.configs.settings().stop_timeout;
        let Some(partition) = self.partitions.get_mut(key) else { return Vec::new() };
        if partition.phase().purpose() == Some(Purpose::Forget) {
            return Vec::new();
        }
        partition.tenure.made_again = true;
        partition.tenure.place = None;
        partition.tenure.kept = None;
        partition.tenure.blocking = None;
        let mut actions =
            not_done(partition.tenure.waiting(), "the topic was deleted and made again meanwhile");
        let (purpose, until) = (Purpose::Locate, now + within + KILL_AFTER);
        match partition.phase_mut() {
            Phase::Running { worker, .. } => {
                hit!(topic_made_again_while_running);
                let (worker, reason) = (worker.clone(), StopReason::Restart);
                actions.push(Action::StopWorker { pid: worker.pid, reason, within });
                partition.enter(Phase::Draining { worker, purpose, until });
            }
            Phase::Draining { purpose: before, .. } | Phase::Killing { purpose: before, .. } => {
                if *before == Purpose::Release {
                    hit!(topic_made_again_while_given_up);
                } else {
                    hit!(topic_made_again_while_draining);
                    *before = purpose;
                }
            }
            Phase::Spawning { wanted, .. } => {
                hit!(topic_made_again_while_spawning);
                wanted.get_or_insert((purpose, until));
            }
            Phase::Releasing { .. } => {}
            Phase::Locating { .. }
            | Phase::LocatingAgain { .. }
            | Phase::Committing { .. }
            | Phase::AwaitingLease
            | Phase::AwaitingTurn { .. }
            | Phase::BackingOff { .. }
            | Phase::Parked { .. }
            | Phase::Paused => {
                hit!(topic_made_again_without_a_worker);
                actions.extend(self.locate(key));
            }
        }
        actions
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_unknown_is_asked_for_less_and_less_often() {
        let pauses: Vec<_> = (0..7).map(|tries| pause(tries).as_millis()).collect();
        assert_eq!(pauses, [300, 600, 1200, 2400, 4800, 9600, 10_000]);
    }
}
