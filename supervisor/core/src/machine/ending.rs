//! What becomes of a partition when its worker has ended: again, after a while, parked, moved on, or released.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kafkavisor::config::PoisonAction;
use kafkavisor::ids::{Offset, TopicPartition};
use kafkavisor_link::attempts::Attempts;
use kafkavisor_link::message::{Ending, Verdict};
use kafkavisor_link::page::Progress;
use kafkavisor_link::process::Exit;
use kafkavisor_marks::hit;
use nix::unistd::Pid;

use super::{Core, HURRIED};
use crate::failures::Run;
use crate::messages::{Action, Refusal};
use crate::phase::{Phase, Purpose, Worker};
use crate::poison::Surroundings;
use crate::reason::{Reason, describe};
use crate::tenure::{Barred, DueDeadLetter};

/// What has to be done about a parked partition.
pub(super) const UNPARK: &str = "nothing is delivered until `kafkavisor resume`, `skip` or `seek`";

/// When it is started again.
fn then(wait: Duration) -> String {
    if wait.is_zero() { "at once".to_owned() } else { format!("in {wait:.1?}") }
}

/// A worker that is gone: how it said it would end, how it did, and what its page holds.
struct End {
    worker: Worker,
    exit: Exit,
    progress: Progress,
    attempts: Attempts,
}

impl End {
    fn how(&self) -> String {
        describe(self.exit, self.worker.ending.as_ref(), self.worker.killed_for.as_deref())
    }

    /// What was in flight dies with its worker: counted where the worker has not done so.
    fn settle_attempts(&mut self) {
        if self.worker.ending.is_some() || self.progress.in_flight == 0 {
            return;
        }
        let (head, until) = (Offset(self.progress.acknowledged), Offset(self.progress.delivered));
        // Killed by us, for a lost lease or nonsense, is not the message's doing; and where the handler was gone before, the
        // worker has counted its death.
        let counts = self.progress.in_flight == 1
            && self.progress.handler_pid != 0
            && matches!(self.exit, Exit::Signal(_))
            && self.worker.killed_for.is_none();
        let delivered = self.progress.oldest_in_flight;
        self.attempts = if counts {
            hit!(killed_worker_counts_for_its_message);
            self.attempts.after_death(head, until, delivered)
        } else {
            hit!(crash_isolates_and_counts_for_none);
            self.attempts.after_crash(until, delivered)
        };
    }
}

impl Core {
    pub(super) fn worker_exited(
        &mut self,
        now: Instant,
        key: &TopicPartition,
        pid: Pid,
        exit: Exit,
        progress: &Progress,
        attempts: Attempts,
    ) -> Vec<Action> {
        let Some(partition) = self.partitions.get(key).filter(|p| p.pid() == Some(pid)) else {
            return Vec::new();
        };
        let purpose = partition.phase().purpose().unwrap_or(Purpose::Recover);
        let Some(worker) = partition.phase().worker().cloned() else { return Vec::new() };
        if let Some(partition) = self.partitions.get_mut(key) {
            partition.tenure.kept_letter = None;
            partition.tenure.hang = None;
        }
        self.record_mut(key).past_mut().stderr = Arc::from(&*worker.stderr);
        let mut end = End { worker, exit, progress: *progress, attempts };
        let mut actions = match self.believe(key, progress) {
            Ok(mut actions) => {
                end.settle_attempts();
                actions.push(Action::SettlePage { partition: key.clone(), attempts: end.attempts });
                actions
            }
            Err(nonsense) => {
                hit!(page_of_the_dead_is_nonsense);
                end.worker.killed_for.get_or_insert(nonsense);
                self.page_anew(key)
            }
        };
        actions.extend(match purpose {
            Purpose::Forget => self.forget(now, key),
            Purpose::Release => {
                self.note_drain(key, &end);
                self.drained(now, key)
            }
            Purpose::Locate => self.locate(key),
            Purpose::Replace(reason) => self.replaced(now, key, reason, end),
            Purpose::Recover => self.recover(now, key, end),
        });
        actions
    }

