//! What an operator asks for: what he is told is true.

use kafkavisor::config::{Poison, PoisonAction};
use kafkavisor::ids::{FencingToken, Offset};
use kafkavisor::protocol::StopReason;
use kafkavisor_group::start::{Decision, Why};
use kafkavisor_link::message::{DeadLetter, Ending, FromWorker};
use kafkavisor_link::page::Progress;
use kafkavisor_link::process::Exit;

use super::fixture::*;
use crate::{Action, Event, Operation, Refusal, Settings};

#[test]
fn a_paused_partition_is_drained_and_waits_for_resume() {
    let mut fixture = Fixture::new();
    fixture.ready(0);
    fixture.operate(Operation::Pause);
    assert_eq!(spawns(&fixture.drained(0, progress(12, 12))), []);
    assert_eq!(fixture.state(0), "paused");
    assert_eq!(spawns(&fixture.pass(600 * SECOND)), []);
    assert_eq!(spawns(&fixture.operate(Operation::Resume).0), [Offset(12)]);
    assert!(fixture.refused(Operation::Resume).contains("neither paused nor parked"), "it is ready");
    fixture.operate(Operation::Pause);
    fixture.event(Event::Revoked { partition: orders(0), token: TOKEN });
    assert_eq!(fixture.state(0), "draining", "a paused partition can be given up");
}

#[test]
fn a_pause_outlives_a_lost_session_and_not_another_owner() {
    let (ours, unsigned) = (Why::Committed { by_us: true }, Why::Committed { by_us: false });
    for (contended, why, expected) in [
        (false, ours, "paused"),
        // Somebody stood in line and did not come to it.
        (true, ours, "paused"),
        // An operator has set it.
        (false, unsigned, "paused"),
        // A Python member has.
        (true, unsigned, "ready"),
        (false, Why::CommittedByAnother, "ready"),
        (true, Why::CommittedByAnother, "ready"),
    ] {
        let mut fixture = Fixture::new();
        fixture.ready(0);
        fixture.operate(Operation::Pause);
        fixture.drained(0, progress(12, 12));
        fixture.event(Event::Lost { partition: orders(0) });
        assert_eq!(fixture.state(0), "gone");
        if contended {
            fixture.event(Event::Contended { partition: orders(0) });
        }
        let token = Some(FencingToken(9));
        let actions = fixture.event(Event::Assigned { partition: orders(0), token });
        let request = request_of(&actions).unwrap();
        fixture.find(0, request, Decision::At { offset: Offset(12), why });
        assert_eq!(fixture.state(0), expected, "{contended} {why:?}");
    }
}

#[test]
fn a_pause_is_taken_back_while_the_partition_is_somewhere_else() {
    let mut fixture = Fixture::new();
    fixture.ready(0);
    fixture.operate(Operation::Pause);
    fixture.drained(0, progress(12, 12));
    fixture.event(Event::Lost { partition: orders(0) });
    assert_eq!(fixture.state(0), "gone");
    assert!(fixture.core.operable().contains(&orders(0)));
    assert_eq!(fixture.operate(Operation::Resume).1, Some(Ok("resumed".to_owned())));
    assert!(fixture.core.operable().is_empty());
    let actions = fixture.event(Event::Assigned { partition: orders(0), token: Some(FencingToken(9)) });
    let request = request_of(&actions).unwrap();
    fixture.find(0, request, Decision::At { offset: Offset(12), why: Why::Committed { by_us: true } });
    assert_eq!(fixture.state(0), "ready");
}

#[test]
fn a_restart_is_a_drain_and_no_failure() {
    let mut fixture = Fixture::new();
    fixture.ready(0);
    let pid = fixture.pid(0);
    let (actions, answer) = fixture.operate(Operation::Restart);
    assert!(answer.unwrap().is_ok());
    let (reason, within) = (StopReason::Restart, 10 * SECOND);
    assert!(actions.contains(&Action::StopWorker { pid, reason, within }));
    assert_eq!(spawns(&fixture.drained(0, progress(7, 7))), [Offset(7)], "at once");
    let restarts = fixture.core.record(&orders(0)).unwrap().history.past.restarts.clone();
    assert_eq!(restarts.into_iter().collect::<Vec<_>>(), [(crate::Reason::Requested, 1)]);
}

