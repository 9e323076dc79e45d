//! Stopping: a drain repeats nothing, and ends in time whatever the handler does.

use std::fs;
use std::process::Command;
use std::time::Duration;

use kafkavisor::clock;
use kafkavisor_tests::checks::History;
use kafkavisor_tests::handlers;
use kafkavisor_tests::instance::Builder;
use kafkavisor_tests::message::numbered;
use kafkavisor_tests::offsets::all_committed;
use kafkavisor_tests::recorder::Recorder;
use kafkavisor_tests::records::{Event, Records};
use kafkavisor_tests::topic::Topic;
use kafkavisor_tests::waiting::{throughout, until};
use nix::sys::signal::Signal;

/// Stops by `signal` in the middle of a flow and starts again, twice: each message must come once.
fn drains_without_a_duplicate(signal: Signal, protocol: &str) {
    let (topic, records) = (Topic::new(3), Records::new());
    let instance = Builder::of(&topic)
        .set("handler.protocol", protocol)
        .recorder(&Recorder::new(&records).delay_ms(1).batch(7))
        .start();
    instance.wait_ready(3);
    let flow = topic.flow(3);
    for round in 1..=2 {
        instance.wait_deliveries(&records, round * 300);
        instance.signal(signal);
        assert_eq!(instance.wait_exit(Duration::from_secs(30)), 0);
        instance.assert_gone();
        let history = History::of(&records, &topic);
        for (partition, offset) in all_committed(&topic, &instance.group(), 3) {
            let last = history.lives(partition).iter().rev().find_map(|life| life.delivered.last().copied());
            assert_eq!(last, Some(offset - 1), "partition {partition}: all that was delivered is committed");
        }
        instance.start_again();
    }
    flow.stop();
    instance.wait_consumed(&topic, 3);
    instance.stop();
    let history = History::of(&records, &topic);
    history.assert_exactly_once();
    for life in (0..3).flat_map(|partition| history.lives(partition)) {
        assert_eq!((life.stopped.as_deref(), life.ended), (Some("shutdown"), true), "{}", life.pid);
    }
}

#[test]
fn term_drains_without_a_duplicate() {
    drains_without_a_duplicate(Signal::SIGTERM, "jsonl");
}

#[test]
fn int_drains_without_a_duplicate_in_binary() {
    drains_without_a_duplicate(Signal::SIGINT, "binary");
}

