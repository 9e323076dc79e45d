//! What workers say, and what their pages do.

use std::sync::Arc;
use std::time::Instant;

use kafkavisor::clock::Boottime;
use kafkavisor::config::PoisonAction;
use kafkavisor::ids::{Offset, TopicPartition};
use kafkavisor::text;
use kafkavisor_link::message::{DeadLetter, FromWorker, Verdict};
use kafkavisor_link::page::Progress;
use kafkavisor_marks::hit;
use nix::unistd::Pid;

use super::{Core, KILL_AGAIN};
use crate::messages::Action;
use crate::partition::Partition;
use crate::phase::{Phase, Purpose};
use crate::poison::Surroundings;
use crate::reason::Reason;
use crate::roll::ConfigNumber;
use crate::tenure::{Hang, KeptLetter};

impl Core {
    pub(super) fn worker_said(
        &mut self,
        now: Instant,
        key: &TopicPartition,
        pid: Pid,
        message: FromWorker,
    ) -> Vec<Action> {
        let at = self.at;
        let Some(partition) = self.partitions.get_mut(key).filter(|p| p.pid() == Some(pid)) else {
            return Vec::new();
        };
        match message {
            FromWorker::Ready => {
                if let Phase::Running { ready, .. } = partition.phase_mut()
                    && !std::mem::replace(ready, true)
                {
                    log::info!(partition:% = key; "ready: its handler runs, and Kafka answers");
                }
                partition.tenure.failures.let_in();
                if partition.tenure.barred.take().is_some() {
                    hit!(let_in_again);
                    log::info!(partition:% = key; "Kafka lets us in again");
                }
                Vec::new()
            }
            // Told to whoever asked, and no matter of ours.
            FromWorker::Described(_) => Vec::new(),
            FromWorker::CommitWanted => {
                self.commit_at = Some(now);
                Vec::new()
            }
            FromWorker::Failed { offset, attempts, error, rejected } => {
                let verdict = self.verdict(now, key, offset, rejected);
                let shown = text::shown(&error);
                log::warn!(partition:% = key; "offset {offset} (attempt {attempts}): {shown}; {verdict}");
                self.note_fate(key, offset, verdict, &error, rejected);
                let decided = Action::Decide { pid, partition: key.clone(), offset, verdict };
                let given_up = !rejected && verdict != Verdict::Retry;
                let noted = given_up.then(|| self.gave_up(key, at)).flatten();
                [decided].into_iter().chain(noted).collect()
            }
            FromWorker::BatchFailed { offset, count, attempts, error, stderr } => {
                self.batch_failed(now, key, offset, (count == 1).then_some(attempts), &error, stderr)
            }
            FromWorker::Postponed { error } => {
                self.note_exit(key, &text::shown(&error));
                Vec::new()
            }
            // Nobody of ours is watched.
            FromWorker::Traced { .. } => Vec::new(),
            FromWorker::DeadLetterKept { offset, error } => {
                hit!(letter_is_kept);
                let kept = KeptLetter::new(offset, error);
                if partition.tenure.kept_letter.as_ref() != Some(&kept) {
                    log::error!(partition:% = key; "{}", kept.why);
                    self.changes.of(key, "dead_letter_kept", Arc::clone(&kept.why));
                    partition.tenure.kept_letter = Some(kept);
                }
                Vec::new()
            }
            FromWorker::DeadLettered { offset } => {
                partition.tenure.kept_letter = None;
                log::warn!(partition:% = key; "offset {offset} is in the dead-letter topic");
                let due = partition.tenure.dead_letter.take_if(|due| due.dead_letter.offset == offset);
                let given_up = partition.tenure.given_up.take_if(|(what, _)| *what == offset);
                self.record_mut(key).past_mut().dead_lettered += 1;
                let what = given_up.map_or_else(|| format!("offset {offset}"), |(_, why)| why);
                self.changes.of(key, "dead_lettered", what);
                let ticket = due.and_then(|due| due.ticket);
                let result = Ok(format!("offset {offset} is in the dead-letter topic"));
                ticket.map(|ticket| Action::Answer { ticket, result }).into_iter().collect()
            }
            FromWorker::Ended { ending, stderr } => {
                if let Some(worker) = partition.phase_mut().worker_mut() {
                    worker.ending = Some(ending);
                    worker.stderr = stderr;
                }
                Vec::new()
            }
        }
    }