#[test]
fn a_parked_partition_is_tried_again_at_a_word() {
    let mut fixture = Fixture::new();
    fixture.ready(0);
    fixture.poison(0, 10);
    assert_eq!(fixture.state(0), "parked");
    assert!(fixture.refused(Operation::Pause).contains("parked"));
    assert_eq!(spawns(&fixture.operate(Operation::Resume).0), [Offset(10)]);
}

#[test]
fn what_blocks_is_skipped_and_nothing_else() {
    let mut fixture = Fixture::new();
    fixture.ready(0);
    fixture.page(0, progress(10, 11));
    assert!(fixture.refused(Operation::Skip).contains("no message blocks it"));
    fixture.poison(0, 10);
    fixture.committed(0, 10, None);
    let (actions, answer) = fixture.operate(Operation::Skip);
    assert_eq!(answer, None, "not before it is committed");
    assert_eq!(commit_of(&actions).unwrap()[&orders(0)], Offset(11));
    let actions = fixture.committed(0, 11, None);
    assert!(answer_of(&actions).unwrap().is_ok());
    assert!(actions.contains(&Action::MovePage { partition: orders(0), next: Offset(11) }));
    assert_eq!(spawns(&actions), [Offset(11)]);
    assert!(fixture.refused(Operation::Skip).contains("no message blocks it"), "once");
}

/// Its handlers have died of the message once, and the next one has it in hands.
fn suspected(action: PoisonAction) -> Fixture {
    let mut fixture = Fixture::with(settings(action));
    fixture.ready(0);
    fixture.page(0, progress(10, 11));
    fixture.pass(40 * SECOND);
    fixture.dies_of(0, 10);
    fixture.pass(40 * SECOND);
    fixture.committed(0, 10, None);
    assert_eq!(fixture.state(0), "ready");
    fixture
}

#[test]
fn what_handlers_have_died_of_may_be_skipped_though_the_next_one_runs() {
    let mut fixture = suspected(PoisonAction::Skip);
    assert_eq!(fixture.operate(Operation::Skip).1, None, "the worker drains first");
    let actions = fixture.drained(0, progress(10, 11));
    assert_eq!(commit_of(&actions).unwrap()[&orders(0)], Offset(11));
    assert!(answer_of(&fixture.committed(0, 11, None)).unwrap().unwrap().contains("skipped"));
    assert_eq!(fixture.place(0).0, Some(Offset(11)));
}

#[test]
fn what_hangs_its_handler_may_be_skipped() {
    let mut fixture = Fixture::with(settings(PoisonAction::Skip));
    fixture.ready(0);
    let delivered = Progress { oldest_in_flight: fixture.at(), ..progress(10, 12) };
    fixture.page(0, delivered);
    fixture.pass(5 * SECOND);
    assert!(fixture.refused(Operation::Skip).contains("no message blocks it"), "it is at work");
    fixture.pass(SECOND);
    fixture.committed(0, 10, None);
    assert_eq!(fixture.operate(Operation::Skip).1, None);
    let actions = fixture.drained(0, progress(10, 12));
    assert_eq!(commit_of(&actions).unwrap()[&orders(0)], Offset(11));
}

