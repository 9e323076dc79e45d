//! The core's sentences, in virtual time and without a process.
#![expect(clippy::wildcard_enum_match_arm, reason = "a test asks for the one action it is about")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kafkavisor::clock::{Boottime, now};
use kafkavisor::config::{Poison, PoisonAction, Restart};
use kafkavisor::ids::{FencingToken, Offset, TopicPartition};
use kafkavisor::protocol::StopReason;
use kafkavisor_link::attempts::Attempts;
use kafkavisor_link::message::{Ending, FromWorker};
use kafkavisor_link::page::Progress;
use kafkavisor_link::process::Exit;
use nix::unistd::Pid;

use super::start::{Decision, Why};
use super::{Action, CommitAnswer, Core, Event, Settings};

mod operator;
mod roll;

const SECOND: Duration = Duration::from_secs(1);
const TOKEN: FencingToken = FencingToken(7);

struct Fixture {
    core: Core,
    now: Instant,
    pids: i32,
    done: Vec<Action>,
    attempts: BTreeMap<TopicPartition, Attempts>,
}

fn item(partition: i32) -> TopicPartition {
    format!("orders:{partition}").parse().unwrap()
}

fn progress(acknowledged: i64, delivered: i64) -> Progress {
    Progress {
        position: delivered,
        acknowledged,
        delivered,
        in_flight: (delivered - acknowledged).unsigned_abs(),
        messages: acknowledged.unsigned_abs(),
        high_watermark: 1000,
        ..Progress::default()
    }
}

fn settings(fixed: bool, action: PoisonAction) -> Settings {
    Settings {
        restart: Restart { initial: SECOND / 2, max: 30 * SECOND, healthy_after: 60 * SECOND },
        poison: Poison { attempts: 3, action, topic: None, max_per_minute: 60 },
        stop_timeout: 10 * SECOND,
        commit_interval: SECOND,
        fixed,
        seed: 1,
    }
}

impl Fixture {
    fn new(fixed: bool, action: PoisonAction) -> Self {
        let core = Core::new(settings(fixed, action));
        let mut fixture = Self { core, now: now(), pids: 100, done: Vec::new(), attempts: BTreeMap::new() };
        if !fixed {
            fixture.event(Event::LeaseRenewed);
        }
        fixture
    }

    /// Hands in an event, spawns what is to be spawned, and returns the actions.
    fn event(&mut self, event: Event) -> Vec<Action> {
        let actions = self.core.handle(self.now, event);
        self.perform(actions)
    }

    fn perform(&mut self, mut actions: Vec<Action>) -> Vec<Action> {
        let starts: Vec<_> = actions
            .iter()
            .filter_map(|action| match action {
                Action::SpawnWorker(start) => Some(start.item.clone()),
                _ => None,
            })
            .collect();
        for item in starts {
            self.pids += 1;
            let pid = Pid::from_raw(self.pids);
            actions.extend(self.core.handle(self.now, Event::WorkerSpawned { item: item.clone(), pid }));
            actions.extend(
                self.core.handle(self.now, Event::WorkerSaid { item, pid, message: FromWorker::Ready }),
            );
        }
        for action in &actions {
            if let Action::SettlePage { item, attempts } = action {
                self.attempts.insert(item.clone(), *attempts);
            }
        }
        self.done.extend(actions.clone());
        actions
    }

    fn pass(&mut self, time: Duration) -> Vec<Action> {
        self.now += time;
        self.event(Event::Woken)
    }

    /// The handler dies of the message at `offset`, alone in flight, so often that it is poison.
    fn poison(&mut self, partition: i32, offset: i64) {
        self.page(partition, progress(offset, offset + 1));
        for _ in 0..3 {
            let before = self.attempts.get(&item(partition)).copied().unwrap_or_default();
            let after = before.after_death(Offset(offset), Offset(offset + 1), Boottime(1));
            self.attempts.insert(item(partition), after);
            self.exits(partition, Some(CRASHED), Exit::Status(1), progress(offset, offset + 1));
            self.pass(10 * SECOND);
        }
    }

    /// A partition at work from offset 0.
    fn ready(&mut self, partition: i32) {
        let token = (!self.core.items().contains_key(&item(99))).then_some(TOKEN);
        let actions = self.event(Event::Assigned { item: item(partition), token });
        let request = actions
            .iter()
            .find_map(|action| match action {
                Action::FindStart { request, .. } => Some(*request),
                _ => None,
            })
            .unwrap();
        let decision = Decision::At { offset: Offset(0), why: Why::Reset };
        self.event(Event::StartFound { item: item(partition), request, decision, page: None });
        assert_eq!(self.state(partition), "ready");
    }

