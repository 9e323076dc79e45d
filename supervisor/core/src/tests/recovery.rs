//! Workers that die, pages that lie, commits that fail.

use std::collections::BTreeMap;

use kafkavisor::clock::Boottime;
use kafkavisor::ids::{FencingToken, Offset};
use kafkavisor_group::start::{Decision, Why};
use kafkavisor_link::attempts::Attempts;
use kafkavisor_link::message::{Ending, FromWorker};
use kafkavisor_link::page::Progress;
use kafkavisor_link::process::Exit;
use nix::unistd::Pid;

use super::fixture::*;
use crate::{Action, Event, Found};

#[test]
fn a_killed_worker_is_followed_at_once_after_its_last_acknowledged_message() {
    let mut fixture = Fixture::new();
    fixture.ready(0);
    fixture.ready(1);
    let other = fixture.pid(1);
    fixture.exits(0, None, KILLED, progress(40, 50));
    assert_eq!(fixture.state(0), "backing_off");
    assert_eq!(spawns(&fixture.pass(SECOND / 1000)), [Offset(40)]);
    assert_eq!(fixture.pid(1), other);
}

#[test]
fn commits_go_out_together_one_at_a_time_and_never_backwards() {
    let mut fixture = Fixture::new();
    fixture.ready(0);
    fixture.ready(1);
    fixture.page(0, progress(10, 12));
    fixture.page(1, progress(20, 20));
    let offsets = commit_of(&fixture.pass(SECOND)).unwrap();
    assert_eq!(offsets, BTreeMap::from([(orders(0), Offset(10)), (orders(1), Offset(20))]));
    fixture.page(0, progress(30, 30));
    assert_eq!(commit_of(&fixture.pass(5 * SECOND)), None, "one is under way");
    let offsets = commit_of(&fixture.committed(1, 20, None)).unwrap();
    assert_eq!(offsets, BTreeMap::from([(orders(0), Offset(30))]));
    let backwards = fixture.page(0, progress(29, 30));
    assert!(backwards.contains(&fixture.kill(0)));
}

#[test]
fn a_commit_that_fails_for_one_is_tried_again_and_holds_up_no_other() {
    let mut fixture = Fixture::new();
    fixture.ready(0);
    fixture.ready(1);
    for round in 1..20 {
        fixture.page(0, progress(round, round));
        fixture.page(1, progress(round, round));
        let offsets = commit_of(&fixture.pass(SECOND)).unwrap();
        assert_eq!(offsets.len(), 2);
        fixture.committed(1, round, None);
        fixture.committed(0, round, Some("unknown topic"));
        assert_eq!(fixture.place(1).1, Some(Offset(round)));
    }
    assert_eq!(fixture.place(0).1, Some(Offset(0)));
    assert!(fixture.core.partitions()[&orders(0)].tenure.commit_error.is_some());
}

#[test]
fn stale_events_change_nothing() {
    let mut fixture = Fixture::new();
    fixture.ready(0);
    let pid = fixture.pid(0);
    let stranger = Pid::from_raw(1);
    let message = FromWorker::Ended { ending: STOPPED, stderr: String::new() };
    let decision = Decision::At { offset: Offset(77), why: Why::Reset };
    let found = Box::new(Found { decision, begins: BTreeMap::new(), page: None });
    let stale = [
        Event::WorkerSaid { partition: orders(0), pid: stranger, message },
        Event::WorkerExited {
            partition: orders(0),
            pid: stranger,
            exit: KILLED,
            progress: progress(5, 5),
            attempts: Attempts::default(),
        },
        Event::StartFound { partition: orders(0), request: 999, found },
        Event::StartUnknown { partition: orders(0), request: 999, error: "late".to_owned() },
        Event::SpawnFailed { partition: orders(0), error: "late".to_owned() },
        Event::Lost { partition: orders(5) },
        Event::TopicMadeAgain { partition: orders(5) },
    ];
    for event in stale {
        assert_eq!(fixture.event(event.clone()), [], "{event:?}");
    }
    assert_eq!((fixture.pid(0), fixture.state(0)), (pid, "ready"));
    let late = fixture.event(Event::WorkerSpawned { partition: orders(0), pid: stranger });
    assert_eq!(late, [Action::KillWorker { pid: stranger }], "nobody knows what it is for");
}