#[test]
fn what_is_handled_while_its_worker_drains_is_not_skipped() {
    for action in [PoisonAction::Skip, PoisonAction::DeadLetter] {
        for revoked in [false, true] {
            let mut fixture = suspected(action);
            assert_eq!(fixture.operate(Operation::Skip).1, None);
            if revoked {
                fixture.event(Event::Revoked { partition: orders(0), token: TOKEN });
            }
            let actions = fixture.drained(0, progress(15, 15));
            let answer = answer_of(&actions).unwrap().unwrap();
            assert!(answer.contains("10 was handled"), "{action:?} {revoked}: {answer}");
            let next = spawns(&actions);
            assert_eq!(next, if revoked { vec![] } else { vec![Offset(15)] }, "nothing goes back");
            assert_eq!(fixture.place(0).0, Some(Offset(15)));
        }
    }
}

#[test]
fn seek_goes_anywhere_and_the_groups_offset_with_it() {
    let mut fixture = Fixture::new();
    fixture.ready(0);
    fixture.page(0, progress(50, 50));
    fixture.pass(SECOND);
    assert_eq!(fixture.operate(Operation::Seek(Offset(20))).1, None);
    let actions = fixture.drained(0, progress(60, 60));
    assert_eq!(spawns(&actions), [], "not before it is committed");
    // A commit of what was acknowledged before was on its way: it is not taken for one of what comes now.
    let actions = fixture.committed(0, 50, None);
    assert_eq!(answer_of(&actions), None);
    assert_eq!(commit_of(&actions).unwrap()[&orders(0)], Offset(20));
    let actions = fixture.committed(0, 20, None);
    assert_eq!(answer_of(&actions).unwrap().unwrap(), "goes on at offset 20 (was 50)");
    assert_eq!(spawns(&actions), [Offset(20)]);
    assert_eq!(fixture.place(0), (Some(Offset(20)), Some(Offset(20))));
}

#[test]
fn a_seek_that_can_not_be_committed_changes_nothing_and_says_so() {
    let mut fixture = Fixture::new();
    fixture.ready(0);
    fixture.page(0, progress(50, 50));
    fixture.operate(Operation::Seek(Offset(20)));
    fixture.drained(0, progress(60, 60));
    let actions = fixture.committed(0, 20, Some("no coordinator"));
    assert!(matches!(answer_of(&actions), Some(Err(Refusal::Failed(_)))), "{actions:?}");
    assert_eq!(spawns(&actions), [Offset(60)]);
    assert_eq!(fixture.place(0).0, Some(Offset(60)));
    // Kafka may have it all the same.
    assert_eq!(commit_of(&actions).unwrap()[&orders(0)], Offset(60), "at once");
}

#[test]
fn a_seek_outranks_a_worker_that_is_on_its_way_to_be_parked() {
    let mut fixture = Fixture::new();
    fixture.ready(0);
    fixture.page(0, progress(50, 51));
    let ending = Ending::Parked { offset: Offset(50), error: "no".to_owned() };
    fixture.says(0, FromWorker::Ended { ending: ending.clone(), stderr: String::new() });
    assert_eq!(fixture.operate(Operation::Seek(Offset(20))).1, None);
    let actions = fixture.exits(0, Some(ending), Exit::Status(1), progress(50, 51));
    assert_eq!(commit_of(&actions).unwrap()[&orders(0)], Offset(20));
    let actions = fixture.committed(0, 20, None);
    assert!(answer_of(&actions).unwrap().is_ok());
    assert_eq!(spawns(&actions), [Offset(20)]);
}

#[test]
fn whoever_asked_for_the_same_skip_before_is_told() {
    let dead_letter = Settings { worked: true, ..settings(PoisonAction::DeadLetter) };
    let mut fixture = Fixture::with(Settings {
        poison: Poison { max_per_minute: 0, ..dead_letter.poison.clone() },
        ..dead_letter
    });
    fixture.ready(0);
    fixture.poison(0, 10);
    assert_eq!(fixture.state(0), "parked");
    fixture.slow_spawns = true;
    assert_eq!(fixture.operate(Operation::Skip).1, None);
    let (actions, _) = fixture.operate(Operation::Skip);
    assert!(matches!(answer_of(&actions), Some(Err(Refusal::Failed(_)))), "{actions:?}");
}