    fn state(&self, partition: i32) -> &'static str {
        self.core.items().get(&item(partition)).map_or("gone", super::Item::state)
    }

    fn pid(&self, partition: i32) -> Pid {
        self.core.items()[&item(partition)].pid().unwrap()
    }

    fn page(&mut self, partition: i32, progress: Progress) -> Vec<Action> {
        let pages = vec![(item(partition), progress)];
        self.event(Event::PagesRead { pages, at: Boottime(0) })
    }

    fn exits(
        &mut self,
        partition: i32,
        ending: Option<Ending>,
        exit: Exit,
        progress: Progress,
    ) -> Vec<Action> {
        let (item, pid) = (item(partition), self.pid(partition));
        if let Some(ending) = ending {
            let message = FromWorker::Ended { ending, stderr: "its last words".to_owned() };
            self.event(Event::WorkerSaid { item: item.clone(), pid, message });
        }
        let attempts = self.attempts.get(&item).copied().unwrap_or_default();
        self.event(Event::WorkerExited { item, pid, exit, progress, attempts })
    }

    fn committed(&mut self, partition: i32, offset: i64, error: Option<&str>) -> Vec<Action> {
        let answer =
            CommitAnswer { item: item(partition), offset: Offset(offset), error: error.map(str::to_owned) };
        self.event(Event::Committed { answers: vec![answer] })
    }
}

#[track_caller]
fn commit_of(actions: &[Action]) -> Option<BTreeMap<TopicPartition, Offset>> {
    actions.iter().find_map(|action| match action {
        Action::Commit { offsets } => Some(offsets.clone()),
        _ => None,
    })
}

fn spawns(actions: &[Action]) -> Vec<Offset> {
    actions
        .iter()
        .filter_map(|action| match action {
            Action::SpawnWorker(start) => Some(start.offset),
            _ => None,
        })
        .collect()
}

const KILLED: Exit = Exit::Signal(9);
const CRASHED: Ending = Ending::HandlerExit { status: 1 };
const STOPPED: Ending = Ending::Stopped { cut_short: false, failed: None };

#[test]
fn a_killed_worker_is_followed_after_its_last_acknowledged_message() {
    let mut fixture = Fixture::new(false, PoisonAction::Park);
    fixture.ready(0);
    fixture.ready(1);
    let other = fixture.pid(1);
    fixture.exits(0, None, KILLED, progress(40, 50));
    assert_eq!(fixture.state(0), "backing_off");
    assert_eq!(spawns(&fixture.pass(SECOND)), [Offset(40)]);
    assert_eq!(fixture.pid(1), other);
}

#[test]
fn commits_go_out_together_one_at_a_time_and_never_backwards() {
    let mut fixture = Fixture::new(false, PoisonAction::Park);
    fixture.ready(0);
    fixture.ready(1);
    fixture.page(0, progress(10, 12));
    fixture.page(1, progress(20, 20));
    let offsets = commit_of(&fixture.pass(SECOND)).unwrap();
    assert_eq!(offsets, BTreeMap::from([(item(0), Offset(10)), (item(1), Offset(20))]));
    fixture.page(0, progress(30, 30));
    assert_eq!(commit_of(&fixture.pass(5 * SECOND)), None, "one is under way");
    let offsets = commit_of(&fixture.committed(1, 20, None)).unwrap();
    assert_eq!(offsets, BTreeMap::from([(item(0), Offset(30))]));
    let backwards = fixture.page(0, progress(29, 30));
    assert!(backwards.contains(&Action::KillWorker { item: item(0), pid: fixture.pid(0) }));
}

#[test]
fn a_revoked_partition_is_released_only_after_drain_and_commit() {
    let mut fixture = Fixture::new(false, PoisonAction::Park);
    fixture.ready(0);
    fixture.page(0, progress(10, 12));
    let actions = fixture.event(Event::Revoked { item: item(0), token: TOKEN });
    let pid = fixture.pid(0);
    let stop = Action::StopWorker { item: item(0), pid, reason: StopReason::Rebalance, within: 10 * SECOND };
    assert_eq!(actions, [stop]);
    let actions = fixture.exits(0, Some(STOPPED), Exit::Status(0), progress(12, 12));
    assert_eq!(commit_of(&actions), Some(BTreeMap::from([(item(0), Offset(12))])));
    assert!(!actions.contains(&Action::Release { item: item(0), token: TOKEN }));
    let actions = fixture.committed(0, 12, None);
    assert!(actions.contains(&Action::Release { item: item(0), token: TOKEN }));
    assert_eq!(fixture.state(0), "gone");
}

