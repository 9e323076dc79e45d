//! The guardian: whatever becomes of it, what it guards ends, and another takes over.

use std::time::Duration;

use kafkavisor_tests::checks::History;
use kafkavisor_tests::handlers;
use kafkavisor_tests::instance::{Builder, Instance};
use kafkavisor_tests::message::numbered;
use kafkavisor_tests::processes;
use kafkavisor_tests::recorder::Recorder;
use kafkavisor_tests::records::Records;
use kafkavisor_tests::topic::Topic;
use kafkavisor_tests::waiting::{until, until_within};
use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::Signal;

/// A handler that minds neither its input's end nor any signal.
const STUBBORN: &str = "trap '' TERM HUP INT; echo up >&2; while :; do sleep 1000; done";

fn guardian(instance: &Instance) -> i32 {
    until("there is a guardian", || processes::guardian(instance.pid()))
}

/// One that has started something; the one that was there a moment ago may be dying.
fn starting_guardian(instance: &Instance) -> i32 {
    until("it starts something", || {
        processes::guardian(instance.pid()).filter(|guardian| !processes::children(*guardian).is_empty())
    })
}

#[track_caller]
fn assert_dead_soon(what: &str, pids: &[i32]) {
    until_within(Duration::from_secs(5), what, || {
        pids.iter().all(|pid| !processes::is_alive(*pid)).then_some(())
    });
}

#[test]
fn a_killed_guardian_takes_its_workers_along_and_another_starts_them_again() {
    let (topic, records) = (Topic::new(2), Records::new());
    let script = format!("setsid sleep 1000 & exec {}", Recorder::new(&records).shell());
    let instance = Builder::of(&topic).shell(&script).start();
    let flow = topic.flow(2);
    for restarts in 1..=3 {
        let before = instance.wait_ready(2);
        let first = guardian(&instance);
        processes::signal(first, Signal::SIGKILL);
        instance.wait_for("both have other workers", |status| {
            status.is_ready(2) && status.partitions.iter().all(|p| p.restarts_total >= restarts)
        });
        assert_ne!(guardian(&instance), first);
        let workers: Vec<_> = before.partitions.iter().filter_map(|p| p.worker_pid).collect();
        assert!(workers.iter().all(|pid| !processes::is_alive(*pid)));
        let zombies = processes::children(instance.pid()).into_iter().filter(|(_, zombie)| *zombie).count();
        assert_eq!(zombies, 0);
    }
    flow.stop();
    instance.wait_consumed(&topic, 2);
    instance.stop();
    History::of(&records, &topic).assert_nothing_lost();
}

/// Nobody but the kernel is there to end them: the supervisor stands still, the guardian is dead.
#[test]
fn parent_death_signals_end_workers_and_handlers_where_nobody_else_can() {
    let topic = Topic::new(1);
    let instance = Builder::of(&topic).shell(STUBBORN).start();
    instance.wait_for_log("up");
    let status = instance
        .wait_for("its handler runs", |status| status.partitions.iter().any(|p| p.handler_pid.is_some()));
    let (worker, handler) =
        (status.partition(0).worker_pid.unwrap(), status.partition(0).handler_pid.unwrap());
    let guardian = guardian(&instance);
    instance.signal(Signal::SIGSTOP);
    until("the supervisor stands still", || processes::is_stopped(instance.pid()).then_some(()));
    processes::signal(guardian, Signal::SIGKILL);
    assert_dead_soon("worker and handler are gone", &[worker, handler]);
    instance.signal(Signal::SIGCONT);
    instance.wait_for("another worker", |status| status.partition(0).restarts_total >= 1);
    instance.kill();
}

#[test]
fn a_stopped_guardian_does_not_keep_a_killed_supervisors_workers_alive() {
    // As in a container, whoever inherits the guardian is of its session: the kernel itself wakes only who is left to another.
    set_child_subreaper(true).unwrap();
    let topic = Topic::new(1);
    let instance = Builder::of(&topic).shell(STUBBORN).start();
    instance.wait_for_log("up");
    let status = instance
        .wait_for("its handler runs", |status| status.partitions.iter().any(|p| p.handler_pid.is_some()));
    let worker = status.partition(0).worker_pid.unwrap();
    processes::signal(guardian(&instance), Signal::SIGSTOP);
    processes::signal(worker, Signal::SIGSTOP);
    instance.kill();
}

#[test]
fn a_guardian_that_answers_nothing_is_replaced() {
    let topic = Topic::new(1);
    topic.produce(&numbered(1, 5));
    let instance = Builder::of(&topic).handler([handlers::shell()]).start();
    let status = instance.wait_consumed(&topic, 1);
    let stopped = guardian(&instance);
    processes::signal(stopped, Signal::SIGSTOP);
    processes::signal(status.partition(0).worker_pid.unwrap(), Signal::SIGKILL);
    instance.wait_for("a new worker is ready", |status| {
        status.is_ready(1) && status.partition(0).restarts_total == 1
    });
    assert_ne!(guardian(&instance), stopped);
    instance.stop();
}

/// Whoever is killed in the middle of a start: nobody is left, and nothing waits for an answer for ever.
#[test]
fn a_guardian_killed_while_it_starts_workers_is_replaced() {
    let (topic, records) = (Topic::new(4), Records::new());
    topic.produce(&numbered(4, 40));
    let instance = Builder::of(&topic)
        .set("restart", serde_json::json!({"initial": "10ms", "max": "20ms"}))
        .set("handler.poison.attempts", 1000)
        .recorder(&Recorder::new(&records).die_every(5))
        .start();
    for _ in 0..10 {
        let guardian = starting_guardian(&instance);
        let _gone_already = processes::try_signal(guardian, Signal::SIGKILL);
    }
    instance.wait_consumed(&topic, 4);
    instance.stop();
    History::of(&records, &topic).assert_nothing_lost();
}

#[test]
fn a_supervisor_killed_while_its_workers_start_leaves_nothing() {
    let topic = Topic::new(4);
    // Each successor waits for the end of the session before.
    let instance = Builder::of(&topic).set("assignment.session_timeout", "2s").shell(STUBBORN).start();
    for _ in 0..5 {
        starting_guardian(&instance);
        instance.kill();
        instance.start_again();
    }
    instance.kill();
}
