//! Texts that come from a handler: long ones, in other encodings, with control characters, and its last words. None of
//! them hangs a partition, passes in silence, or reaches a terminal raw.

use std::time::Duration;

use kafkavisor_tests::instance::{Builder, Instance};
use kafkavisor_tests::message::{Message, numbered};
use kafkavisor_tests::reading::read;
use kafkavisor_tests::topic::Topic;
use kafkavisor_tests::waiting::until;
use serde_json::json;

/// What is kept of a reason.
const KEPT: usize = 16 * 1024;
const MIB: usize = 1 << 20;

/// Rejects every message with `$LENGTH` letters, in the protocol it finds.
const REJECTS: &str = r"
import os, struct, sys, json
reason = b'x' * int(os.environ['LENGTH'])
if 'KAFKAVISOR_IN_FD' in os.environ:
    heard, said = os.fdopen(3, 'rb'), os.fdopen(4, 'wb')
    while (head := heard.read(4)):
        body = heard.read(struct.unpack('<I', head)[0])
        if body[0] == 3:
            break
        if body[0] in (2, 5):
            offset, = struct.unpack_from('<Q', body, 1 if body[0] == 2 else 5)
            said.write(struct.pack('<IBQ', 9 + len(reason), 130, offset) + reason)
            said.flush()
else:
    for line in sys.stdin:
        message = json.loads(line)
        if message['type'] == 'stop':
            break
        if message['type'] == 'message':
            print(json.dumps({'reject': message['offset'], 'error': reason.decode()}), flush=True)
";

fn rejects(topic: &Topic, protocol: &str, length: usize) -> Builder {
    Builder::of(topic)
        .set("handler.protocol", protocol)
        .set("handler.timeout", "20s")
        .variable("LENGTH", length.to_string())
        .handler(["python3", "-c", REJECTS])
}

#[test]
fn a_reason_is_kept_up_to_a_bound_in_every_protocol() {
    for protocol in ["jsonl", "binary"] {
        for length in [0, KEPT, 64 * 1024, 250_000, MIB + 1, 16 * MIB - 100] {
            let (topic, dead) = (Topic::new(1), Topic::new(1));
            topic.produce(&numbered(1, 1));
            let poison = json!({"attempts": 3, "topic": dead.name});
            let instance = rejects(&topic, protocol, length).set("handler.poison", poison).start();
            let status = instance.wait_consumed(&topic, 1);
            let counted = (status.partition(0).dead_lettered_total, status.partition(0).restarts_total);
            assert_eq!(counted, (1, 0), "{protocol}, {length}: {status:#?}");
            instance.stop();
            let error = read(&dead, 1)[0].texts()["kafkavisor.error"].clone();
            assert!(error.len() <= KEPT, "{protocol}, {length}: {} bytes are kept", error.len());
            if length <= KEPT {
                assert_eq!(error.len(), length, "{protocol}");
            } else {
                let mark = format!("({length} bytes)");
                assert!(error.len() > KEPT - 100 && error.ends_with(&mark), "{protocol}, {length}: {error}");
            }
            for line in instance.log().lines() {
                assert!(line.len() < KEPT + 1000, "{protocol}, {length}: a line of {} bytes", line.len());
            }
        }
    }
}

#[test]
fn an_answer_that_is_far_too_long_breaks_the_protocol() {
    for protocol in ["jsonl", "binary"] {
        let topic = Topic::new(1);
        topic.produce(&numbered(1, 1));
        let instance = rejects(&topic, protocol, 16 * MIB + 1).start();
        let status = instance.wait_for("it is started again", |status| {
            status.partitions.iter().any(|partition| partition.restarts_total >= 1)
        });
        let last = status.partition(0).last_exit.clone().unwrap_or_default();
        assert!(last.contains("protocol_error") && last.contains("16777216"), "{protocol}: {last}");
    }
}

