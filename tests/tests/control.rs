//! The control socket against clients that misbehave: what it reads is bounded, nobody holds it, and the instance works on.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use kafkavisor::clock;
use kafkavisor_tests::handlers;
use kafkavisor_tests::instance::{Builder, Instance};
use kafkavisor_tests::processes;
use kafkavisor_tests::topic::Topic;
use kafkavisor_tests::waiting::{WITHIN, until, until_within};

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