#[test]
fn a_seek_is_carried_out_though_the_partition_is_given_up_meanwhile() {
    let mut fixture = Fixture::new();
    fixture.ready(0);
    fixture.page(0, progress(50, 50));
    fixture.operate(Operation::Seek(Offset(20)));
    fixture.event(Event::Revoked { partition: orders(0), token: TOKEN });
    let actions = fixture.drained(0, progress(60, 60));
    assert_eq!(commit_of(&actions).unwrap()[&orders(0)], Offset(20));
    let actions = fixture.committed(0, 20, None);
    assert!(answer_of(&actions).unwrap().is_ok());
    assert!(actions.contains(&Action::Release { partition: orders(0), token: TOKEN }));
}

#[test]
fn a_seek_is_carried_out_though_the_instance_stops_meanwhile() {
    let mut fixture = Fixture::new();
    fixture.ready(0);
    fixture.operate(Operation::Seek(Offset(20)));
    fixture.event(Event::StopRequested(crate::Stop::Signalled));
    let actions = fixture.drained(0, progress(60, 60));
    assert_eq!(commit_of(&actions).unwrap()[&orders(0)], Offset(20));
    assert!(answer_of(&fixture.committed(0, 20, None)).unwrap().is_ok());
}

#[test]
fn whoever_waits_is_told_when_the_session_is_lost() {
    let mut fixture = Fixture::new();
    fixture.ready(0);
    fixture.operate(Operation::Seek(Offset(20)));
    let actions = fixture.event(Event::Lost { partition: orders(0) });
    assert!(matches!(answer_of(&actions), Some(Err(Refusal::Failed(_)))), "{actions:?}");
    fixture.exits(0, None, KILLED, progress(60, 60));
    assert_eq!(commit_of(&fixture.pass(10 * SECOND)), None);
}

#[test]
fn the_last_of_two_seeks_counts() {
    let mut fixture = Fixture::new();
    fixture.ready(0);
    fixture.page(0, progress(50, 50));
    fixture.operate(Operation::Seek(Offset(20)));
    let (actions, _) = fixture.operate(Operation::Seek(Offset(30)));
    assert!(matches!(answer_of(&actions), Some(Err(Refusal::Failed(_)))), "the first is told: {actions:?}");
    fixture.drained(0, progress(60, 60));
    assert!(answer_of(&fixture.committed(0, 30, None)).unwrap().is_ok());
    assert_eq!(fixture.place(0).0, Some(Offset(30)));
    // ... also where the first is being committed already.
    fixture.operate(Operation::Seek(Offset(5)));
    fixture.drained(0, progress(40, 40));
    fixture.operate(Operation::Seek(Offset(6)));
    let actions = fixture.committed(0, 5, None);
    assert_eq!((answer_of(&actions), spawns(&actions)), (None, Vec::new()));
    let actions = fixture.committed(0, 6, None);
    assert_eq!(spawns(&actions), [Offset(6)]);
}

#[test]
fn seek_frees_a_partition_that_never_began() {
    let mut fixture = Fixture::new();
    let request = fixture.assign(0);
    fixture.find(0, request, Decision::Park("beyond the end".to_owned()));
    fixture.operate(Operation::Seek(Offset(20)));
    let actions = fixture.committed(0, 20, None);
    assert!(actions.contains(&Action::MakePage { partition: orders(0), start: Offset(20) }));
    assert_eq!(spawns(&actions), [Offset(20)]);
}

fn dead_letters(actions: &[Action]) -> Vec<DeadLetter> {
    let dead_letter = |action: &Action| match action {
        Action::SpawnWorker(start) => start.dead_letter.clone(),
        _ => None,
    };
    actions.iter().filter_map(dead_letter).collect()
}

