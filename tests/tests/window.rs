//! What is in flight is bounded: by messages, by bytes, and by the time that the handler needs for it.

use std::time::Duration;

use kafkavisor::clock;
use kafkavisor_tests::checks::History;
use kafkavisor_tests::instance::Builder;
use kafkavisor_tests::message::{Message, numbered};
use kafkavisor_tests::processes::ticks;
use kafkavisor_tests::recorder::Recorder;
use kafkavisor_tests::records::{Event, Records};
use kafkavisor_tests::status::Partition;
use kafkavisor_tests::topic::Topic;
use kafkavisor_tests::waiting::throughout;

/// With handlers that acknowledge nothing, waits until `full` holds and asserts that it stays so.
#[track_caller]
fn fills_and_stays(bounds: serde_json::Value, messages: &[Message], full: impl Fn(&Partition) -> bool) {
    for protocol in ["jsonl", "binary"] {
        let (topic, records) = (Topic::new(1), Records::new());
        records.close_gate();
        topic.produce(messages);
        let instance = Builder::of(&topic)
            .set("handler.protocol", protocol)
            .set("handler.max_in_flight", bounds.clone())
            .recorder(&Recorder::new(&records).batch(1_000_000))
            .start();
        instance.wait_for("the window is full", |status| status.partitions.first().is_some_and(&full));
        throughout(Duration::from_millis(700), "no more is in flight", || {
            let status = instance.status().expect("it answers");
            let partition = status.partition(0);
            let position = partition.acknowledged.unwrap() + i64::try_from(partition.in_flight).unwrap();
            full(partition) && partition.position == Some(position)
        });
        records.open_gate();
        instance.wait_consumed(&topic, 1);
        instance.stop();
        History::of(&records, &topic).assert_exactly_once();
    }
}

#[test]
fn by_messages() {
    let bounds = serde_json::json!({"messages": 3});
    fills_and_stays(bounds, &numbered(1, 50), |partition| partition.in_flight == 3);
}

#[test]
fn by_bytes() {
    let messages: Vec<Message> = (0..20).map(|_| Message::to(0, vec![b'x'; 100_000])).collect();
    let bounds = serde_json::json!({"bytes": "150KiB"});
    // A message may exceed what is left of the bound, no second one may.
    fills_and_stays(bounds, &messages, |partition| (1..=2).contains(&partition.in_flight));
}

#[test]
fn a_message_larger_than_the_bound_passes_alone() {
    let (topic, records) = (Topic::new(1), Records::new());
    topic.produce(&[Message::to(0, "small"), Message::to(0, vec![b'x'; 500_000]), Message::to(0, "small")]);
    let instance = Builder::of(&topic)
        .set("handler.max_in_flight.bytes", "1KiB")
        .recorder(&Recorder::new(&records))
        .start();
    instance.wait_consumed(&topic, 1);
    instance.stop();
    History::of(&records, &topic).assert_exactly_once();
}

#[test]
fn by_time_so_that_a_slow_handlers_drain_is_short() {
    let (topic, records) = (Topic::new(1), Records::new());
    topic.produce(&numbered(1, 1000));
    let instance = Builder::of(&topic).recorder(&Recorder::new(&records).delay_ms(50)).start();
    // All of it would take 50 s; a second's worth is 20. Doubled without end, the window would be at 128 by now.
    instance.wait_deliveries(&records, 130);
    let status = instance.status().unwrap();
    assert!(status.partition(0).in_flight <= 40, "{status:#?}");
    let began = clock::now();
    instance.stop();
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    let history = History::of(&records, &topic);
    history.assert_gapless();
    history.assert_no_duplicates();
}

/// A handler that acknowledges only when it is asked to finish, which it is when its window is full: what it acknowledges at
/// once is a window.
#[test]
fn a_fast_handler_is_not_held_back() {
    for protocol in ["jsonl", "binary"] {
        let (topic, records) = (Topic::new(1), Records::new());
        topic.produce(&numbered(1, 20_000));
        let instance = Builder::of(&topic)
            .set("handler.protocol", protocol)
            .recorder(&Recorder::new(&records).batch(1_000_000))
            .start();
        instance.wait_consumed(&topic, 1);
        instance.stop();
        let mut windows = Vec::new();
        let mut before = -1;
        for record in records.read() {
            if let Event::Acknowledging(offset) = record.event {
                windows.push(offset - before);
                before = offset;
            }
        }
        // From 4 on it doubles, as long as there are messages for it; a busy machine may make a few of them smaller.
        assert!(windows.iter().any(|window| *window >= 4096), "{protocol}: {windows:?}");
        assert!(windows.len() < 40, "{protocol}: {windows:?}");
        History::of(&records, &topic).assert_exactly_once();
    }
}

/// There is room in its window and there are messages for it, but no room in its pipe: nothing can be done until there is.
#[test]
fn a_handler_that_reads_nothing_costs_no_processor_time() {
    let (topic, records) = (Topic::new(1), Records::new());
    records.close_gate();
    topic.produce(&vec![Message::to(0, vec![b'x'; 900_000]); 30]);
    let recorder = Recorder::new(&records).shell();
    let gate = records.gate();
    let instance = Builder::of(&topic)
        .shell(&format!("while [ -e '{}' ]; do sleep 0.1; done; exec {recorder}", gate.display()))
        .start();
    let status = instance.wait_for("more waits than the pipe takes", |status| {
        status.partitions.first().is_some_and(|partition| partition.in_flight == 2)
    });
    let worker = status.partition(0).worker_pid.unwrap();
    let before = ticks(worker);
    throughout(Duration::from_secs(3), "it runs", || instance.exited().is_none());
    let used = ticks(worker) - before;
    assert!(used <= 30, "{used} hundredths of a second of processor time in 3 s of waiting");
    records.open_gate();
    instance.wait_consumed(&topic, 1);
    instance.stop();
    History::of(&records, &topic).assert_exactly_once();
}