#[test]
fn released_all_the_same_when_kafka_does_not_confirm() {
    let mut fixture = Fixture::new(false, PoisonAction::Park);
    fixture.ready(0);
    fixture.event(Event::Revoked { item: item(0), token: TOKEN });
    fixture.exits(0, Some(STOPPED), Exit::Status(0), progress(12, 12));
    fixture.committed(0, 12, Some("broker down"));
    let release = Action::Release { item: item(0), token: TOKEN };
    assert!(!fixture.pass(SECOND).contains(&release));
    assert!(fixture.pass(10 * SECOND).contains(&release));
}

#[test]
fn a_worker_that_will_not_stop_is_killed() {
    let mut fixture = Fixture::new(false, PoisonAction::Park);
    fixture.ready(0);
    fixture.event(Event::Revoked { item: item(0), token: TOKEN });
    let kill = Action::KillWorker { item: item(0), pid: fixture.pid(0) };
    assert!(!fixture.pass(10 * SECOND).contains(&kill));
    assert!(fixture.pass(2 * SECOND).contains(&kill));
    assert_eq!(fixture.state(0), "killing");
}

#[test]
fn a_second_request_to_stop_cuts_short() {
    let mut fixture = Fixture::new(true, PoisonAction::Park);
    fixture.ready(0);
    assert!(fixture.event(Event::StopRequested).contains(&Action::LeaveGroup));
    fixture.event(Event::StopRequested);
    fixture.exits(
        0,
        Some(Ending::Stopped { cut_short: true, failed: None }),
        Exit::Status(0),
        progress(0, 5),
    );
    assert_eq!(fixture.done.last(), Some(&Action::Exit { cut_short: true }));
}

#[test]
fn a_rebalance_that_was_cut_short_does_not_spoil_a_later_stop() {
    let mut fixture = Fixture::new(false, PoisonAction::Park);
    fixture.ready(0);
    fixture.event(Event::Revoked { item: item(0), token: TOKEN });
    fixture.exits(
        0,
        Some(Ending::Stopped { cut_short: true, failed: None }),
        Exit::Status(0),
        progress(5, 5),
    );
    fixture.committed(0, 5, None);
    assert_eq!(fixture.state(0), "gone");
    assert_eq!(fixture.event(Event::StopRequested), [Action::LeaveGroup]);
    assert_eq!(fixture.event(Event::Left), [Action::Exit { cut_short: false }]);
}

#[test]
fn an_idle_instance_stops_at_once() {
    let mut fixture = Fixture::new(true, PoisonAction::Park);
    assert_eq!(fixture.core.next_deadline(), None);
    let actions = fixture.event(Event::StopRequested);
    assert_eq!(actions, [Action::LeaveGroup, Action::Exit { cut_short: false }]);
}

#[test]
fn stale_events_change_nothing() {
    let mut fixture = Fixture::new(false, PoisonAction::Park);
    fixture.ready(0);
    let pid = fixture.pid(0);
    let stranger = Pid::from_raw(1);
    let message = FromWorker::Ended { ending: STOPPED, stderr: String::new() };
    let stale = [
        Event::WorkerSaid { item: item(0), pid: stranger, message },
        Event::WorkerExited {
            item: item(0),
            pid: stranger,
            exit: KILLED,
            progress: progress(5, 5),
            attempts: Attempts::default(),
        },
        Event::StartFound {
            item: item(0),
            request: 999,
            decision: Decision::At { offset: Offset(77), why: Why::Reset },
            page: None,
        },
        Event::StartUnknown { item: item(0), request: 999, error: "late".to_owned() },
        Event::Lost { item: item(5) },
        Event::TopicMadeAgain { item: item(5) },
    ];
    for event in stale {
        assert_eq!(fixture.event(event.clone()), [], "{event:?}");
    }
    assert_eq!((fixture.pid(0), fixture.state(0)), (pid, "ready"));
}

