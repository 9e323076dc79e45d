//! The control socket against clients that misbehave: what it reads is bounded, nobody holds it, and the instance works on.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use kafkavisor::clock;
use kafkavisor_tests::environment::kafkavisor;
use kafkavisor_tests::handlers;
use kafkavisor_tests::instance::{Builder, Instance};
use kafkavisor_tests::processes;
use kafkavisor_tests::topic::Topic;
use kafkavisor_tests::waiting::{WITHIN, throughout, until, until_within};
use nix::sys::signal::Signal;

/// As long as one side may take, and a good deal more.
const ENDS_WITHIN: Duration = Duration::from_secs(12);

fn started(topic: &Topic) -> Instance {
    let instance = Builder::of(topic).handler([handlers::shell()]).start();
    instance.wait_ready(1);
    instance
}

fn connect(instance: &Instance) -> UnixStream {
    let stream = UnixStream::connect(instance.socket()).expect("it listens");
    stream.set_read_timeout(Some(WITHIN)).unwrap();
    stream
}

/// What is answered until the end, which a reset is, too.
fn answer(mut stream: UnixStream) -> String {
    let mut answer = Vec::new();
    let _end_or_reset = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn what_is_no_request_is_answered_with_what_is_wrong() {
    let topic = Topic::new(1);
    let instance = started(&topic);
    for request in [
        "\n",
        "status\n",
        "{}\n",
        "[1,2]\n",
        "{\"command\":\"explode\"}\n",
        "{\"command\":7}\n",
        // What a later version may ask, that is.
        "{\"command\":\"log-level\",\"level\":\"loud\"}\n",
        "{\"command\":\"skip\",\"partition\":\"orders:0\",\"dry_run\":true}\n",
        "\u{7f}\0\n",
    ] {
        let mut stream = connect(&instance);
        stream.write_all(request.as_bytes()).unwrap();
        let answer = answer(stream);
        assert!(answer.contains("error") && answer.contains("not understood"), "{request:?}: {answer}");
        assert!(answer.contains(r#""unknown":true"#) && answer.contains("version"), "{request:?}: {answer}");
    }
    instance.stop();
}

#[test]
fn a_request_without_an_end_is_read_up_to_a_limit() {
    let topic = Topic::new(1);
    let instance = started(&topic);
    let mut stream = connect(&instance);
    stream.set_write_timeout(Some(WITHIN)).unwrap();
    let flood = vec![b'['; 1 << 20];
    let written = std::iter::repeat_with(|| stream.write(&flood)).take(200).take_while(Result::is_ok);
    let written: usize = written.map(|count| count.unwrap_or(0)).sum();
    assert!(written < 10 << 20, "it took {written} bytes of a request");
    assert!(instance.status().unwrap().is_ready(1));
    instance.stop();
}

#[test]
fn however_many_connect_and_say_nothing_whoever_asks_is_answered() {
    let topic = Topic::new(1);
    let instance = started(&topic);
    let idle: Vec<UnixStream> = (0..600).map(|_| connect(&instance)).collect();
    assert!(instance.status().unwrap().is_ready(1), "at once");
    drop(idle);
    instance.stop();
}

/// Clients that ask nothing, or a letter a second for ever, are let go; meanwhile the instance works, and then it answers.
#[test]
fn many_slow_clients_hold_it_for_seconds_only() {
    let topic = Topic::new(1);
    let instance = started(&topic);
    let before = processes::descriptors(instance.pid());
    let mut slow: Vec<UnixStream> = (0..40).map(|_| connect(&instance)).collect();
    let idle: Vec<UnixStream> = (0..200).map(|_| connect(&instance)).collect();
    topic.produce(&[kafkavisor_tests::message::Message::to(0, "work")]);
    let begun = clock::now();
    until_within(ENDS_WITHIN, "it answers though they all hold on", || {
        slow.iter_mut().for_each(|stream| drop(stream.write_all(b"[")));
        instance.status().filter(|status| status.is_ready(1) && status.partition(0).committed == Some(1))
    });
    assert!(begun.elapsed() < ENDS_WITHIN);
    assert!(processes::descriptors(instance.pid()) < before + 64, "bounded in number");
    until("each slow client is let go", || {
        slow.retain_mut(|stream| stream.write_all(b"[").is_ok());
        slow.is_empty().then_some(())
    });
    drop(idle);
    assert_eq!(instance.status().unwrap().partition(0).restarts_total, 0);
    instance.stop();
}

/// Nobody hears later of what they have given up on.
#[test]
fn what_nobody_waits_for_any_more_is_not_done() {
    let topic = Topic::new(1);
    let instance = started(&topic);
    instance.signal(Signal::SIGSTOP);
    until("it stands still", || processes::is_stopped(instance.pid()).then_some(()));
    for request in ["{\"command\":\"pause\",\"partitions\":[]}\n", "{\"command\":\"stop\"}\n"] {
        connect(&instance).write_all(request.as_bytes()).unwrap();
    }
    instance.signal(Signal::SIGCONT);
    throughout(Duration::from_secs(1), "it goes on as before", || {
        instance.status().is_some_and(|status| status.is_ready(1) && status.state == "running")
    });
    assert!(!instance.log().contains("asked for by"), "{}", instance.log());
    instance.stop();
}

#[test]
fn whoever_asks_one_that_stands_still_is_told_so() {
    let topic = Topic::new(1);
    let instance = started(&topic);
    instance.signal(Signal::SIGSTOP);
    let runs = format!("it runs (process {})", instance.pid());
    thread::scope(|scope| {
        for command in [&["status"][..], &["events"], &["events", "--follow"], &["stop"], &["pause"]] {
            let (instance, runs) = (&instance, &runs);
            scope.spawn(move || {
                let asked = clock::now();
                let output = instance.command(command);
                let text = String::from_utf8(output.stderr).unwrap();
                assert_eq!(output.status.code(), Some(69), "{command:?}: {text}");
                assert!(text.contains(runs), "{command:?}: {text}");
                assert!(asked.elapsed() < Duration::from_secs(15), "{command:?}: {:?}", asked.elapsed());
            });
        }
    });
    instance.signal(Signal::SIGCONT);
    instance.stop();
}

/// `events --follow | head -1` ends with the next event, `status --watch | head -1` with the next look.
#[test]
fn whoever_is_read_no_more_says_no_more() {
    let topic = Topic::new(1);
    let instance = started(&topic);
    let socket = instance.socket();
    let reading = ["events --follow", "status --watch", "status --watch --json"].map(|command| {
        let script = format!("{} {command} --socket {} | head -1", kafkavisor().display(), socket.display());
        Command::new("sh").args(["-c", &script]).stdout(Stdio::null()).spawn().unwrap()
    });
    for mut reading in reading {
        until("it has ended", || {
            assert_eq!(instance.ask("log-level", &["info"]).status.code(), Some(0));
            reading.try_wait().unwrap()
        });
    }
    instance.stop();
}
