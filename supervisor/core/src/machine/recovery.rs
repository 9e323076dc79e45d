//! What workers say, and what becomes of their partitions when they end: again, after a while, parked, or released.

use std::time::Instant;

use kafkavisor::clock::Boottime;
use kafkavisor::config::PoisonAction;
use kafkavisor::ids::{Offset, TopicPartition};
use kafkavisor_link::attempts::Attempts;
use kafkavisor_link::message::{Ending, FromWorker, Letter, Verdict};
use kafkavisor_link::page::Progress;
use kafkavisor_link::process::Exit;
use nix::unistd::Pid;

use super::{Core, HURRIED, KILL_AGAIN, LOCATE_AGAIN};
use crate::item::{After, Phase};
use crate::messages::Action;
use crate::poison::Surroundings;
use crate::reason::Reason;

impl Core {
    pub(super) fn back_off(&mut self, now: Instant, key: &TopicPartition, reason: Reason, why: String) {
        self.roll_failed(key, &why);
        let chance = self.chance.f64();
        let Some(item) = self.items.get_mut(key) else { return };
        let ran = now.saturating_duration_since(item.started_at);
        let wait = item.failures.failed(now, ran, &self.settings.restart, chance);
        item.count_restart(reason);
        item.last_death = Some(now);
        if item.failures.looping() {
            log::error!("{key}: crash loop: {why}; tried again in {wait:.1?}");
        } else {
            log::warn!("{key}: {why}; started again in {wait:.1?}");
        }
        item.last_exit = Some(why);
        item.phase = Phase::BackingOff { until: now + wait };
    }

    pub(super) fn worker_said(
        &mut self,
        now: Instant,
        key: &TopicPartition,
        pid: Pid,
        message: FromWorker,
    ) -> Vec<Action> {
        let Some(item) = self.items.get_mut(key).filter(|item| item.pid() == Some(pid)) else {
            return Vec::new();
        };
        match message {
            FromWorker::Ready => {
                if item.phase == (Phase::Starting { pid: Some(pid) }) {
                    item.phase = Phase::Ready { pid };
                }
                Vec::new()
            }
            FromWorker::CommitWanted => {
                self.commit_at = Some(now);
                Vec::new()
            }
            FromWorker::Failed { offset, attempts, error, rejected } => {
                let surroundings = self.surroundings(key, offset);
                let verdict =
                    if rejected { self.judge.refused(now) } else { self.judge.killed(now, surroundings) };
                log::warn!("{key}: offset {offset} (attempt {attempts}): {error}: {verdict:?}");
                vec![Action::Decide { item: key.clone(), pid, offset, verdict }]
            }
            FromWorker::BatchFailed { .. } => Vec::new(),
            FromWorker::DeadLettered { offset } => {
                log::warn!("{key}: offset {offset} is in the dead-letter topic");
                item.dead_lettered += 1;
                item.letter.take_if(|letter| letter.offset == offset);
                Vec::new()
            }
            FromWorker::Ended { ending, stderr } => {
                item.ending = Some(ending);
                item.stderr = stderr;
                Vec::new()
            }
        }
    }

    pub(super) fn surroundings(&self, key: &TopicPartition, offset: Offset) -> Surroundings {
        let first_attempt =
            self.items.get(key).and_then(|item| item.first_attempt).filter(|(o, _)| *o == offset.0);
        let others = self.items.iter().filter(|(other, _)| *other != key);
        Surroundings {
            first_attempt: first_attempt.map(|(_, at)| at),
            last_acknowledged: self.last_acknowledged,
            other_death: others.filter_map(|(_, item)| item.last_death).max(),
        }
    }

    pub(super) fn pages_read(
        &mut self,
        now: Instant,
        at: Boottime,
        pages: Vec<(TopicPartition, Progress)>,
    ) -> Vec<Action> {
        let mut actions = Vec::new();
        for (key, progress) in pages {
            let Some(item) = self.items.get_mut(&key) else { continue };
            let Some(pid) = item.pid() else { continue };
            let believed = item.believe(&progress).and_then(|advanced| {
                if item.stands_still(now, at.since(progress.heartbeat)) {
                    return Err("worker stood still".to_owned());
                }
                Ok(advanced)
            });
            match believed {
                Ok(true) => {
                    item.failures.progressed();
                    self.last_acknowledged = Some(now);
                }
                Ok(false) => {}
                Err(nonsense) if !matches!(item.phase, Phase::Killing { .. }) => {
                    item.killed_for = Some(nonsense);
                    item.phase = Phase::Killing { pid, again: now + KILL_AGAIN };
                    actions.push(Action::KillWorker { item: key, pid });
                }
                Err(_) => {}
            }
        }
        actions
    }

