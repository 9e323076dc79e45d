//! What an operator was told is true, whatever becomes of the partition before his word is carried out.

use std::time::Duration;

use kafkavisor::config::{Poison, PoisonAction};
use kafkavisor::ids::Offset;
use kafkavisor_supervisor_core::{Operation, Stop};

use crate::plan::Plan;
use crate::scenario::Scenario;
use crate::scenario::stage::Stage;
use crate::violation::Violation;
use crate::world::Checked;

/// Drains may take long, so that much can happen within one.
fn group(members: usize, partitions: i32) -> Plan {
    Plan { stop_timeout: Duration::from_secs(20), ..Plan::calm(members, partitions) }
}

const BACK: Operation = Operation::Seek(Offset(4));

/// Member 0 has handled ten messages of t:0 and drains it for a seek back, with one message in flight.
fn seek_within_a_drain(s: &mut Stage) -> Result<u64, Violation> {
    s.begin(&[0], 10)?;
    s.hold_one(0)?;
    let seek = s.ask(0, 0, BACK);
    s.until("the worker drains", |w| w.state(0, 0) == "draining")?;
    Ok(seek)
}

/// Member 0 has handled three messages of t:0 and drains it to skip the next, which kills its handlers, when it is stopped.
fn skip_within_a_drain_and_stop(s: &mut Stage) -> Result<u64, Violation> {
    s.begin(&[0], 3)?;
    s.produce_poison(0);
    s.until("it is in a crash loop", |w| w.state(0, 0) == "crash_loop")?;
    s.hold(0);
    s.until("the message is in flight", |w| w.in_flight(0) == 1)?;
    let skip = s.ask(0, 0, Operation::Skip);
    s.until("the worker drains", |w| w.state(0, 0) == "draining")?;
    s.stop(0, Stop::Signalled)?;
    s.until("it is stopping", |w| w.stopping(0))?;
    s.go_on(0);
    Ok(skip)
}