    /// What becomes of a message whose handler lives on, for whoever looks: now, or once it is done.
    fn note_fate(
        &mut self,
        key: &TopicPartition,
        offset: Offset,
        verdict: Verdict,
        error: &str,
        rejected: bool,
    ) {
        let whose = if rejected { "its handler rejected it" } else { "its handler failed on it" };
        let what = format!("offset {offset}: {whose}: {error}");
        match verdict {
            Verdict::Apply(PoisonAction::DeadLetter) => {
                if let Some(partition) = self.partitions.get_mut(key) {
                    partition.tenure.given_up = Some((offset, what));
                }
            }
            Verdict::Apply(PoisonAction::Skip) => self.changes.of(key, "skipped", what),
            Verdict::Apply(PoisonAction::Park) | Verdict::Retry => {}
        }
    }

    /// A handler failed that is run for each batch: its worker lives on and runs it again. `alone` says the attempts of a batch
    /// of one message.
    fn batch_failed(
        &mut self,
        now: Instant,
        key: &TopicPartition,
        offset: Offset,
        alone: Option<u32>,
        error: &str,
        stderr: String,
    ) -> Vec<Action> {
        hit!(batch_failed);
        let (at, how) = (self.at, text::shown(error));
        let first_delivered = self.partitions.get(key).and_then(|partition| partition.tenure.first_delivered);
        if let Some(partition) = self.partitions.get_mut(key) {
            let tenure = &mut partition.tenure;
            let looped = tenure.failures.looping();
            tenure.failures.note(now);
            if tenure.failures.looping() && !looped {
                log::error!(partition:% = key; "crash loop: {how}; its worker runs it again, less and less often");
            }
            tenure.last_death = Some(at);
            tenure.failing = true;
            if let Some(attempts) = alone {
                if tenure.blocking.as_ref().is_none_or(|blocking| blocking.offset != offset) {
                    tenure.first_delivered = Some(at);
                } else {
                    tenure.first_delivered = first_delivered.or(Some(at));
                }
                let error = error.to_owned();
                tenure.blocking = Some(DeadLetter { offset, attempts, error, stderr });
            }
        }
        self.note_exit(key, &how);
        let mut actions = self.roll_failed(now, key, &how);
        // Its worker lives: it goes back with the others.
        let turned_back = self.partitions.get(key).is_some_and(|partition| {
            let tenure = &partition.tenure;
            matches!(partition.phase(), Phase::Running { worker, .. } if worker.config != tenure.config)
        });
        if turned_back && !actions.is_empty() {
            actions.extend(self.replace(now, key, Reason::ConfigChanged));
        }
        actions
    }

    /// What becomes of a message that a handler refused, or died of for the last time it may.
    fn verdict(&mut self, now: Instant, key: &TopicPartition, offset: Offset, rejected: bool) -> Verdict {
        let rule = self.settings_of(key).poison.clone();
        if rejected {
            hit!(rejected_message_is_judged);
            return self.judge.apply(now, &rule);
        }
        let config =
            self.partitions.get(key).and_then(|partition| partition.phase().worker()).map(|w| w.config);
        match self.surroundings(key, config).outage() {
            Some(why) => {
                log::warn!(partition:% = key; "offset {offset} is not given up: {why}");
                Verdict::Retry
            }
            None => self.judge.apply(now, &rule),
        }
    }

    /// What the rest of the instance does since a message of this partition was first delivered, and whether what its worker ran
    /// with has worked.
    pub(super) fn surroundings(&self, key: &TopicPartition, ran_with: Option<ConfigNumber>) -> Surroundings {
        let others = self.partitions.all().iter().filter(|(other, _)| *other != key);
        let tenure = self.partitions.get(key).map(|partition| &partition.tenure);
        Surroundings {
            first_delivered: tenure.and_then(|tenure| tenure.first_delivered),
            last_acknowledged: self.last_acknowledged,
            other_death: others.filter_map(|(_, partition)| partition.tenure.last_death).max(),
            gave_up_at: self.records.get(key).and_then(|record| record.gave_up_at),
            worked: ran_with.is_some_and(|config| self.configs.worked(config)),
        }
    }

    pub(super) fn pages_read(&mut self, now: Instant, pages: Vec<(TopicPartition, Progress)>) -> Vec<Action> {
        let mut actions = Vec::new();
        for (key, progress) in pages {
            actions.extend(self.page_read(now, &key, &progress));
        }
        actions
    }