    pub(super) fn worker_exited(
        &mut self,
        now: Instant,
        key: &TopicPartition,
        pid: Pid,
        exit: Exit,
        progress: &Progress,
        attempts: Attempts,
    ) -> Vec<Action> {
        let Some(item) = self.items.get_mut(key).filter(|item| item.pid() == Some(pid)) else {
            return Vec::new();
        };
        let ending = item.ending.take();
        let mut actions = Vec::new();
        let mut attempts = attempts;
        match item.believe(progress) {
            Ok(advanced) => {
                if advanced {
                    item.failures.progressed();
                    self.last_acknowledged = Some(now);
                }
                if ending.is_none() && progress.in_flight > 0 {
                    let (head, until) = (Offset(progress.acknowledged), Offset(progress.delivered));
                    let delivered = progress.oldest_in_flight;
                    // Killed by us, for a lost lease or nonsense, is not the message's doing; and where the handler was gone
                    // before, the worker has counted its death.
                    let counts = progress.in_flight == 1
                        && progress.handler_pid != 0
                        && matches!(exit, Exit::Signal(_))
                        && item.killed_for.is_none();
                    attempts = if counts {
                        attempts.after_death(head, until, delivered)
                    } else {
                        attempts.after_crash(until, delivered)
                    };
                }
                actions.push(Action::SettlePage { item: key.clone(), attempts });
            }
            Err(nonsense) => {
                item.killed_for.get_or_insert(nonsense);
                if let Some(start) = item.acknowledged {
                    item.new_page();
                    actions.push(Action::MakePage { item: key.clone(), start });
                }
            }
        }
        actions.extend(match item.after {
            After::Forget => self.remove(now, key),
            After::Release => self.drained(now, key, exit, ending.as_ref()),
            After::Locate => {
                item.after = After::Recover;
                self.locate(key)
            }
            After::Replace(reason) => self.replace(now, key, reason),
            After::Recover => self.recover(now, key, exit, ending, progress, attempts),
        });
        actions
    }

    pub(super) fn drained(
        &mut self,
        now: Instant,
        key: &TopicPartition,
        exit: Exit,
        ending: Option<&Ending>,
    ) -> Vec<Action> {
        let within = if self.hurried { HURRIED } else { self.settings.stop_timeout };
        let Some(item) = self.items.get_mut(key) else { return Vec::new() };
        let whole = matches!(ending, Some(Ending::Stopped { cut_short: false, .. }));
        if !whole {
            let how = describe(exit, ending, item.killed_for.as_deref());
            log::warn!("{key}: the drain was not finished: {how}; what was in flight comes again");
            // A handler that died of itself meanwhile was not cut short by us.
            self.cut_short |= matches!(ending, Some(Ending::Stopped { .. }));
            item.last_exit = Some(how);
        }
        item.phase = Phase::Releasing { until: now + within };
        Vec::new()
    }

    pub(super) fn recover(
        &mut self,
        now: Instant,
        key: &TopicPartition,
        exit: Exit,
        ending: Option<Ending>,
        progress: &Progress,
        attempts: Attempts,
    ) -> Vec<Action> {
        let Some(item) = self.items.get_mut(key) else { return Vec::new() };
        let how = describe(exit, ending.as_ref(), item.killed_for.as_deref());
        match ending {
            Some(Ending::Stopped { .. }) => self.launch(now, key),
            Some(Ending::LeaseLost) => {
                item.last_exit = Some(how);
                item.count_restart(Reason::LeaseLost);
                self.launch(now, key)
            }
            Some(Ending::Parked { offset, error }) => {
                log::error!("{key}: parked: {how}");
                let attempts = attempts.attempt(offset);
                let stderr = std::mem::take(&mut item.stderr);
                item.blocking = Some(Letter { offset, attempts, error, stderr });
                self.roll_failed(key, &how);
                let Some(item) = self.items.get_mut(key) else { return Vec::new() };
                item.last_exit = Some(how.clone());
                item.phase = Phase::Parked { why: how };
                Vec::new()
            }
            Some(Ending::StartLost { .. }) => {
                log::warn!("{key}: {how}; looking where to go on");
                item.last_exit = Some(how);
                item.acknowledged = None;
                item.phase = Phase::LocatingAgain { at: now + LOCATE_AGAIN };
                Vec::new()
            }
            Some(
                Ending::HandlerExit { .. }
                | Ending::HandlerSignal { .. }
                | Ending::HandlerTimeout { .. }
                | Ending::HandlerMissing { .. }
                | Ending::ProtocolError { .. }
                | Ending::Unable { .. },
            )
            | None => self.failed(now, key, (Reason::of(exit, ending.as_ref()), how), progress, attempts),
        }
    }