#[test]
fn the_stop_command_drains() {
    let (topic, records) = (Topic::new(1), Records::new());
    topic.produce(&numbered(1, 10));
    let instance = Builder::of(&topic).recorder(&Recorder::new(&records)).start();
    instance.wait_consumed(&topic, 1);
    let output = instance.ask("stop", &[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(instance.wait_exit(Duration::from_secs(20)), 0);
    instance.assert_gone();
    assert!(!instance.socket().exists(), "the socket is removed");
    let output = instance.ask("stop", &[]);
    assert_eq!(output.status.code(), Some(69), "nobody is there any more: {output:?}");
}

#[test]
fn what_is_in_flight_is_finished_first() {
    let (topic, records) = (Topic::new(1), Records::new());
    topic.produce(&numbered(1, 1));
    records.close_gate();
    let instance = Builder::of(&topic).recorder(&Recorder::new(&records)).start();
    instance.wait_deliveries(&records, 1);
    instance.signal(Signal::SIGTERM);
    instance.wait_for("it is stopping, its partition draining", |status| {
        status.state == "stopping" && status.state_of(0) == "draining"
    });
    topic.produce(&numbered(1, 5));
    throughout(Duration::from_millis(700), "it waits for its handler, and delivers nothing more", || {
        instance.exited().is_none() && records.deliveries() == 1
    });
    records.open_gate();
    assert_eq!(instance.wait_exit(Duration::from_secs(20)), 0);
    assert_eq!(all_committed(&topic, &instance.group(), 1)[&0], 1);
}

#[test]
fn a_second_term_cuts_the_drain_short() {
    for second in [Signal::SIGTERM, Signal::SIGINT] {
        let (topic, records) = (Topic::new(1), Records::new());
        topic.produce(&numbered(1, 3));
        records.close_gate();
        let instance = Builder::of(&topic).recorder(&Recorder::new(&records)).start();
        instance.wait_deliveries(&records, 1);
        instance.signal(Signal::SIGTERM);
        instance.wait_for("it drains", |status| status.state_of(0) == "draining");
        let began = clock::now();
        instance.signal(second);
        assert_eq!(instance.wait_exit(Duration::from_secs(20)), 75);
        assert!(began.elapsed() < Duration::from_secs(5), "2 s are promised, it took {:?}", began.elapsed());
        instance.assert_gone();
        assert_eq!(all_committed(&topic, &instance.group(), 1)[&0], 0, "nothing was acknowledged");
    }
}

#[test]
fn a_handler_that_will_not_stop_is_ended_at_the_deadline() {
    let topic = Topic::new(1);
    topic.produce(&numbered(1, 1));
    let instance = Builder::of(&topic)
        .set("stop.timeout", "1s")
        .shell("trap '' TERM INT HUP; echo begun >&2; while :; do sleep 1000; done")
        .start();
    instance.wait_for_log("begun");
    instance
        .wait_for("the message is in flight", |status| status.partitions.iter().any(|p| p.in_flight == 1));
    let began = clock::now();
    instance.signal(Signal::SIGTERM);
    assert_eq!(instance.wait_exit(Duration::from_secs(20)), 75);
    assert!(began.elapsed() >= Duration::from_millis(900), "its time is granted: {:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    instance.assert_gone();
}

/// The command says how it ended, as its exit code does.
#[test]
fn the_stop_command_says_how_it_ended() {
    let cases: [(&[&str], bool, i32, &str); 3] = [
        (&[], false, 75, "the drain was cut short"),
        (&["--now"], false, 75, "the drain was cut short"),
        (&[], true, 1, "without a word of how"),
    ];
    for (arguments, killed, exit, words) in cases {
        let topic = Topic::new(1);
        topic.produce(&numbered(1, 1));
        let instance = Builder::of(&topic)
            .set("stop.timeout", "1s")
            .shell("trap '' TERM INT HUP; while :; do sleep 1000; done")
            .start();
        instance.wait_for("the message is in flight", |status| {
            status.partitions.iter().any(|partition| partition.in_flight == 1)
        });
        if killed {
            std::thread::scope(|scope| {
                let stopping = scope.spawn(|| instance.ask("stop", arguments));
                instance.wait_for_log("stop asked for by");
                instance.signal(Signal::SIGKILL);
                says(&stopping.join().unwrap(), exit, words);
            });
        } else {
            says(&instance.ask("stop", arguments), exit, words);
            assert_eq!(instance.wait_exit(Duration::from_secs(20)), exit);
        }
        instance.assert_gone();
    }
}

#[track_caller]
fn says(output: &std::process::Output, exit: i32, words: &str) {
    let text = String::from_utf8([output.stdout.clone(), output.stderr.clone()].concat()).unwrap();
    assert_eq!(output.status.code(), Some(exit), "{text}");
    assert!(text.contains(words), "{text}");
}

#[test]
fn an_idle_handler_stops_at_once() {
    let (topic, records) = (Topic::new(4), Records::new());
    let instance = Builder::of(&topic).recorder(&Recorder::new(&records)).start();
    instance.wait_ready(4);
    let began = clock::now();
    instance.stop();
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(records.count(|record| record.event == Event::Stop("shutdown".to_owned())), 4);
}

#[test]
fn a_signal_during_the_start_ends_it_too() {
    for moment in ["joined the group", "the group has settled", "a worker is asked for", " started at offset"]
    {
        let topic = Topic::new(2);
        let instance = Builder::of(&topic).set("log.level", "debug").handler([handlers::shell()]).start();
        instance.wait_for_log(moment);
        instance.signal(Signal::SIGTERM);
        assert_eq!(instance.wait_exit(Duration::from_secs(20)), 0, "{moment}");
        instance.assert_gone();
    }
}

#[test]
fn other_signals_do_not_stop_it() {
    let (topic, records) = (Topic::new(1), Records::new());
    let instance = Builder::of(&topic).recorder(&Recorder::new(&records)).start();
    instance.wait_ready(1);
    for signal in [Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGPIPE] {
        instance.signal(signal);
        topic.produce(&numbered(1, 1));
        instance.wait_consumed(&topic, 1);
    }
    let before = instance.log().len();
    instance.signal(Signal::SIGUSR1);
    until("the state of everything is logged", || {
        let log = instance.log();
        let said = &log[before..];
        (said.contains("generation") && said.contains(r#""partition":0"#)).then_some(())
    });
    instance.stop();
    History::of(&records, &topic).assert_exactly_once();
}

/// Puts a file named after the process into a folder when the C library runs what was left with `atexit`.
const AT_EXIT: &str = r#"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
static void leave(void) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%s", getenv("AT_EXIT"), program_invocation_short_name);
  creat(path, 0600);
}
__attribute__((constructor)) static void arrive(void) { atexit(leave); }
"#;

/// OpenSSL frees at exit what librdkafka's threads read: now and then a process that had stopped as it should died of SIGSEGV.
#[test]
fn its_end_runs_nothing_beneath_the_threads_of_libraries() {
    let (topic, records) = (Topic::new(1), Records::new());
    let folder = tempfile::tempdir().unwrap();
    let (source, library) = (folder.path().join("at_exit.c"), folder.path().join("at_exit.so"));
    fs::write(&source, AT_EXIT).unwrap();
    let mut cc = Command::new("cc");
    let built =
        cc.args(["-D_GNU_SOURCE", "-shared", "-fPIC", "-o"]).args([&library, &source]).status().unwrap();
    assert!(built.success());
    let left = folder.path().join("left");
    fs::create_dir(&left).unwrap();
    let instance = Builder::of(&topic)
        .recorder(&Recorder::new(&records))
        .variable("LD_PRELOAD", library)
        .variable("AT_EXIT", &left)
        .start();
    instance.wait_ready(1);
    instance.stop();
    let left: Vec<_> = fs::read_dir(&left).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["kafkavisor-test-recorder"], "the handler alone ends by an orderly exit");
}