#[test]
fn a_long_line_that_is_no_answer_is_cut_and_logged() {
    let topic = Topic::new(1);
    topic.produce(&numbered(1, 1));
    let script = r#"{ printf '{"level":"info","text":"'; head -c 3000000 /dev/zero | tr '\0' x; echo '"}'; echo after; }
        while IFS= read -r line; do case $line in '{"type":"message",'*) echo '{"ack":0}';; esac; done"#;
    let instance = Builder::of(&topic).shell(script).start();
    instance.wait_consumed(&topic, 1);
    instance.wait_for_log("after");
    let log = instance.log();
    let line = log.lines().find(|line| line.contains(r#"{"level":"info""#)).expect("it is logged");
    assert!((MIB - 200..=MIB + 200).contains(&line.len()), "{} bytes", line.len());
    assert!(line.ends_with("bytes)"), "it says that it is cut");
}

/// One message is consumed by a handler whose output begins with `first`, in the words of printf.
fn begins_with(first: &str) -> (Topic, Instance) {
    let topic = Topic::new(1);
    topic.produce(&numbered(1, 1));
    let script = format!(
        r#"while IFS= read -r line; do case $line in '{{"type":"message",'*) printf '{first}';; esac; done"#
    );
    let instance = Builder::of(&topic).set("handler.start_timeout", "5s").shell(&script).start();
    (topic, instance)
}

#[test]
fn a_byte_order_mark_is_passed_over() {
    for first in
        [r#"\357\273\277{"ack":0}\n"#, r#"\357\273\277{"ack":0}\r\n"#, r#"\357\273\277\n{"ack":0}\n"#]
    {
        let (topic, instance) = begins_with(first);
        let status = instance.wait_consumed(&topic, 1);
        assert_eq!(status.partition(0).restarts_total, 0, "{first}: {status:#?}");
        instance.stop();
    }
}

#[test]
fn another_encoding_is_named() {
    // With a byte order mark, without one, and the other way round.
    for first in [r"\377\376{\0\042\0a\0\n\0", r"{\0\042\0a\0\n\0", r"\376\377\0{\0\042\0a\0\n"] {
        let (_topic, instance) = begins_with(first);
        let status = instance.wait_for("it is started again", |status| {
            status.partitions.iter().any(|partition| partition.restarts_total >= 1)
        });
        let last = status.partition(0).last_exit.clone().unwrap_or_default();
        assert!(last.contains("UTF-16"), "{first}: {last}");
    }
}

#[test]
fn a_line_that_looks_like_an_answer_and_is_none_is_pointed_out() {
    for line in [r"{'ack': 0}", r#"{"reject":0}"#] {
        let topic = Topic::new(1);
        topic.produce(&numbered(1, 1));
        let script = r#"while IFS= read -r line; do case $line in '{"type":"message",'*) printf '%s\n' "$NEAR";; esac; done"#;
        let instance = Builder::of(&topic).variable("NEAR", line).shell(script).start();
        instance.wait_for_log("is no answer and goes to the log");
    }
}

/// No control character but tabs and line ends, in any encoding of a terminal.
#[track_caller]
fn assert_harmless(text: &str) {
    let raw = text.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\t'));
    assert_eq!(raw, None, "{text:?}");
}

#[test]
fn control_characters_never_reach_a_terminal_raw() {
    for format in ["text", "json"] {
        let (topic, dead) = (Topic::new(1), Topic::new(1));
        topic.produce(&numbered(1, 1));
        // As a JSON escape, raw, and of the second set.
        let script = r#"printf 'err \033[31mred\033[0m \a\b\177 \302\233 5n\n' >&2; printf 'out \033]0;title\007\n'
            while IFS= read -r line; do case $line in '{"type":"message",'*)
                printf '%s\n' '{"reject":0,"error":"\u001b[2J\u009b and\nanother \u007f\u0000 line"}';; esac; done"#;
        let instance = Builder::of(&topic)
            .set("log.format", format)
            .set("handler.poison", json!({"attempts": 3, "topic": dead.name}))
            .shell(script)
            .start();
        instance.wait_consumed(&topic, 1);
        for words in ["red", "title", "another"] {
            instance.wait_for_log(words);
        }
        assert_harmless(&instance.log());
        instance.stop();
        let letter = read(&dead, 1).remove(0).texts();
        let error = &letter["kafkavisor.error"];
        assert!(error.contains(r"\u{1b}[2J\u{9b} and\nanother \u{7f}\0 line"), "{error:?}");
        for name in ["kafkavisor.error", "kafkavisor.stderr"] {
            assert_harmless(&letter[name]);
        }
    }
}

#[test]
fn a_parked_partitions_reason_is_short_and_harmless_in_status() {
    let topic = Topic::new(1);
    topic.produce(&numbered(1, 1));
    let script = r#"while IFS= read -r line; do case $line in '{"type":"message",'*)
        printf '{"reject":0,"error":"\\u001b[2J'; head -c 9000 /dev/zero | tr '\0' x; echo '"}';; esac; done"#;
    let instance = Builder::of(&topic).shell(script).start();
    let status = instance.wait_for("it is parked", |status| status.state_of(0) == "parked");
    let last = status.partition(0).last_exit.clone().unwrap_or_default();
    assert!(last.contains("xxxx"), "{last}");
    assert_harmless(&last);
    let table = instance.ask("status", &[]);
    assert_harmless(&String::from_utf8_lossy(&table.stdout));
}

#[test]
fn the_last_words_of_one_that_logs_too_much_are_heard_and_the_rest_is_counted() {
    let topic = Topic::new(1);
    topic.produce(&numbered(1, 1));
    let script =
        "i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done >&2; echo why it died >&2; exit 3";
    let instance = Builder::of(&topic).set("restart.initial", "20s").shell(script).start();
    instance.wait_for_log("why it died");
    let log = instance.log();
    let said = log.lines().filter(|line| line.contains("] line ")).count();
    let left_out: usize = log
        .lines()
        .filter_map(|line| {
            line.split_once(" more lines were left out")?.0.rsplit(' ').next()?.parse::<usize>().ok()
        })
        .sum();
    assert!(left_out >= 1000 && said + left_out == 3000, "{said} lines and {left_out} left out");
}

#[test]
fn lines_left_out_are_counted_while_the_handler_lives() {
    let topic = Topic::new(1);
    topic.produce(&numbered(1, 1));
    let script = "i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done >&2; exec sleep 1000";
    let instance = Builder::of(&topic).shell(script).start();
    instance.wait_for_log("more lines were left out");
}

#[test]
fn a_handler_that_fails_while_draining_is_logged() {
    for protocol in ["jsonl", "exec"] {
        let topic = Topic::new(1);
        topic.produce(&numbered(1, 3));
        let script = if protocol == "exec" {
            "echo begun; while ! [ -e go ]; do sleep 0.05; done; exit 3"
        } else {
            r#"echo begun; while IFS= read -r line; do case $line in *'"stop"'*) exit 3;; esac; done"#
        };
        let instance = Builder::of(&topic).set("handler.protocol", protocol).shell(script).start();
        instance.wait_for("all is in flight", |status| {
            status.partitions.first().is_some_and(|partition| partition.in_flight == 3)
        });
        instance.wait_for_log("begun");
        instance.signal(nix::sys::signal::Signal::SIGTERM);
        instance.wait_for_log("SIGTERM: draining");
        std::fs::write(instance.folder().join("go"), "").unwrap();
        assert_eq!(instance.wait_exit(Duration::from_secs(15)), 0, "no time was cut");
        let log = instance.log();
        assert!(log.contains("exited with status 3 while draining"), "{protocol}: {log}");
        assert!(log.contains("3 messages unacknowledged, from offset 0"), "{protocol}: {log}");
    }
}

#[test]
fn what_a_handler_leaves_undone_is_logged() {
    let topic = Topic::new(1);
    topic.produce(&[Message::to(0, "done"), Message::to(0, "left"), Message::to(0, "left")]);
    let script = r#"while IFS= read -r line; do case $line in
        *'"offset":0,"timestamp"'*) echo '{"ack":0}';; *'"stop"'*) exit 0;; esac; done"#;
    let instance = Builder::of(&topic).shell(script).start();
    until("one is done, two are not", || {
        let status = instance.status()?;
        let partition = status.partitions.first()?;
        (partition.acknowledged == Some(1) && partition.in_flight == 2).then_some(())
    });
    instance.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(instance.wait_exit(Duration::from_secs(15)), 0);
    assert!(instance.log().contains("2 messages unacknowledged, from offset 1"), "{}", instance.log());
}