fn goes_on_at(s: &mut Stage, offset: i64) -> Checked {
    s.expect("the next worker begins where the operator said", |w| {
        w.starts_of(0).last().is_some_and(|start| start.offset == offset)
    })
}

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "a_seek",
        proves: "It drains the worker, is answered when it is committed, and the next worker begins there",
        marks: &["operators_word_is_committed", "operators_word_is_confirmed"],
        group: || group(1, 1),
        steps: |s| {
            let seek = seek_within_a_drain(s)?;
            s.expect("nobody is answered before", |w| w.answer_to(seek).is_none())?;
            s.go_on(0);
            s.until_done(seek)?;
            s.expect("the group's offset is the operator's", |w| w.committed(0) == Some(4))?;
            s.until("another worker is there", |w| w.worker_of(0).is_some())?;
            goes_on_at(s, 4)
        },
    },
    Scenario {
        name: "a_seek_and_then_a_stop",
        proves: "A seek whose worker is not gone yet is carried out though the instance stops",
        marks: &["given_up_while_stopped_for_something_else", "operators_word_is_confirmed"],
        group: || group(1, 1),
        steps: |s| {
            let seek = seek_within_a_drain(s)?;
            s.stop(0, Stop::Asked)?;
            s.until("it is stopping", |w| w.stopping(0))?;
            s.go_on(0);
            s.until_done(seek)?;
            s.until("the supervisor is gone", |w| !w.runs(0))?;
            s.expect("the group's offset is the operator's", |w| w.committed(0) == Some(4))?;
            s.start(0)?;
            s.until("another worker is there", |w| w.worker_of(0).is_some())?;
            goes_on_at(s, 4)
        },
    },
    Scenario {
        name: "a_seek_and_then_a_revocation",
        proves: "A seek whose worker is not gone yet is carried out though another member gets the partition",
        marks: &["given_up_while_stopped_for_something_else", "operators_word_is_confirmed"],
        group: || group(2, 2),
        steps: |s| {
            s.begin(&[0], 10)?;
            (0..2).for_each(|partition| s.hold(partition));
            (0..2).for_each(|partition| s.produce(partition, 1));
            s.until("both are in flight", |w| w.in_flight(0) == 1 && w.in_flight(1) == 1)?;
            let seeks = [s.ask(0, 0, BACK), s.ask(0, 1, BACK)];
            s.until("both drain", |w| w.state(0, 0) == "draining" && w.state(0, 1) == "draining")?;
            s.start(1)?;
            s.until("one of them is revoked", |w| w.leaving(0, 0) || w.leaving(0, 1))?;
            (0..2).for_each(|partition| s.go_on(partition));
            seeks.into_iter().try_for_each(|seek| s.until_done(seek))?;
            s.until("the other member has one", |w| w.has(1, 0) || w.has(1, 1))?;
            s.until("both have a worker", |w| w.worker_of(0).is_some() && w.worker_of(1).is_some())?;
            s.expect("both begin where the operator said", |w| {
                (0..2).all(|at| w.starts_of(at).last().is_some_and(|start| start.offset == 4))
            })
        },
    },
    Scenario {
        name: "a_seek_and_then_a_lost_session",
        proves: "A seek whose partition is lost before its worker is gone is answered with that, and nothing has changed",
        marks: &["lost_with_a_worker"],
        group: || group(1, 1),
        steps: |s| {
            let seek = seek_within_a_drain(s)?;
            s.end_session(0)?;
            s.until_not_done(seek)?;
            s.expect("the group's offset is what it was", |w| w.committed(0) == Some(10))?;
            s.go_on(0);
            s.until("everything is handled", |w| w.done(0))?;
            goes_on_at(s, 10)
        },
    },
    Scenario {
        name: "a_skip_and_then_a_stop",
        proves: "A skip whose worker is not gone yet is carried out though the instance stops",
        marks: &["skip_passes_over", "given_up_while_stopped_for_something_else", "drain_was_not_finished"],
        group: || Plan {
            poison: Poison { attempts: 100, action: PoisonAction::Skip, topic: None, max_per_minute: 60 },
            ..group(1, 1)
        },
        steps: |s| {
            let skip = skip_within_a_drain_and_stop(s)?;
            s.until_done(skip)?;
            s.until("the supervisor is gone", |w| !w.runs(0))?;
            s.expect("the message is passed over", |w| w.committed(0) == Some(4))
        },
    },
    Scenario {
        name: "a_dead_letter_and_then_a_stop",
        proves: "A skip whose dead letter needs a worker that will not come is answered with that, and nothing has changed",
        marks: &["skip_dead_letters", "given_up_while_stopped_for_something_else"],
        group: || Plan {
            poison: Poison {
                attempts: 100,
                action: PoisonAction::DeadLetter,
                topic: None,
                max_per_minute: 60,
            },
            ..group(1, 1)
        },
        steps: |s| {
            let skip = skip_within_a_drain_and_stop(s)?;
            s.until_not_done(skip)?;
            s.until("the supervisor is gone", |w| !w.runs(0))?;
            s.expect("nothing has changed", |w| w.committed(0) == Some(3) && w.skipped(0) == 0)
        },
    },
    Scenario {
        name: "a_seek_that_kafka_does_not_take",
        proves: "It is taken back, answered with what is wrong, and reading goes on where it was",
        marks: &["operators_word_is_taken_back", "commit_failed"],
        group: || group(1, 1),
        steps: |s| {
            s.begin(&[0], 10)?;
            s.commits_fail();
            let seek = s.ask(0, 0, BACK);
            s.until_not_done(seek)?;
            s.kafka_back()?;
            s.produce(0, 1);
            s.until("the next message is handled", |w| w.done(0))?;
            goes_on_at(s, 10)
        },
    },
    Scenario {
        name: "two_seeks",
        proves: "The last word counts, and whoever spoke before is told so",
        marks: &["operators_last_word_counts", "answer_to_what_was_asked_before"],
        group: || group(1, 1),
        steps: |s| {
            s.begin(&[0], 10)?;
            let first = s.ask(0, 0, BACK);
            s.until("it is being committed", |w| w.phase(0, 0) == "Committing")?;
            let second = s.ask(0, 0, Operation::Seek(Offset(6)));
            s.until_not_done(first)?;
            s.until_done(second)?;
            s.until("another worker is there", |w| w.worker_of(0).is_some())?;
            goes_on_at(s, 6)
        },
    },
    Scenario {
        name: "a_seek_without_a_lease",
        proves: "It waits for the next lease, and holds then",
        marks: &["nothing_is_committed_without_a_lease", "operators_word_is_confirmed"],
        group: || Plan { session_timeout: Duration::from_secs(10), ..group(1, 1) },
        steps: |s| {
            s.begin(&[0], 10)?;
            s.cut_off(0, 8)?;
            s.until("no lease is left", |w| w.phase(0, 0) == "AwaitingLease")?;
            let seek = s.ask(0, 0, BACK);
            s.until("it is to be committed", |w| w.phase(0, 0) == "Committing")?;
            s.pass_millis(500)?;
            s.expect("it is not", |w| w.committed(0) == Some(10) && w.answer_to(seek).is_none())?;
            s.until_done(seek)?;
            s.until("another worker is there", |w| w.worker_of(0).is_some())?;
            goes_on_at(s, 4)
        },
    },
    Scenario {
        name: "a_seek_of_what_is_paused",
        proves: "It is committed, and stays paused until the operator resumes",
        marks: &["operators_word_is_confirmed", "launched_into_a_pause", "resumed"],
        group: || group(1, 1),
        steps: |s| {
            s.begin(&[0], 10)?;
            let pause = s.ask(0, 0, Operation::Pause);
            s.until_done(pause)?;
            s.until("it is paused", |w| w.state(0, 0) == "paused")?;
            let seek = s.ask(0, 0, BACK);
            s.until_done(seek)?;
            s.pass(5)?;
            s.expect("it is still paused, elsewhere", |w| {
                w.state(0, 0) == "paused" && w.committed(0) == Some(4) && w.starts_of(0).len() == 1
            })?;
            let resume = s.ask(0, 0, Operation::Resume);
            s.until_done(resume)?;
            s.until("another worker is there", |w| w.worker_of(0).is_some())?;
            goes_on_at(s, 4)
        },
    },
    Scenario {
        name: "a_seek_and_then_a_killed_supervisor",
        proves: "What was answered holds, whatever the page says",
        marks: &["operators_word_is_confirmed", "page_is_gone_on_from"],
        group: || group(1, 1),
        steps: |s| {
            let seek = seek_within_a_drain(s)?;
            s.go_on(0);
            s.until_done(seek)?;
            s.kill(0)?;
            s.start(0)?;
            s.until("another worker is there", |w| w.worker_of(0).is_some())?;
            goes_on_at(s, 4)
        },
    },
    Scenario {
        name: "a_seek_before_its_start_is_known",
        proves: "It is refused, and nothing changes",
        marks: &["seek_refused_before_its_start", "start_is_unknown"],
        group: || group(1, 1),
        steps: |s| {
            s.without_leader(0);
            s.start(0)?;
            s.until("it is looked for again", |w| w.phase(0, 0) == "LocatingAgain")?;
            let seek = s.ask(0, 0, BACK);
            s.until_not_done(seek)
        },
    },
    Scenario {
        name: "words_to_one_who_gives_it_up",
        proves: "Whoever gives a partition up, or stops, takes no more words about it",
        marks: &["operator_refused_while_given_up", "operator_refused_while_stopping"],
        group: || group(2, 2),
        steps: |s| {
            s.begin(&[0], 1)?;
            (0..2).for_each(|partition| s.hold(partition));
            (0..2).for_each(|partition| s.produce(partition, 1));
            s.until("both are in flight", |w| w.in_flight(0) == 1 && w.in_flight(1) == 1)?;
            s.start(1)?;
            s.until("one of them is revoked", |w| w.leaving(0, 0) || w.leaving(0, 1))?;
            let words = [s.ask(0, 0, Operation::Restart), s.ask(0, 1, Operation::Restart)];
            s.until("both words are answered", |w| words.iter().all(|word| w.answer_to(*word).is_some()))?;
            s.expect("one of them is refused", |w| {
                words.iter().any(|word| matches!(w.answer_to(*word), Some(Err(_))))
            })?;
            s.stop(0, Stop::Signalled)?;
            s.until("it is stopping", |w| w.stopping(0))?;
            let pause = s.ask(0, 0, Operation::Pause);
            s.until_not_done(pause)?;
            (0..2).for_each(|partition| s.go_on(partition));
            Ok(())
        },
    },
    Scenario {
        name: "two_restarts_at_once",
        proves: "The second joins the first: one worker follows",
        marks: &["replaced_while_draining"],
        group: || group(1, 1),
        steps: |s| {
            s.begin(&[0], 1)?;
            s.hold_one(0)?;
            let words = [s.ask(0, 0, Operation::Restart), s.ask(0, 0, Operation::Restart)];
            words.into_iter().try_for_each(|word| s.until_done(word))?;
            s.go_on(0);
            s.until("everything is handled", |w| w.done(0))?;
            s.pass(2)?;
            s.expect("two workers were started in all", |w| w.starts_of(0).len() == 2)
        },
    },
    Scenario {
        name: "a_restart_of_a_worker_that_is_not_there_yet",
        proves: "What is asked for while a worker comes to life is done as soon as it is there",
        marks: &["replaced_while_spawning", "spawned_and_not_wanted_any_more"],
        group: || group(1, 1),
        steps: |s| {
            s.begin(&[0], 1)?;
            s.spawns_take(300);
            s.kill_worker(0)?;
            s.until("a worker is asked for", |w| w.phase(0, 0) == "Spawning")?;
            let pause = s.ask(0, 0, Operation::Pause);
            s.until_done(pause)?;
            s.until("it is paused", |w| w.state(0, 0) == "paused" && w.worker_of(0).is_none())
        },
    },
];