#[test]
fn poison_goes_to_the_dead_letter_topic_before_anything_else() {
    let mut fixture = Fixture::with(settings(PoisonAction::DeadLetter));
    fixture.ready(0);
    fixture.poison(0, 10);
    let dead_letter = DeadLetter {
        offset: Offset(10),
        attempts: 3,
        error: "handler exited with status 1".to_owned(),
        stderr: "its last words".to_owned(),
    };
    assert_eq!(dead_letters(&fixture.done), std::slice::from_ref(&dead_letter));
    // Until it is confirmed the next worker has it too.
    fixture.exits(0, None, KILLED, progress(10, 10));
    assert_eq!(dead_letters(&fixture.pass(60 * SECOND)), [dead_letter]);
    let dead_lettered =
        |fixture: &Fixture| fixture.core.record(&orders(0)).unwrap().history.past.dead_lettered;
    assert_eq!(dead_lettered(&fixture), 0);
    fixture.says(0, FromWorker::DeadLettered { offset: Offset(10) });
    assert_eq!(dead_lettered(&fixture), 1);
    fixture.exits(0, None, KILLED, progress(11, 11));
    assert_eq!(dead_letters(&fixture.pass(60 * SECOND)), []);
}

#[test]
fn skip_sends_a_dead_letter_where_there_is_a_topic_for_them_and_answers_when_it_is_confirmed() {
    let mut fixture = Fixture::with(settings(PoisonAction::DeadLetter));
    fixture.ready(0);
    let parked = Ending::Parked { offset: Offset(4), error: "refused".to_owned() };
    fixture.exits(0, Some(parked.clone()), Exit::Status(1), progress(4, 5));
    let (actions, answer) = fixture.operate(Operation::Skip);
    assert_eq!(dead_letters(&actions).first().map(|dead_letter| dead_letter.error.as_str()), Some("refused"));
    assert_eq!((spawns(&actions), answer), (vec![Offset(4)], None));
    let failed = fixture.exits(0, Some(parked), Exit::Status(1), progress(4, 4));
    assert!(matches!(answer_of(&failed), Some(Err(Refusal::Failed(_)))), "{failed:?}");
    fixture.operate(Operation::Skip);
    let actions = fixture.says(0, FromWorker::DeadLettered { offset: Offset(4) });
    assert!(answer_of(&actions).unwrap().is_ok());
}

#[test]
fn nothing_is_done_for_what_is_not_here_or_leaving() {
    let mut fixture = Fixture::new();
    assert!(fixture.refused(Operation::Restart).contains("does not have it"));
    fixture.ready(0);
    fixture.event(Event::Revoked { partition: orders(0), token: TOKEN });
    assert!(fixture.refused(Operation::Restart).contains("another member"));
    fixture.event(Event::StopRequested(crate::Stop::Asked));
    assert!(fixture.refused(Operation::Seek(Offset(1))).contains("stopping"));
}

#[test]
fn a_letter_that_is_kept_from_its_topic_says_so_and_is_not_skipped() {
    let mut fixture = Fixture::with(settings(PoisonAction::DeadLetter));
    fixture.ready(0);
    fixture.core.take_changes();
    let kept = FromWorker::DeadLetterKept { offset: Offset(3), error: "topic dead: gone".to_owned() };
    fixture.says(0, kept.clone());
    fixture.says(0, kept);
    let why = "offset 3 is not dead-lettered yet: topic dead: gone; tried again";
    let changes = fixture.core.take_changes();
    assert_eq!(changes.len(), 1, "said once: {changes:?}");
    assert_eq!((changes[0].event, changes[0].reason.as_deref()), ("dead_letter_kept", Some(why)));
    let reason = |fixture: &Fixture| fixture.core.partitions()[&orders(0)].reason().map(ToString::to_string);
    assert_eq!(reason(&fixture).as_deref(), Some(why));
    assert_eq!(fixture.refused(Operation::Skip), format!("{why}; `seek` passes it over"));
    fixture.says(0, FromWorker::DeadLettered { offset: Offset(3) });
    assert_eq!(reason(&fixture), None);
}
