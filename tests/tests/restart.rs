//! Whatever dies is started again, goes on behind the last acknowledged message, and loses nothing.

use std::collections::BTreeMap;

use kafkavisor_tests::checks::History;
use kafkavisor_tests::instance::{Builder, Instance};
use kafkavisor_tests::message::{Message, numbered};
use kafkavisor_tests::offsets::{all_committed, commit, committed};
use kafkavisor_tests::processes;
use kafkavisor_tests::recorder::Recorder;
use kafkavisor_tests::records::{Event, Records};
use kafkavisor_tests::status::Partition;
use kafkavisor_tests::topic::Topic;
use kafkavisor_tests::waiting::until;
use nix::sys::signal::Signal;

/// In flight at most, in these tests.
const WINDOW: usize = 50;

fn builder(topic: &Topic, recorder: &Recorder) -> Builder {
    Builder::of(topic).set("handler.max_in_flight.messages", WINDOW).recorder(recorder)
}

/// Kills a process of partition 0 again and again while messages flow, always with some in flight.
fn kill_while_messages_flow(victim: impl Fn(&Partition) -> Option<i32>) {
    let (topic, records) = (Topic::new(2), Records::new());
    let instance = builder(&topic, &Recorder::new(&records).delay_ms(1)).start();
    instance.wait_ready(2);
    topic.produce(&numbered(2, 8000));
    for round in 1..=3 {
        let seen = records.deliveries();
        instance.wait_deliveries(&records, seen + 50);
        let status = instance.wait_for("there is a victim at work", |status| {
            victim(status.partition(0)).is_some() && status.partition(0).in_flight > 0
        });
        processes::signal(victim(status.partition(0)).unwrap(), Signal::SIGKILL);
        instance.wait_for("it is started again", |status| {
            status.partition(0).restarts_total >= round && status.state_of(0) == "ready"
        });
    }
    let status = instance.wait_consumed(&topic, 2);
    assert_eq!(status.partition(1).restarts_total, 0, "the other partition did not notice");
    let last = status.partition(0).last_exit.as_deref().unwrap_or_default();
    assert!(last.contains("was killed by SIGKILL"), "how it ended: {last:?}");
    instance.stop();
    let history = History::of(&records, &topic);
    history.assert_nothing_lost();
    history.assert_repeats_within(WINDOW, &BTreeMap::new());
    assert_eq!(history.lives(1).len(), 1);
    let again = history.duplicates();
    assert!(!again.is_empty(), "what was in flight comes again");
    assert!(again.iter().all(|(partition, _)| *partition == 0), "{again:?}");
}

#[test]
fn a_killed_worker_loses_nothing() {
    kill_while_messages_flow(|partition| partition.worker_pid);
}

#[test]
fn a_killed_handler_loses_nothing() {
    kill_while_messages_flow(|partition| partition.handler_pid);
}

#[test]
fn a_killed_workers_handler_does_not_outlive_it() {
    let topic = Topic::new(1);
    // One that would: it minds neither its input's end nor any signal that can be minded.
    let stubborn = "trap '' TERM HUP INT; while :; do sleep 1000; done";
    let instance = Builder::of(&topic).shell(stubborn).start();
    let before =
        instance.wait_for("it runs", |status| status.partitions.iter().any(|p| p.handler_pid.is_some()));
    let (worker, handler) =
        (before.partition(0).worker_pid.unwrap(), before.partition(0).handler_pid.unwrap());
    processes::signal(worker, Signal::SIGKILL);
    let after = instance.wait_for("a new worker is ready", |status| {
        status.is_ready(1) && status.partition(0).worker_pid != Some(worker)
    });
    assert!(!processes::is_alive(handler), "the old handler is gone before the new worker begins");
    assert_ne!(after.partition(0).handler_pid, Some(handler));
    let guardian = processes::guardian(instance.pid()).expect("the guardian");
    let children = [processes::children(instance.pid()), processes::children(guardian)].concat();
    assert!(children.iter().all(|(_, zombie)| !zombie), "no zombie is left: {children:?}");
}

#[test]
fn a_worker_that_stands_still_is_replaced() {
    let (topic, records) = (Topic::new(2), Records::new());
    let instance = builder(&topic, &Recorder::new(&records)).set("handler.timeout", "2s").start();
    let before = instance.wait_ready(2);
    let flow = topic.flow(2);
    instance.wait_deliveries(&records, 50);
    let worker = before.partition(0).worker_pid.unwrap();
    processes::signal(worker, Signal::SIGSTOP);
    // Stopped as it is it can't die of it: it would leave a core otherwise.
    until("it gets ABRT before KILL", || processes::awaits(worker, Signal::SIGABRT).then_some(()));
    let after = instance.wait_for("it is replaced", |status| {
        status.is_ready(2) && status.partition(0).worker_pid.is_some_and(|pid| pid != worker)
    });
    assert!(!processes::is_alive(worker));
    assert_eq!(after.partition(1).worker_pid, before.partition(1).worker_pid, "that partition alone");
    flow.stop();
    instance.wait_consumed(&topic, 2);
    instance.stop();
    let history = History::of(&records, &topic);
    history.assert_nothing_lost();
    history.assert_repeats_within(WINDOW, &BTreeMap::new());
}

