//! The committed offset: by interval, by count and at the end; it never goes back and never passes what is unacknowledged.

use std::time::Duration;

use kafkavisor_tests::checks::History;
use kafkavisor_tests::instance::Builder;
use kafkavisor_tests::message::numbered;
use kafkavisor_tests::offsets::{all_committed, committed};
use kafkavisor_tests::processes;
use kafkavisor_tests::recorder::Recorder;
use kafkavisor_tests::records::Records;
use kafkavisor_tests::topic::Topic;
use kafkavisor_tests::waiting::{throughout, until, until_equal};
use nix::sys::signal::Signal;

#[test]
fn by_count_long_before_the_interval() {
    let (topic, records) = (Topic::new(1), Records::new());
    let instance = Builder::of(&topic)
        .set("offsets.commit_interval", "5m")
        .set("offsets.commit_messages", 100)
        .recorder(&Recorder::new(&records))
        .start();
    instance.wait_ready(1);
    for round in 1..=3 {
        topic.produce(&numbered(1, 150));
        until(&format!("round {round} is committed"), || {
            committed(&topic, &instance.group(), 0).filter(|offset| *offset >= 150 * round - 100)
        });
    }
    instance.stop();
    assert_eq!(committed(&topic, &instance.group(), 0), Some(450), "the rest at the end");
}

#[test]
fn by_interval_without_many_messages() {
    let (topic, records) = (Topic::new(2), Records::new());
    let instance = Builder::of(&topic).recorder(&Recorder::new(&records)).start();
    for round in 1..=3 {
        topic.produce(&numbered(2, 2));
        until_equal("both are committed", &[(0, round), (1, round)].into(), || {
            all_committed(&topic, &instance.group(), 2)
        });
    }
}

#[test]
fn it_never_goes_back_and_never_passes_what_is_unacknowledged() {
    let (topic, records) = (Topic::new(2), Records::new());
    let instance = Builder::of(&topic)
        .set("offsets.commit_interval", "20ms")
        .set("handler.max_in_flight.messages", 50)
        .set("restart", serde_json::json!({"initial": "50ms", "max": "200ms"}))
        .recorder(&Recorder::new(&records).delay_ms(1).batch(7).die_every(400))
        .start();
    instance.wait_ready(2);
    topic.produce(&numbered(2, 6000));
    let flow = topic.flow(2);
    let mut before = all_committed(&topic, &instance.group(), 2);
    let mut looks = 0;
    throughout(Duration::from_secs(6), "the committed offset is right", || {
        looks += 1;
        if looks == 10 {
            let worker = instance.status().and_then(|status| status.partition(0).worker_pid);
            worker.map(|worker| processes::try_signal(worker, Signal::SIGKILL));
        }
        let now = all_committed(&topic, &instance.group(), 2);
        // Handlers write down that they acknowledge before they do it.
        let history = History::of(&records, &topic);
        let right = now.iter().all(|(partition, offset)| {
            let furthest = history.lives(*partition).iter().filter_map(|life| life.acknowledging).max();
            *offset >= before.get(partition).copied().unwrap_or(0) && *offset <= furthest.map_or(0, |o| o + 1)
        });
        before = now;
        right
    });
    flow.stop();
    assert!(before.values().all(|offset| *offset > 0) && looks > 10, "{looks} looks, at last {before:?}");
    let status = instance.wait_consumed(&topic, 2);
    // Handlers died, and a worker was killed.
    for (partition, least) in [(0, 2), (1, 1)] {
        assert!(status.partition(partition).restarts_total >= least, "{status:#?}");
    }
    instance.stop();
    History::of(&records, &topic).assert_nothing_lost();
}
