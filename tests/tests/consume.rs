//! Handlers are given exactly what was produced, whatever it is and however it was written.

use std::time::Duration;

use kafkavisor::clock;
use kafkavisor_tests::checks::History;
use kafkavisor_tests::instance::Builder;
use kafkavisor_tests::message::{Message, numbered};
use kafkavisor_tests::offsets::committed;
use kafkavisor_tests::recorder::Recorder;
use kafkavisor_tests::records::{Event, Records};
use kafkavisor_tests::topic::Topic;
use kafkavisor_tests::waiting::{throughout, until, until_equal};

/// Every kind of key, value and header that Kafka can hold.
fn strange_messages() -> Vec<Message> {
    let binary: Vec<u8> = (0..=255).collect();
    let large: Vec<u8> = (0..1_000_000_u32).map(|n| b'a' + u8::try_from(n % 26).unwrap()).collect();
    let large_binary: Vec<u8> = (0..1_000_000_u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
    vec![
        Message::to(0, "plain").key("key"),
        Message::to(0, "no key"),
        Message::null(0).key("a tombstone"),
        Message::null(0),
        Message::to(0, "").key(""),
        Message::to(0, binary.clone()).key(binary.clone()),
        Message::to(0, "quotes \" backslash \\ newline \n tab \t nul \0 bell \u{7} del \u{7f}").key("\n"),
        Message::to(0, "ünïcödé 中文 😀 \u{2028}\u{feff}").key("😀"),
        Message::to(0, vec![0xff]).key(vec![0xed, 0xa0, 0x80]),
        Message::to(0, "with headers")
            .header("one", Some(b"1"))
            .header("one", Some(b"again"))
            .header("", Some(b""))
            .header("null", None)
            .header("binary", Some(&binary))
            .header("中", Some("文".as_bytes())),
        Message::to(0, r#"{"type":"stop","reason":"shutdown"}"#).key(r#"{"ack":0}"#),
        Message::to(0, large),
        Message::to(0, large_binary),
        Message::to(0, "the last"),
    ]
}

/// A worker turns every four seconds whatever happens: ten messages, each waiting for that, would take forty.
#[test]
fn each_message_comes_when_it_is_produced() {
    for protocol in ["jsonl", "binary", "exec"] {
        let (topic, records) = (Topic::new(1), Records::new());
        let builder = Builder::of(&topic).set("handler.protocol", protocol);
        let came = tempfile::NamedTempFile::new().unwrap();
        let instance = match protocol {
            "exec" => builder.shell(&format!("cat >> '{}'", came.path().display())).start(),
            _ => builder.recorder(&Recorder::new(&records)).start(),
        };
        instance.wait_ready(1);
        let mut began = clock::now();
        for count in 1..=11 {
            topic.produce(&[Message::to(0, "one")]);
            until(&format!("{protocol}: message {count}"), || match protocol {
                "exec" => (came.as_file().metadata().unwrap().len() == 4 * count).then_some(()),
                _ => (records.deliveries() as u64 == count).then_some(()),
            });
            if count == 1 {
                // The first one waits until its handler has started.
                began = clock::now();
            }
        }
        assert!(began.elapsed() < Duration::from_secs(8), "{protocol}: {:?}", began.elapsed());
        instance.stop();
    }
}

fn everything_arrives_as_it_was_produced(protocol: &str) {
    let (topic, records) = (Topic::new(1), Records::new());
    let produced = topic.produce(&strange_messages());
    let instance =
        Builder::of(&topic).set("handler.protocol", protocol).recorder(&Recorder::new(&records)).start();
    let status = instance.wait_consumed(&topic, 1);
    let bytes: usize = strange_messages()
        .iter()
        .map(|m| m.key.as_ref().map_or(0, Vec::len) + m.value.as_ref().map_or(0, Vec::len))
        .sum();
    assert_eq!(
        (status.partition(0).messages_total, status.partition(0).bytes_total),
        (u64::try_from(produced.len()).unwrap(), u64::try_from(bytes).unwrap())
    );
    instance.stop();
    History::of(&records, &topic).assert_exactly_once();
}

#[test]
fn jsonl_carries_every_kind_of_message() {
    everything_arrives_as_it_was_produced("jsonl");
}

#[test]
fn binary_carries_every_kind_of_message() {
    everything_arrives_as_it_was_produced("binary");
}

#[test]
fn timestamps_are_those_of_the_messages() {
    let (topic, records) = (Topic::new(1), Records::new());
    let before = kafkavisor::clock::wall_millis();
    topic.produce(&numbered(1, 3));
    let after = kafkavisor::clock::wall_millis();
    let instance = Builder::of(&topic).recorder(&Recorder::new(&records)).start();
    instance.wait_consumed(&topic, 1);
    let times: Vec<i64> = records
        .read()
        .into_iter()
        .filter_map(|record| match record.event {
            Event::Message { timestamp, .. } => Some(timestamp),
            _ => None,
        })
        .collect();
    assert_eq!(times.len(), 3);
    assert!(times.iter().all(|time| (before..=after).contains(time)), "{times:?} in {before}..={after}");
}

#[test]
fn every_compression_is_read() {
    let (topic, records) = (Topic::new(2), Records::new());
    for codec in ["none", "lz4", "zstd", "gzip", "snappy"] {
        let messages: Vec<Message> = numbered(2, 200)
            .into_iter()
            .map(|message| message.header("codec", Some(codec.as_bytes())))
            .collect();
        topic.produce_with(&messages, &[("compression.codec", codec)]);
    }
    let instance = Builder::of(&topic).recorder(&Recorder::new(&records)).start();
    instance.wait_consumed(&topic, 2);
    instance.stop();
    assert_eq!(records.deliveries(), 1000);
    History::of(&records, &topic).assert_exactly_once();
}

#[test]
fn markers_and_aborted_messages_leave_gaps_and_no_lag() {
    let (topic, records) = (Topic::new(1), Records::new());
    topic.produce(&numbered(1, 5));
    topic.produce_transaction(&numbered(1, 5), true);
    topic.produce_transaction(&numbered(1, 5), false);
    topic.produce(&numbered(1, 2));
    topic.produce_transaction(&numbered(1, 3), false);
    // The markers are written behind the producer's back.
    let end = 5 + 6 + 6 + 2 + 4;
    until_equal("each transaction has a marker", &end, || topic.watermarks(0).1);
    let (_, end) = topic.watermarks(0);
    assert_eq!(end, 5 + 6 + 6 + 2 + 4, "each transaction has a marker");
    let instance = Builder::of(&topic).recorder(&Recorder::new(&records)).start();
    let status = instance.wait_consumed(&topic, 1);
    assert_eq!((status.partition(0).committed, status.partition(0).lag), (Some(end), Some(0)));
    assert_eq!(status.partition(0).messages_total, 12);

    // What comes behind the markers comes, too; and nothing but a marker moves the offset on.
    topic.produce(&numbered(1, 1));
    topic.produce_transaction(&numbered(1, 2), false);
    instance.wait_consumed(&topic, 1);
    instance.stop();
    History::of(&records, &topic).assert_exactly_once();
    assert_eq!(committed(&topic, &instance.group(), 0), Some(end + 4));
}

#[test]
fn an_open_transaction_holds_back_and_loses_nothing() {
    let (topic, records) = (Topic::new(1), Records::new());
    topic.produce(&numbered(1, 3));
    let instance = Builder::of(&topic).recorder(&Recorder::new(&records)).start();
    instance.wait_consumed(&topic, 1);
    let open = topic.open_transaction(&numbered(1, 50));
    topic.produce(&numbered(1, 3));
    throughout(Duration::from_secs(1), "neither it nor what is behind it is delivered", || {
        records.deliveries() == 3
    });
    assert_eq!(committed(&topic, &instance.group(), 0), Some(3));
    // It arrives whole and in order, and so does the rest.
    topic.end_transaction(open, true);
    until_equal("its marker is written", &(3 + 51 + 3), || topic.watermarks(0).1);
    instance.wait_consumed(&topic, 1);
    instance.stop();
    History::of(&records, &topic).assert_exactly_once();
}

#[test]
fn compaction_leaves_gaps_and_no_lag() {
    let topic = Topic::with(
        1,
        &[
            ("cleanup.policy", "compact"),
            ("segment.bytes", "20000"),
            ("min.cleanable.dirty.ratio", "0.01"),
            ("max.compaction.lag.ms", "1000"),
        ],
    );
    let records = Records::new();
    let message = |number: usize| Message::to(0, vec![b'x'; 1000]).key(format!("key {}", number % 10));
    topic.produce_with(&(0..200).map(message).collect::<Vec<_>>(), &[("batch.num.messages", "5")]);
    let left = until("Kafka has compacted the topic", || {
        let left = topic.offsets_in(0);
        (left.len() < 150).then_some(left)
    });
    topic.forget(|message| !left.contains(&message.offset));
    let instance = Builder::of(&topic).recorder(&Recorder::new(&records)).start();
    let status = instance.wait_consumed(&topic, 1);
    assert_eq!((status.partition(0).committed, status.partition(0).lag), (Some(200), Some(0)));
    instance.stop();
    // More may have been compacted while it was read: what was read must be in order and of what was there.
    let delivered: Vec<i64> =
        History::of(&records, &topic).lives(0).iter().flat_map(|life| life.delivered.clone()).collect();
    assert!(delivered.is_sorted() && delivered.iter().all(|offset| left.contains(offset)), "{delivered:?}");
    let survivors = topic.offsets_in(0);
    assert!(survivors.iter().all(|offset| delivered.contains(offset)), "{survivors:?} in {delivered:?}");
}