#[test]
fn after_a_handlers_death_messages_come_one_by_one_with_their_attempt() {
    for protocol in ["jsonl", "binary"] {
        let (topic, records) = (Topic::new(1), Records::new());
        topic.produce(&numbered(1, 60));
        let recorder = Recorder::new(&records).batch(1000).die_at(7).for_attempts(2);
        let instance = builder(&topic, &recorder).set("handler.protocol", protocol).start();
        let status = instance.wait_consumed(&topic, 1);
        assert_eq!(status.partition(0).restarts_total, 2, "{status:#?}");
        instance.stop();
        let history = History::of(&records, &topic);
        history.assert_nothing_lost();
        let attempts = |offset: i64| -> Vec<u64> {
            let lives = history.lives(0).iter();
            let all = lives.flat_map(|life| life.delivered.iter().zip(&life.attempts));
            all.filter(|(delivered, _)| **delivered == offset)
                .map(|(_, attempt)| attempt.unwrap_or(1))
                .collect()
        };
        assert_eq!(attempts(7), [1, 2, 3], "{protocol}");
        // What was delivered together with it and not acknowledged may have been begun, too.
        let [first, second, ..] = history.lives(0) else { panic!("two deaths make three lives") };
        let again = first.acknowledged.map_or(0, |acknowledged| acknowledged + 1);
        assert_eq!((second.delivered[0], second.attempts[0]), (again, Some(2)), "{protocol}");
        assert_eq!(attempts(59), [1]);
        // One message, then a flush and its answer, until it is past what was in flight.
        let second = history.lives(0)[1].pid;
        let events: Vec<Event> =
            records.read().into_iter().filter(|r| r.pid == second).map(|r| r.event).collect();
        let mut in_flight = 0;
        for event in events {
            match event {
                Event::Message { offset, .. } => {
                    assert_eq!(in_flight, 0, "{protocol}: offset {offset} came while another was in flight");
                    in_flight += 1;
                }
                Event::Acknowledging(_) => in_flight = 0,
                _ => {}
            }
        }
    }
}

#[test]
fn a_message_that_kills_every_handler_is_parked_after_its_attempts() {
    let (topic, records) = (Topic::new(2), Records::new());
    topic.produce(&(0..10).map(|n| Message::to(0, format!("{n}"))).collect::<Vec<_>>());
    let recorder = Recorder::new(&records).die_at(3);
    let instance =
        builder(&topic, &recorder).set("handler.poison", serde_json::json!({"attempts": 3})).start();
    let status = instance.wait_for("partition 0 is parked", |status| status.state_of(0) == "parked");
    assert_eq!(status.partition(0).acknowledged, Some(3), "{status:#?}");
    assert!(instance.log().contains("poison") || instance.log().contains("parked"), "{}", instance.log());
    topic.produce(&[Message::to(1, "another partition goes on")]);
    instance.wait_for("partition 1 goes on", |status| status.partition(1).committed == Some(1));
    instance.stop();
    let history = History::of(&records, &topic);
    let killed = history.lives(0).iter().filter(|life| life.delivered.last() == Some(&3)).count();
    assert_eq!(killed, 3, "it killed as many handlers as it has attempts");
    assert!(history.lives(0).iter().all(|life| life.delivered.iter().all(|offset| *offset <= 3)));
}

#[test]
fn a_poison_message_is_skipped_where_that_is_asked_for() {
    let (topic, records) = (Topic::new(1), Records::new());
    topic.produce(&numbered(1, 10));
    let poison = serde_json::json!({"attempts": 2, "action": "skip"});
    let instance = builder(&topic, &Recorder::new(&records).die_at(3)).set("handler.poison", poison).start();
    let status = instance.wait_consumed(&topic, 1);
    assert_eq!(status.partition(0).committed, Some(10));
    instance.stop();
    let history = History::of(&records, &topic);
    history.assert_exact();
    let killed = history.lives(0).iter().filter(|life| life.delivered.last() == Some(&3));
    let attempts: Vec<u64> =
        killed.map(|life| life.attempts.last().copied().flatten().unwrap_or(1)).collect();
    assert_eq!(attempts, [1, 2], "alone in flight at its second attempt: {}", instance.log());
}