#[test]
fn without_a_lease_nothing_starts_and_nothing_is_committed() {
    let mut fixture = Fixture::new(false, PoisonAction::Park);
    fixture.ready(0);
    fixture.page(0, progress(10, 12));
    fixture.event(Event::LeaseLapsed);
    assert_eq!(commit_of(&fixture.pass(2 * SECOND)), None);
    fixture.exits(0, Some(Ending::LeaseLost), Exit::Status(1), progress(12, 12));
    assert_eq!((fixture.state(0), spawns(&fixture.pass(60 * SECOND))), ("starting", Vec::new()));
    assert_eq!(spawns(&fixture.event(Event::LeaseRenewed)), [Offset(12)]);
}

#[test]
fn a_worker_killed_because_the_lease_ended_is_no_failure() {
    let mut fixture = Fixture::new(false, PoisonAction::Park);
    fixture.ready(0);
    fixture.page(0, progress(10, 11));
    for _ in 0..6 {
        fixture.event(Event::LeaseLapsed);
        fixture.event(Event::LeaseEnded);
        let actions = fixture.exits(0, None, KILLED, progress(10, 11));
        assert!(spawns(&actions).is_empty(), "nothing starts without a lease");
        assert_eq!(spawns(&fixture.event(Event::LeaseRenewed)), [Offset(10)], "and at once with one");
        assert_eq!(fixture.attempts[&item(0)].attempt(Offset(10)), 1, "no message's doing either");
    }
    assert_eq!(fixture.state(0), "ready");
}

#[test]
fn a_lost_partition_is_killed_forgotten_and_never_committed() {
    let mut fixture = Fixture::new(false, PoisonAction::Park);
    fixture.ready(0);
    fixture.page(0, progress(10, 12));
    let kill = Action::KillWorker { item: item(0), pid: fixture.pid(0) };
    assert_eq!(fixture.event(Event::Lost { item: item(0) }), [kill]);
    assert_eq!(commit_of(&fixture.pass(2 * SECOND)), None);
    let actions = fixture.exits(0, None, KILLED, progress(12, 12));
    assert!(commit_of(&actions).is_none() && fixture.state(0) == "gone");
}

#[test]
fn what_is_assigned_and_revoked_while_a_lost_tenure_still_ends_is_released_after_it() {
    let mut fixture = Fixture::new(false, PoisonAction::Park);
    fixture.ready(0);
    fixture.event(Event::Lost { item: item(0) });
    let token = FencingToken(TOKEN.0 + 1);
    fixture.event(Event::Assigned { item: item(0), token: Some(token) });
    let release = Action::Release { item: item(0), token };
    assert!(!fixture.event(Event::Revoked { item: item(0), token }).contains(&release));
    let actions = fixture.exits(0, None, KILLED, progress(0, 0));
    assert!(actions.contains(&release), "{actions:?}");
    assert_eq!(fixture.state(0), "gone");
}

#[test]
fn a_death_that_the_worker_has_noted_is_not_counted_again() {
    for (handler_pid, counted) in [(1, 1), (0, 0)] {
        let mut fixture = Fixture::new(false, PoisonAction::Park);
        fixture.ready(0);
        fixture.exits(0, None, KILLED, Progress { handler_pid, ..progress(0, 1) });
        assert_eq!(fixture.attempts[&item(0)].deaths(Offset(0)), counted);
    }
}

#[test]
fn five_failures_without_progress_are_a_crash_loop_until_something_is_acknowledged() {
    let mut fixture = Fixture::new(false, PoisonAction::Park);
    fixture.ready(0);
    for _ in 0..5 {
        fixture.exits(0, Some(CRASHED), Exit::Status(1), progress(0, 0));
        fixture.pass(15 * SECOND);
    }
    assert_eq!(fixture.state(0), "crash_loop");
    fixture.pass(30 * SECOND);
    fixture.page(0, progress(1, 2));
    assert_eq!(fixture.state(0), "ready");
}

#[test]
fn the_message_that_kills_its_handlers_is_parked_and_no_other() {
    let mut fixture = Fixture::new(false, PoisonAction::Park);
    fixture.ready(0);
    fixture.poison(0, 10);
    assert_eq!(fixture.state(0), "parked");
}

#[test]
fn poison_may_be_skipped() {
    let mut fixture = Fixture::new(false, PoisonAction::Skip);
    fixture.ready(0);
    fixture.poison(0, 10);
    assert!(fixture.done.contains(&Action::MovePage { item: item(0), next: Offset(11) }));
    let last = spawns(&fixture.done).last().copied();
    assert_eq!(last, Some(Offset(11)));
}