#[test]
fn without_a_lease_nothing_starts_and_nothing_is_committed() {
    let mut fixture = Fixture::new();
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
    let mut fixture = Fixture::new();
    fixture.ready(0);
    fixture.page(0, progress(10, 11));
    for _ in 0..6 {
        fixture.event(Event::LeaseLapsed);
        fixture.event(Event::LeaseEnded);
        let actions = fixture.exits(0, None, KILLED, progress(10, 11));
        assert!(spawns(&actions).is_empty(), "nothing starts without a lease");
        assert_eq!(spawns(&fixture.event(Event::LeaseRenewed)), [Offset(10)], "and at once with one");
        assert_eq!(fixture.attempts[&orders(0)].attempt(Offset(10)), 1, "no message's doing either");
    }
    assert_eq!(fixture.state(0), "ready");
}

#[test]
fn a_lost_partition_is_killed_forgotten_and_never_committed() {
    let mut fixture = Fixture::new();
    fixture.ready(0);
    fixture.page(0, progress(10, 12));
    let kill = fixture.kill(0);
    assert_eq!(fixture.event(Event::Lost { partition: orders(0) }), [kill]);
    assert_eq!(commit_of(&fixture.pass(2 * SECOND)), None);
    let actions = fixture.exits(0, None, KILLED, progress(12, 12));
    assert!(commit_of(&actions).is_none() && fixture.state(0) == "gone");
}

#[test]
fn what_is_assigned_and_revoked_while_a_lost_tenure_still_ends_is_released_after_it() {
    let mut fixture = Fixture::new();
    fixture.ready(0);
    fixture.event(Event::Lost { partition: orders(0) });
    let token = Some(FencingToken(8));
    fixture.event(Event::Assigned { partition: orders(0), token });
    let release = Action::Release { partition: orders(0), token };
    assert!(!fixture.event(Event::Revoked { partition: orders(0), token }).contains(&release));
    let actions = fixture.exits(0, None, KILLED, progress(0, 0));
    assert!(actions.contains(&release), "{actions:?}");
    assert_eq!(fixture.state(0), "gone");
}

#[test]
fn counters_outlive_lost_sessions_and_moves() {
    let mut fixture = Fixture::new();
    let totals = Fixture::totals;
    fixture.ready(0);
    fixture.exits(0, None, KILLED, progress(10, 12));
    fixture.pass(SECOND);
    fixture.committed(0, 10, None);
    fixture.event(Event::Lost { partition: orders(0) });
    fixture.exits(0, None, KILLED, progress(12, 12));
    assert_eq!(totals(&fixture, 0), 12, "lost");
    fixture.ready(0);
    assert_eq!(totals(&fixture, 0), 12);
    fixture.page(0, progress(5, 5));
    fixture.event(Event::Revoked { partition: orders(0), token: TOKEN });
    fixture.drained(0, progress(5, 5));
    fixture.committed(0, 5, None);
    assert_eq!(fixture.state(0), "gone");
    fixture.ready(0);
    assert_eq!(totals(&fixture, 1), 18, "given up and come back");
    assert_eq!(fixture.core.record(&orders(0)).unwrap().restarts_total(), 1);
}

#[test]
fn a_death_that_the_worker_has_noted_is_not_counted_again() {
    for (handler_pid, counted) in [(1, 1), (0, 0)] {
        let mut fixture = Fixture::new();
        fixture.ready(0);
        fixture.exits(0, None, KILLED, Progress { handler_pid, ..progress(0, 1) });
        assert_eq!(fixture.attempts[&orders(0)].deaths(Offset(0)), counted);
    }
}