    fn page_anew(&mut self, key: &TopicPartition) -> Vec<Action> {
        let start = self.partitions.get(key).and_then(|partition| partition.tenure.acknowledged());
        let Some(start) = start else { return Vec::new() };
        self.record_mut(key).new_page();
        vec![Action::MakePage { partition: key.clone(), start }]
    }

    /// Says what a drain left undone, and by whose fault.
    fn note_drain(&mut self, key: &TopicPartition, end: &End) -> bool {
        if matches!(end.worker.ending, Some(Ending::Stopped { cut_short: false, failed: None })) {
            return true;
        }
        let how = end.how();
        hit!(drain_was_not_finished);
        log::warn!(partition:% = key; "the drain was not finished: {how}; what was in flight comes again");
        // A handler that died of itself meanwhile was not cut short by us.
        self.cut_short |= matches!(end.worker.ending, Some(Ending::Stopped { cut_short: true, .. }));
        self.note_exit(key, &how);
        false
    }

    /// Only the last commit is still owed; an operator's word that waited for this moment is part of it.
    pub(super) fn drained(&mut self, now: Instant, key: &TopicPartition) -> Vec<Action> {
        let within = if self.hurried() { HURRIED } else { self.configs.settings().stop_timeout };
        let actions = self.look_again(key);
        self.obey(now, key);
        self.commit_at = Some(now);
        self.enter(key, Phase::Releasing { until: now + within });
        actions
    }

    /// The old worker is gone, as was wanted: the next one may start.
    fn replaced(&mut self, now: Instant, key: &TopicPartition, reason: Reason, end: End) -> Vec<Action> {
        // An operator's word for where to go on outranks both.
        let ordered = self.partitions.get(key).is_some_and(|partition| partition.tenure.seek.is_some());
        if !ordered
            && let Some(
                Ending::Parked { .. }
                | Ending::StartLost { .. }
                | Ending::Denied { .. }
                | Ending::Refused { .. },
            ) = end.worker.ending
        {
            hit!(replaced_worker_had_parked_or_lost_its_start);
            return self.recover(now, key, end);
        }
        let (whole, at) = (self.note_drain(key, &end), self.at);
        let record = self.record_mut(key);
        record.count_restart(reason);
        if whole {
            let what = if record.paused.is_some() { "for a pause" } else { "to start again" };
            record.exited(at, &format!("{}: stopped {what}", reason.name()));
        }
        self.go_on(now, key)
    }

    fn recover(&mut self, now: Instant, key: &TopicPartition, end: End) -> Vec<Action> {
        let how = end.how();
        match &end.worker.ending {
            Some(Ending::Stopped { .. }) => self.launch(now, key),
            Some(Ending::LeaseLost) => {
                hit!(worker_ended_for_its_lease);
                let record = self.record_mut(key);
                record.count_restart(Reason::LeaseLost);
                self.note_exit(key, &how);
                let next = format!("{how}; started again once ZooKeeper confirms that it is");
                log::warn!(partition:% = key; "{next}");
                self.changes.of(key, "worker_exited", next);
                self.go_on(now, key)
            }
            Some(Ending::Parked { offset, error }) => self.parked(now, key, *offset, error, &end),
            Some(Ending::StartLost { .. }) => {
                hit!(worker_lost_its_start);
                log::warn!(partition:% = key; "{how}; looking where to go on");
                self.note_exit(key, &how);
                self.changes.of(key, "worker_exited", format!("{how}; looking where to go on"));
                self.locate_later(now, key, how);
                Vec::new()
            }
            Some(Ending::Denied { .. }) => {
                hit!(worker_was_denied);
                self.bar(key, Barred::Denied(Arc::from(&*how)));
                self.locate_when_allowed(now, key, how);
                Vec::new()
            }
            Some(Ending::Refused { .. }) => {
                hit!(worker_was_refused);
                self.bar(key, Barred::Refused(Arc::from(&*how)));
                self.refused_by_kafka(now, key, &how)
            }
            Some(
                Ending::HandlerExit { .. }
                | Ending::HandlerSignal { .. }
                | Ending::HandlerTimeout { .. }
                | Ending::HandlerMissing { .. }
                | Ending::ProtocolError { .. }
                | Ending::Unable { .. },
            )
            | None => self.failed(now, key, how, end),
        }
    }