    fn page_read(&mut self, now: Instant, key: &TopicPartition, progress: &Progress) -> Vec<Action> {
        let at = self.at;
        let pid = self.partitions.get(key).and_then(Partition::pid);
        let Some(pid) = pid else { return Vec::new() };
        let (mut actions, mut wrong) = match self.believe(key, progress) {
            Ok(actions) => (actions, None),
            Err(nonsense) => {
                hit!(page_is_nonsense);
                (Vec::new(), Some(nonsense))
            }
        };
        self.note_silence(key, progress);
        let Some(partition) = self.partitions.get_mut(key) else { return actions };
        let still = wrong.is_none() && partition.stands_still(now, at.since(progress.heartbeat));
        if still {
            hit!(worker_stands_still);
            wrong = Some("it stood still".to_owned());
        }
        if let Some(why) = wrong
            && !matches!(partition.phase(), Phase::Killing { .. })
            && let Some(mut worker) = partition.phase().worker().cloned()
        {
            let purpose = partition.phase().purpose().unwrap_or(Purpose::Recover);
            log::warn!(partition:% = key; "its worker is ended: {why}");
            worker.killed_for = Some(why);
            partition.enter(Phase::Killing { worker, purpose, again: now + KILL_AGAIN });
            actions.push(if still { Action::AbortWorker { pid } } else { Action::KillWorker { pid } });
        }
        actions
    }

    /// A handler that says nothing although messages are in flight is told of, once for each silence, and its answer after it.
    fn note_silence(&mut self, key: &TopicPartition, progress: &Progress) {
        let (at, hangs_after) = (self.at, self.settings_of(key).hangs_after);
        let silence = progress.silence().filter(|since| at.since(*since) >= hangs_after);
        let Some(partition) = self.partitions.get_mut(key) else { return };
        let known =
            std::mem::replace(&mut partition.tenure.hang, silence.map(|since| Hang::of(since, progress)));
        match (known, silence) {
            (None, Some(since)) => {
                let (silent, count, head) = (at.since(since), progress.in_flight, progress.acknowledged);
                let what =
                    format!("no answer for {silent:.1?}, with {count} messages in flight from offset {head}");
                log::warn!(
                    partition:% = key;
                    "its handler hangs: {what}; at handler.timeout it is ended and started again"
                );
                self.changes.of(key, "hanging", what);
            }
            (Some(hang), None) if let Some(silent) = hang.answered(progress, at) => {
                let what = format!("its handler had said nothing for {silent:.1?}");
                log::info!(partition:% = key; "its handler answers again, after {silent:.1?}");
                self.changes.of(key, "answering", what);
            }
            (None | Some(_), None) | (Some(_), Some(_)) => {}
        }
    }

    /// Believes what a page says, if it can be true, and draws the conclusions of what was acknowledged since.
    pub(super) fn believe(
        &mut self,
        key: &TopicPartition,
        progress: &Progress,
    ) -> Result<Vec<Action>, String> {
        let record = self.records.entry(key.clone()).or_default();
        let Some(partition) = self.partitions.get_mut(key) else { return Ok(Vec::new()) };
        partition.believe(record, progress)?;
        let tenure = &mut partition.tenure;
        if tenure.place.is_none() || progress.acknowledged_at <= tenure.acknowledged_at {
            return Ok(Vec::new());
        }
        tenure.acknowledged_at = progress.acknowledged_at;
        if tenure.failures.progressed() {
            log::info!(partition:% = key; "the crash loop is over: something was acknowledged");
        }
        tenure.failing = false;
        let config = partition.phase().worker().map(|worker| worker.config);
        self.last_acknowledged = self.last_acknowledged.max(Some(progress.acknowledged_at));
        let news = config.filter(|config| self.configs.note_work(*config));
        let cleared = self.doubted.take().filter(|doubted| Some(*doubted) != news);
        Ok([news, cleared].into_iter().flatten().map(|config| Action::NoteWorked { config }).collect())
    }

    /// A message is given up for deaths: the next of its partition waits for a sign of life, also if we die before there is one.
    pub(super) fn gave_up(&mut self, key: &TopicPartition, at: Boottime) -> Option<Action> {
        self.record_mut(key).gave_up_at = Some(at);
        let config = self.partitions.get(key)?.tenure.config;
        let noted = self.doubted.replace(config) == Some(config);
        (!noted).then_some(Action::NoteGaveUp { config })
    }
}