#[test]
fn five_failures_without_progress_are_a_crash_loop_until_something_is_acknowledged() {
    let mut fixture = Fixture::new();
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
fn offsets_are_committed_again_before_they_expire() {
    let mut fixture = Fixture::new();
    fixture.ready(0);
    assert_eq!(commit_of(&fixture.pass(299 * SECOND)), None);
    assert_eq!(commit_of(&fixture.pass(SECOND)), Some(BTreeMap::from([(orders(0), Offset(0))])));
}

#[test]
fn a_worker_that_stands_still_is_aborted_then_killed_but_not_for_a_suspended_machine() {
    let mut fixture = Fixture::new();
    fixture.ready(0);
    let (abort, kill) = (Action::AbortWorker { pid: fixture.pid(0) }, fixture.kill(0));
    let look = |fixture: &mut Fixture, beat: u64, at: u64| {
        let progress = Progress { heartbeat: Boottime(beat * 1_000_000_000), ..progress(0, 0) };
        let pages = vec![(orders(0), progress)];
        let at = Boottime(at * 1_000_000_000);
        fixture.core.handle(fixture.now, at, Event::PagesRead { pages }).contains(&abort)
    };
    fixture.now += 60 * SECOND;
    assert!(!look(&mut fixture, 60, 3600), "a moment after waking up");
    fixture.now += SECOND;
    assert!(!look(&mut fixture, 3601, 3601));
    fixture.now += 11 * SECOND;
    assert!(!look(&mut fixture, 3601, 3612));
    fixture.now += 3 * SECOND;
    assert!(look(&mut fixture, 3601, 3615));
    assert!(!look(&mut fixture, 3601, 3615), "once");
    assert!(fixture.pass(SECOND).contains(&kill), "one that is stopped does nothing about it");
}

#[test]
fn what_is_taken_back_in_a_page_is_never_committed() {
    let mut fixture = Fixture::new();
    fixture.ready(0);
    fixture.page(0, progress(10, 12));
    fixture.pass(SECOND);
    fixture.committed(0, 10, None);
    let kill = fixture.kill(0);
    let back = Progress { messages: 10, ..progress(7, 12) };
    assert!(fixture.page(0, back).contains(&kill));
    fixture.exits(0, None, KILLED, back);
    let commits: Vec<_> = (0..400).filter_map(|_| commit_of(&fixture.pass(SECOND))).collect();
    assert!(commits.iter().all(|offsets| offsets[&orders(0)] >= Offset(10)), "{commits:?}");
    assert_eq!(spawns(&fixture.done).last(), Some(&Offset(10)));
}

#[test]
fn nonsense_in_a_page_stops_the_worker_and_is_not_followed() {
    let mut fixture = Fixture::new();
    fixture.ready(0);
    fixture.page(0, progress(10, 12));
    let kill = fixture.kill(0);
    assert!(fixture.page(0, Progress { acknowledged: 500, ..progress(10, 12) }).contains(&kill));
    let actions = fixture.exits(0, None, KILLED, Progress { acknowledged: 500, ..progress(10, 12) });
    assert!(actions.contains(&Action::MakePage { partition: orders(0), start: Offset(10) }));
    assert_eq!(spawns(&fixture.pass(SECOND)), [Offset(10)]);
}

#[test]
fn not_all_start_at_once() {
    let mut fixture = Fixture::new();
    let before = fixture.pids;
    for number in 0..400 {
        let request = fixture.assign(number);
        let why = Why::Committed { by_us: true };
        fixture.find(number, request, Decision::At { offset: Offset(0), why });
    }
    assert_eq!(fixture.pids - before, 100, "a burst");
    let mut seconds = 0;
    while fixture.pids - before < 400 {
        let began = fixture.pids;
        for _ in 0..50 {
            fixture.pass(SECOND / 50);
        }
        assert!(fixture.pids - began <= 51);
        seconds += 1;
    }
    assert!((6..=7).contains(&seconds), "{seconds} s");
}