    /// The worker failed: the message it failed on may be poison, else it starts again after a while.
    pub(super) fn failed(
        &mut self,
        now: Instant,
        key: &TopicPartition,
        (reason, how): (Reason, String),
        progress: &Progress,
        attempts: Attempts,
    ) -> Vec<Action> {
        let head = Offset(attempts.head);
        let deaths = if attempts.head == progress.acknowledged { attempts.deaths(head) } else { 0 };
        if let Some(item) = self.items.get_mut(key)
            && deaths > 0
            && item.first_attempt.is_none_or(|(offset, _)| offset != head.0)
        {
            item.first_attempt = Some((head.0, item.started_at));
        }
        if let Some(item) = self.items.get_mut(key)
            && deaths > 0
        {
            let attempts = u32::try_from(deaths).unwrap_or(u32::MAX);
            let stderr = item.stderr.clone();
            item.blocking = Some(Letter { offset: head, attempts, error: how.clone(), stderr });
        }
        let surroundings = self.surroundings(key, head);
        self.back_off(now, key, reason, how.clone());
        let alone = progress.in_flight == 1 && attempts.head_deaths > 0;
        if !alone || !self.judge.enough(deaths) {
            return Vec::new();
        }
        match self.judge.killed(now, surroundings) {
            Verdict::Retry => Vec::new(),
            Verdict::Apply(action) => self.apply(key, head, action, deaths, &how),
        }
    }

    pub(super) fn apply(
        &mut self,
        key: &TopicPartition,
        offset: Offset,
        action: PoisonAction,
        deaths: u64,
        how: &str,
    ) -> Vec<Action> {
        let Some(item) = self.items.get_mut(key) else { return Vec::new() };
        let what = format!("offset {offset} killed its handler {deaths} times, the last time {how}");
        match action {
            PoisonAction::Skip => {
                log::error!("{key}: {what}: skipped");
                vec![item.pass_over(key, offset)]
            }
            PoisonAction::DeadLetter => {
                log::error!("{key}: {what}: it goes to the dead-letter topic");
                item.letter = item.blocking.clone();
                Vec::new()
            }
            PoisonAction::Park => {
                log::error!("{key}: {what}: parked");
                item.last_exit = Some(what.clone());
                item.phase = Phase::Parked { why: what };
                Vec::new()
            }
        }
    }
}

/// How a worker ended, for people.
fn describe(exit: Exit, ending: Option<&Ending>, killed_for: Option<&str>) -> String {
    match ending {
        Some(Ending::Stopped { cut_short: false, .. }) => "stopped".to_owned(),
        Some(Ending::Stopped { cut_short: true, .. }) => {
            "handler did not finish in time and was ended".to_owned()
        }
        Some(Ending::HandlerExit { status }) => format!("handler {}", Exit::Status(*status)),
        Some(Ending::HandlerSignal { signal }) => format!("handler {}", Exit::Signal(*signal)),
        Some(Ending::HandlerMissing { error }) => format!("handler can't be started: {error}"),
        Some(Ending::HandlerTimeout { detail }) => format!("handler_timeout: {detail}"),
        Some(Ending::ProtocolError { detail }) => format!("protocol_error: {detail}"),
        Some(Ending::Parked { offset, error }) => format!("offset {offset}: {error}"),
        Some(Ending::StartLost { error }) => format!("Kafka has no such offset: {error}"),
        Some(Ending::LeaseLost) => "lease_lost: no evidence that the partition is still ours".to_owned(),
        Some(Ending::Unable { error }) => format!("worker can't work: {error}"),
        None => match killed_for {
            Some(why) => format!("worker was killed: {why}"),
            None => format!("worker {exit}"),
        },
    }
}
