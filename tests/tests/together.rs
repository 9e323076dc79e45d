//! TERM to all processes of an instance at once, as a service manager sends it that knows no better (systemd's default).

use std::time::Duration;

use kafkavisor_tests::checks::History;
use kafkavisor_tests::instance::{Builder, Instance};
use kafkavisor_tests::message::numbered;
use kafkavisor_tests::processes;
use kafkavisor_tests::recorder::Recorder;
use kafkavisor_tests::records::Records;
use kafkavisor_tests::topic::Topic;
use kafkavisor_tests::waiting::throughout;
use nix::sys::signal::Signal;

fn wait_in_flight(instance: &Instance) {
    instance.wait_for("each has something in flight", |status| {
        status.partitions.len() == 3 && status.partitions.iter().all(|partition| partition.in_flight > 0)
    });
}

fn signal_all(instance: &Instance, signal: Signal) {
    let all = processes::marked_with(instance.folder());
    assert!(all.len() >= 2 + 2 * 3, "supervisor, guardian, workers, handlers: {all:?}");
    for pid in all {
        let _gone_already = processes::try_signal(pid, signal);
    }
}

#[track_caller]
fn assert_ends_cleanly(instance: &Instance) {
    assert_eq!(instance.wait_exit(Duration::from_secs(30)), 0, "no time was cut");
    instance.assert_gone();
}

#[test]
fn handlers_that_finish_repeat_nothing() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let (topic, records) = (Topic::new(3), Records::new());
        topic.produce(&numbered(3, 30));
        records.close_gate();
        let handler = Recorder::new(&records).shell();
        let instance = Builder::of(&topic).shell(&format!("trap '' TERM INT; exec {handler}")).start();
        wait_in_flight(&instance);
        signal_all(&instance, signal);
        throughout(Duration::from_millis(500), "it waits for what is in flight", || {
            instance.exited().is_none() && processes::workers(instance.pid()).len() == 3
        });
        records.open_gate();
        assert_ends_cleanly(&instance);
        instance.start_again();
        instance.wait_consumed(&topic, 3);
        instance.stop();
        History::of(&records, &topic).assert_exactly_once();
    }
}

#[test]
fn what_handlers_that_die_leave_undone_is_said_and_comes_again() {
    let (topic, records) = (Topic::new(3), Records::new());
    topic.produce(&numbered(3, 30));
    records.close_gate();
    let instance = Builder::of(&topic).recorder(&Recorder::new(&records)).start();
    wait_in_flight(&instance);
    signal_all(&instance, Signal::SIGTERM);
    assert_ends_cleanly(&instance);
    // Its worker says it, or, where the handler was gone before the worker heard of the stop, the supervisor.
    let log = instance.log();
    for partition in 0..3 {
        let of_it = format!("{}:{partition}", topic.name);
        let says = |line: &str| {
            line.contains("messages unacknowledged, from offset")
                || line.contains("the drain was not finished")
        };
        assert!(log.lines().any(|line| line.contains(&of_it) && says(line)), "{of_it} in {log}");
    }
    records.open_gate();
    instance.start_again();
    instance.wait_consumed(&topic, 3);
    instance.stop();
    History::of(&records, &topic).assert_nothing_lost();
}