#[test]
fn a_handler_that_never_worked_is_no_messages_fault() {
    let mut fixture = Fixture::new(false, PoisonAction::Park);
    fixture.ready(0);
    for _ in 0..10 {
        let before = fixture.attempts.get(&item(0)).copied().unwrap_or_default();
        fixture.attempts.insert(item(0), before.after_death(Offset(0), Offset(1), Boottime(1)));
        fixture.exits(0, Some(CRASHED), Exit::Status(1), progress(0, 1));
        assert_ne!(fixture.state(0), "parked");
        fixture.pass(40 * SECOND);
    }
}

#[test]
fn a_topic_made_again_is_located_anew_and_its_old_offsets_are_not_committed() {
    let mut fixture = Fixture::new(false, PoisonAction::Park);
    fixture.ready(0);
    fixture.page(0, progress(10, 12));
    fixture.event(Event::TopicMadeAgain { item: item(0) });
    let actions = fixture.exits(0, Some(STOPPED), Exit::Status(0), progress(12, 12));
    assert!(commit_of(&actions).is_none());
    assert!(actions.iter().any(|action| matches!(action, Action::FindStart { made_again: true, .. })));
}

#[test]
fn offsets_are_committed_again_before_they_expire() {
    let mut fixture = Fixture::new(false, PoisonAction::Park);
    fixture.ready(0);
    assert_eq!(commit_of(&fixture.pass(299 * SECOND)), None);
    assert_eq!(commit_of(&fixture.pass(SECOND)), Some(BTreeMap::from([(item(0), Offset(0))])));
}

#[test]
fn a_worker_that_stands_still_is_killed_but_not_for_a_suspended_machine() {
    let mut fixture = Fixture::new(false, PoisonAction::Park);
    fixture.ready(0);
    let kill = Action::KillWorker { item: item(0), pid: fixture.pid(0) };
    let look = |fixture: &mut Fixture, beat: u64, at: u64| {
        let progress = Progress { heartbeat: Boottime(beat * 1_000_000_000), ..progress(0, 0) };
        let pages = vec![(item(0), progress)];
        fixture.event(Event::PagesRead { pages, at: Boottime(at * 1_000_000_000) }).contains(&kill)
    };
    fixture.now += 60 * SECOND;
    assert!(!look(&mut fixture, 60, 3600), "a moment after waking up");
    fixture.now += SECOND;
    assert!(!look(&mut fixture, 3601, 3601));
    fixture.now += 11 * SECOND;
    assert!(!look(&mut fixture, 3601, 3612));
    fixture.now += 3 * SECOND;
    assert!(look(&mut fixture, 3601, 3615));
}

#[test]
fn what_is_taken_back_in_a_page_is_never_committed() {
    let mut fixture = Fixture::new(false, PoisonAction::Park);
    fixture.ready(0);
    fixture.page(0, progress(10, 12));
    fixture.pass(SECOND);
    fixture.committed(0, 10, None);
    let kill = Action::KillWorker { item: item(0), pid: fixture.pid(0) };
    let back = Progress { messages: 10, ..progress(7, 12) };
    assert!(fixture.page(0, back).contains(&kill));
    fixture.exits(0, None, KILLED, back);
    let commits: Vec<_> = (0..400).filter_map(|_| commit_of(&fixture.pass(SECOND))).collect();
    assert!(commits.iter().all(|offsets| offsets[&item(0)] >= Offset(10)), "{commits:?}");
    assert_eq!(spawns(&fixture.done).last(), Some(&Offset(10)));
}

#[test]
fn nonsense_in_a_page_stops_the_worker_and_is_not_followed() {
    let mut fixture = Fixture::new(false, PoisonAction::Park);
    fixture.ready(0);
    fixture.page(0, progress(10, 12));
    let kill = Action::KillWorker { item: item(0), pid: fixture.pid(0) };
    assert!(fixture.page(0, Progress { acknowledged: 500, ..progress(10, 12) }).contains(&kill));
    let actions = fixture.exits(0, None, KILLED, Progress { acknowledged: 500, ..progress(10, 12) });
    assert!(actions.contains(&Action::MakePage { item: item(0), start: Offset(10) }));
    assert_eq!(spawns(&fixture.pass(SECOND)), [Offset(10)]);
}
