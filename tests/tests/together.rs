//! TERM to all processes of an instance at once, as a service manager sends it that knows no better (systemd's default).

use std::time::Duration;

use kafkavisor_tests::checks::History;
use kafkavisor_tests::instance::{Builder, Instance};
use kafkavisor_tests::processes;
use kafkavisor_tests::recorder::Recorder;
use kafkavisor_tests::records::Records;
use kafkavisor_tests::topic::Topic;
use nix::sys::signal::Signal;

/// Sends it to all of them in the middle of a flow, and sees a clean exit.
fn ends_cleanly(signal: Signal, script: &str, topic: &Topic, records: &Records) -> Instance {
    let instance = Builder::of(topic).shell(script).start();
    instance.wait_ready(3);
    let flow = topic.flow(3);
    instance.wait_deliveries(records, 300);
    let all = processes::marked_with(instance.folder());
    assert!(all.len() >= 2 + 2 * 3, "supervisor, guardian, workers, handlers: {all:?}");
    for pid in all {
        let _gone_already = processes::try_signal(pid, signal);
    }
    assert_eq!(instance.wait_exit(Duration::from_secs(30)), 0, "no time was cut");
    instance.assert_gone();
    flow.stop();
    instance
}

fn handler(records: &Records) -> String {
    Recorder::new(records).delay_ms(1).batch(7).shell()
}

#[test]
fn handlers_that_finish_repeat_nothing() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let (topic, records) = (Topic::new(3), Records::new());
        let script = format!("trap '' TERM INT; exec {}", handler(&records));
        let instance = ends_cleanly(signal, &script, &topic, &records);
        instance.start_again();
        instance.wait_consumed(&topic, 3);
        instance.stop();
        History::of(&records, &topic).assert_exactly_once();
    }
}

#[test]
fn what_handlers_that_die_leave_undone_is_said_and_comes_again() {
    let (topic, records) = (Topic::new(3), Records::new());
    let instance = ends_cleanly(Signal::SIGTERM, &format!("exec {}", handler(&records)), &topic, &records);
    instance.wait_for_log("undone");
    instance.start_again();
    instance.wait_consumed(&topic, 3);
    instance.stop();
    History::of(&records, &topic).assert_nothing_lost();
}