#[test]
fn a_handler_that_never_works_is_a_crash_loop_and_nothing_is_given_up() {
    let (topic, records) = (Topic::new(2), Records::new());
    topic.produce(&numbered(2, 20));
    let recorder = Recorder::new(&records);
    let script =
        format!("[ $KAFKAVISOR_PARTITION = 1 ] || [ -e fixed ] || exit 3; exec {}", recorder.shell());
    let instance =
        builder(&topic, &recorder).set("restart", serde_json::json!({"initial": "50ms", "max": "500ms"}));
    let instance = instance.shell(&script).start();
    let status = instance.wait_for("it is called a crash loop", |status| status.state_of(0) == "crash_loop");
    assert!(status.partition(0).restarts_total >= 4, "from the fifth failure on: {status:#?}");
    assert!(status.partition(0).last_exit.as_deref().unwrap_or_default().contains("status 3"), "{status:#?}");
    instance.wait_for("the other partition is consumed", |status| {
        status.partition(1).committed == Some(10) && status.state_of(1) == "ready"
    });
    std::fs::write(instance.folder().join("fixed"), "").unwrap();
    instance.wait_consumed(&topic, 2);
    let status = instance.wait_ready(2);
    assert_eq!(status.state_of(0), "ready", "until something is acknowledged");
    History::of(&records, &topic).assert_exactly_once();
}

/// Kills the supervisor far behind its last commit; its folder stays. Gives what was committed, too.
fn killed_supervisor(topic: &Topic, records: &Records) -> (Instance, i64) {
    // So slow that it is seen before the next commit.
    let instance = builder(topic, &Recorder::new(records).delay_ms(6))
        .set("offsets.commit_interval", "5m")
        .set("assignment.session_timeout", "2s")
        .start();
    topic.produce(&numbered(1, 1000));
    // A commit is asked for after three windows, whatever the interval is.
    let apart = i64::try_from(WINDOW + WINDOW / 2).unwrap();
    instance.wait_for("much is acknowledged that is not committed", |status| {
        let p = status.partitions.first();
        p.is_some_and(|p| {
            p.acknowledged.zip(p.committed).is_some_and(|(done, known)| done > known + apart + 20)
        })
    });
    instance.kill();
    let committed = committed(topic, &instance.group(), 0).unwrap();
    let acknowledged = History::of(records, topic).lives(0)[0].acknowledged.unwrap();
    assert!(committed + apart < acknowledged, "otherwise this shows nothing: {committed} {acknowledged}");
    (instance, committed)
}

fn wait_acknowledged(instance: &Instance, offset: i64) {
    instance.wait_for(&format!("acknowledged up to {offset}"), |status| {
        status.partitions.iter().any(|partition| partition.acknowledged == Some(offset))
    });
}

#[test]
fn a_killed_supervisor_goes_on_behind_the_last_acknowledged_message() {
    let (topic, records) = (Topic::new(1), Records::new());
    let (instance, before) = killed_supervisor(&topic, &records);
    instance.start_again();
    wait_acknowledged(&instance, 1000);
    instance.stop();
    assert_eq!(committed(&topic, &instance.group(), 0), Some(1000), "committed at the end of the drain");
    let history = History::of(&records, &topic);
    history.assert_nothing_lost();
    let first_again = history.lives(0)[1].delivered[0];
    let acknowledged = history.lives(0)[0].acknowledged.unwrap();
    assert!(
        first_again + i64::try_from(WINDOW).unwrap() > acknowledged,
        "acknowledged {acknowledged}, went on at {first_again}, committed {before}"
    );
    history.assert_repeats_within(WINDOW, &BTreeMap::new());
}

#[test]
fn an_offset_that_somebody_else_committed_wins_over_the_page() {
    let (topic, records) = (Topic::new(1), Records::new());
    let (instance, _) = killed_supervisor(&topic, &records);
    commit(&topic, &instance.group(), 0, 7);
    instance.start_again();
    wait_acknowledged(&instance, 1000);
    instance.stop();
    let history = History::of(&records, &topic);
    assert_eq!(history.lives(0)[1].delivered[0], 7, "the operator's rewind");
    history.assert_nothing_lost();
}

#[test]
fn an_operators_rewind_between_two_runs_is_followed() {
    let (topic, records) = (Topic::new(1), Records::new());
    topic.produce(&numbered(1, 20));
    let instance = builder(&topic, &Recorder::new(&records)).start();
    instance.wait_consumed(&topic, 1);
    instance.stop();
    commit(&topic, &instance.group(), 0, 5);
    instance.start_again();
    instance.wait_deliveries(&records, 35);
    instance.wait_consumed(&topic, 1);
    instance.stop();
    let history = History::of(&records, &topic);
    assert_eq!(history.lives(0)[1].delivered, (5..20).collect::<Vec<_>>());
    assert_eq!(all_committed(&topic, &instance.group(), 1)[&0], 20);
}