    /// Kafka keeps us out: said once.
    fn bar(&mut self, key: &TopicPartition, barred: Barred) {
        self.note_exit(key, barred.why());
        let Some(partition) = self.partitions.get_mut(key) else { return };
        if partition.tenure.barred.as_ref() != Some(&barred) {
            log::error!(partition:% = key; "stopped: {}; it goes on by itself when that is mended", barred.why());
        }
        partition.tenure.barred = Some(barred);
    }

    /// A broker does not let its worker in: another one is started after a while, with secrets that are read again.
    fn refused_by_kafka(&mut self, now: Instant, key: &TopicPartition, why: &str) -> Vec<Action> {
        let actions = self.roll_failed(now, key, why);
        let chance = self.chance.f64();
        let restart = self.settings_of(key).restart.clone();
        self.record_mut(key).count_restart(Reason::WorkerExit);
        let Some(partition) = self.partitions.get_mut(key) else { return actions };
        let wait = partition.tenure.failures.barred(&restart, chance);
        partition.enter(Phase::BackingOff { until: now + wait });
        actions
    }

    fn parked(
        &mut self,
        now: Instant,
        key: &TopicPartition,
        offset: Offset,
        error: &str,
        end: &End,
    ) -> Vec<Action> {
        let how = end.how();
        hit!(worker_parked);
        log::error!(partition:% = key; "parked: {how}; {UNPARK}");
        let mut actions = Vec::new();
        if let Some(partition) = self.partitions.get_mut(key) {
            let tenure = &mut partition.tenure;
            tenure.block(offset, &end.attempts, error, end.worker.stderr.clone());
            if let Some(dead_letter) = &mut tenure.blocking {
                dead_letter.attempts = end.attempts.attempt(offset);
            }
            let ticket = tenure.dead_letter.take().and_then(|due| due.ticket);
            let result = Err(Refusal::Failed(how.clone()));
            actions.extend(ticket.map(|ticket| Action::Answer { ticket, result }));
        }
        actions.extend(self.roll_failed(now, key, &how));
        self.note_exit(key, &how);
        self.enter(key, Phase::Parked { why: Arc::from(how) });
        actions
    }

    /// The worker failed: the message it failed on may be poison, else it starts again after a while.
    fn failed(&mut self, now: Instant, key: &TopicPartition, how: String, end: End) -> Vec<Action> {
        let reason = Reason::of(end.exit, end.worker.ending.as_ref());
        let head = Offset(end.attempts.head);
        let deaths =
            if end.attempts.head == end.progress.acknowledged { end.attempts.deaths(head) } else { 0 };
        let at = self.at;
        if let Some(partition) = self.partitions.get_mut(key) {
            if deaths > 0 {
                partition.tenure.block(head, &end.attempts, &how, end.worker.stderr.clone());
            }
            partition.tenure.last_death = Some(at);
        }
        // As it was before the roll, whose canary this may have been, is taken back: what others worked with proves nothing of it.
        let surroundings = self.surroundings(key, Some(end.worker.config));
        let (mut actions, wait) = self.wait_after(now, key, Some(&end.worker), reason, &how);
        let alone = end.progress.in_flight == 1 && end.attempts.head_deaths > 0;
        if alone && deaths > 0 {
            actions.extend(self.judge_death(now, key, head, deaths, &how, surroundings));
        }
        self.say_wait(key, &how, wait);
        actions
    }

    /// How a worker ended, in words.
    pub(super) fn note_exit(&mut self, key: &TopicPartition, how: &str) {
        let at = self.at;
        self.record_mut(key).exited(at, how);
    }

    pub(super) fn back_off(
        &mut self,
        now: Instant,
        key: &TopicPartition,
        worker: Option<&Worker>,
        reason: Reason,
        why: String,
    ) -> Vec<Action> {
        let (actions, wait) = self.wait_after(now, key, worker, reason, &why);
        self.say_wait(key, &why, wait);
        actions
    }

    /// Waits before the next worker starts, and how long.
    fn wait_after(
        &mut self,
        now: Instant,
        key: &TopicPartition,
        worker: Option<&Worker>,
        reason: Reason,
        why: &str,
    ) -> (Vec<Action>, Duration) {
        let actions = self.roll_failed(now, key, why);
        let chance = self.chance.f64();
        let restart = self.settings_of(key).restart.clone();
        let acknowledged_at = self.partitions.get(key).map(|partition| partition.tenure.acknowledged_at);
        let run = Run {
            lasted: worker.map(|w| now.saturating_duration_since(w.started_at)).unwrap_or_default(),
            progressed: worker.is_some_and(|worker| acknowledged_at > Some(worker.acknowledged_before)),
        };
        let Some(partition) = self.partitions.get_mut(key) else { return (actions, Duration::ZERO) };
        let looped = partition.tenure.failures.looping();
        let wait = partition.tenure.failures.failed(now, run, &restart, chance);
        if partition.tenure.failures.looping() {
            hit!(crash_loop);
        }
        partition.enter(Phase::BackingOff { until: now + wait });
        let record = self.record_mut(key);
        record.count_restart(reason);
        self.note_exit(key, why);
        if looped {
            self.changes.of(key, "worker_exited", format!("{why}; started again {}", then(wait)));
        }
        (actions, wait)
    }

    /// Says that it waits, unless something else has become of it.
    fn say_wait(&self, key: &TopicPartition, why: &str, wait: Duration) {
        let Some(partition) = self.partitions.get(key) else { return };
        if !matches!(partition.phase(), Phase::BackingOff { .. }) {
            return;
        }
        let then = then(wait);
        if partition.tenure.failures.looping() {
            log::error!(
                partition:% = key;
                "crash loop: {why}; tried again {then}, or by `kafkavisor restart {key}`"
            );
        } else {
            log::warn!(partition:% = key; "{why}; started again {then}");
        }
    }

    /// A message was alone in flight when its handler died: it may have been once too often.
    pub(super) fn judge_death(
        &mut self,
        now: Instant,
        key: &TopicPartition,
        offset: Offset,
        deaths: u64,
        how: &str,
        surroundings: Surroundings,
    ) -> Vec<Action> {
        let rule = self.settings_of(key).poison.clone();
        if deaths < u64::from(rule.attempts) {
            hit!(message_may_be_tried_again);
            return Vec::new();
        }
        if let Some(why) = surroundings.outage() {
            log::warn!(
                partition:% = key;
                "offset {offset} killed its handler {deaths} times and is not given up: {why}"
            );
            return Vec::new();
        }
        let at = self.at;
        let Verdict::Apply(action) = self.judge.apply(now, &rule) else { return Vec::new() };
        let mut actions: Vec<_> = self.gave_up(key, at).into_iter().collect();
        let Some(partition) = self.partitions.get_mut(key) else { return actions };
        let what = format!("offset {offset} killed its handler {deaths} times, the last time {how}");
        match action {
            PoisonAction::Skip => {
                hit!(message_given_up_and_skipped);
                log::error!(partition:% = key; "{what}: skipped");
                self.changes.of(key, "skipped", what);
                if let Some(place) = &mut partition.tenure.place {
                    place.acknowledged = offset.next();
                }
                partition.tenure.blocking = None;
                actions.push(Action::MovePage { partition: key.clone(), next: offset.next() });
                actions
            }
            PoisonAction::DeadLetter => {
                hit!(message_given_up_and_dead_lettered);
                log::error!(partition:% = key; "{what}: it goes to the dead-letter topic");
                partition.tenure.given_up = Some((offset, what));
                let dead_letter = partition.tenure.blocking.clone();
                partition.tenure.dead_letter =
                    dead_letter.map(|dead_letter| DueDeadLetter { dead_letter, ticket: None });
                actions
            }
            PoisonAction::Park => {
                hit!(message_given_up_and_parked);
                log::error!(partition:% = key; "parked: {what}; {UNPARK}");
                partition.enter(Phase::Parked { why: Arc::from(&*what) });
                self.record_mut(key).last_exited(at, &what);
                Vec::new()
            }
        }
    }
}
