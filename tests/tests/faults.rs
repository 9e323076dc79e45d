//! Kafka and ZooKeeper go down and come back, on a cluster of the test's own: nothing unreachable ends a supervisor that
//! runs, nothing is lost, and nobody works on a partition that may be somebody else's by now.

use std::collections::BTreeMap;
use std::net::TcpStream;
use std::time::Duration;

use kafkavisor::clock;
use kafkavisor_tests::checks::History;
use kafkavisor_tests::cluster::Cluster;
use kafkavisor_tests::instance::{Builder, Instance};
use kafkavisor_tests::message::numbered;
use kafkavisor_tests::offsets::all_committed;
use kafkavisor_tests::processes;
use kafkavisor_tests::recorder::Recorder;
use kafkavisor_tests::records::Records;
use kafkavisor_tests::status::Status;
use kafkavisor_tests::topic::Topic;
use kafkavisor_tests::waiting::{throughout, until};
use nix::sys::signal::Signal;

fn started(cluster: &Cluster, topic: &Topic, records: &Records, session: &str) -> Instance {
    Builder::of(topic)
        .set("cluster.zookeeper", cluster.zookeeper.as_str())
        .set("assignment.session_timeout", session)
        .set("handler.max_in_flight.messages", 50)
        .set("stop.timeout", "3s")
        .recorder(&Recorder::new(records).delay_ms(1))
        .start()
}

#[test]
fn a_broker_goes_down_and_comes_back() {
    let cluster = Cluster::up();
    let (topic, records) = (Topic::on(&cluster.brokers, 2), Records::new());
    let instance = started(&cluster, &topic, &records, "10s");
    topic.produce(&numbered(2, 2000));
    instance.wait_deliveries(&records, 200);
    let before = instance.wait_ready(2);
    cluster.server("kill", "kafka1");
    throughout(Duration::from_secs(3), "it runs on", || instance.exited().is_none());
    instance.wait_for(
        "it is said at the top",
        |status| matches!(status.troubles.as_slice(), [one] if one.starts_with("Kafka is not reached")),
    );
    cluster.server("start", "kafka1");
    topic.produce(&numbered(2, 200));
    let after = instance.wait_consumed(&topic, 2);
    instance.wait_for("it is said no more", |status| status.troubles.is_empty());
    for partition in 0..2 {
        assert_eq!(
            after.partition(partition).worker_pid,
            before.partition(partition).worker_pid,
            "an outage of Kafka restarts no worker"
        );
    }
    instance.stop();
    History::of(&records, &topic).assert_exactly_once();
}

#[test]
fn kafka_down_while_stopping_ends_in_time() {
    let cluster = Cluster::up();
    let (topic, records) = (Topic::on(&cluster.brokers, 1), Records::new());
    let instance = started(&cluster, &topic, &records, "10s");
    topic.produce(&numbered(1, 5000));
    instance.wait_deliveries(&records, 200);
    cluster.server("pause", "kafka1");
    let began = clock::now();
    instance.signal(Signal::SIGTERM);
    let code = instance.wait_exit(Duration::from_secs(30));
    let took = began.elapsed();
    cluster.server("resume", "kafka1");
    assert_eq!(code, 75, "its last acknowledgements are not committed:\n{}", instance.log());
    assert!(took < Duration::from_secs(8), "stop.timeout is 3 s, it took {took:?}");
    instance.assert_gone();
    assert!(instance.log().contains("did not confirm"), "it says so:\n{}", instance.log());
    // What was not committed comes again: lost is nothing.
    let committed = all_committed(&topic, &instance.group(), 1);
    instance.start_again();
    instance.wait_consumed(&topic, 1);
    instance.stop();
    let history = History::of(&records, &topic);
    history.assert_nothing_lost();
    let again = history.lives(0)[1].delivered[0];
    let acknowledged = history.lives(0)[0].acknowledged.unwrap();
    assert!(again >= committed[&0] && again <= acknowledged + 1, "{committed:?} {again} {acknowledged}");
}

/// What a partition has as long as nothing happens to its ownership.
fn held(status: &Status, number: i32) -> [Option<u64>; 3] {
    let partition = status.partition(number);
    let pid = |pid: Option<i32>| pid.map(|pid| u64::try_from(pid).unwrap());
    [partition.fencing_token, pid(partition.worker_pid), pid(partition.handler_pid)]
}

#[test]
fn zookeeper_restarted_within_the_session_costs_nothing() {
    let cluster = Cluster::up();
    let (topic, records) = (Topic::on(&cluster.brokers, 2), Records::new());
    // So long that a busy machine has started a server by 0.6 of it.
    let instance = started(&cluster, &topic, &records, "30s");
    let before = instance.wait_ready(2);
    let flow = topic.flow(2);
    instance.wait_deliveries(&records, 100);
    let (first, down) = (cluster.pid("zookeeper1"), clock::now());
    cluster.server("stop", "zookeeper1");
    assert!(!processes::is_alive(first), "it is gone");
    // The kernel may still be about to take its sockets away.
    until("nobody is there", || TcpStream::connect(&cluster.zookeeper).is_err().then_some(()));
    let seen = records.deliveries();
    instance.wait_deliveries(&records, seen + 100);
    assert!(TcpStream::connect(&cluster.zookeeper).is_err(), "its workers went on without it");
    cluster.server("start", "zookeeper1");
    assert_ne!(cluster.pid("zookeeper1"), first);
    // What proves that the session lives must have come anew: the lease of before is over by now.
    let lease = Duration::from_secs(18).saturating_sub(down.elapsed());
    throughout(lease, "it goes on, and so do its workers", || {
        instance.exited().is_none() && instance.status().is_some_and(|status| status.is_ready(2))
    });
    let seen = records.deliveries();
    instance.wait_deliveries(&records, seen + 100);
    flow.stop();
    let after = instance.wait_consumed(&topic, 2);
    assert_eq!(after.assignment, before.assignment, "session and member are the same");
    for number in 0..2 {
        assert_eq!(
            held(&after, number),
            held(&before, number),
            "token, worker, handler of partition {number}"
        );
        assert!(held(&after, number).iter().all(Option::is_some));
    }
    instance.stop();
    let history = History::of(&records, &topic);
    history.assert_exactly_once();
    assert_eq!((history.lives(0).len(), history.lives(1).len()), (1, 1));
}

#[test]
fn zookeeper_down_for_longer_than_the_session_stops_the_workers_in_time() {
    let cluster = Cluster::up();
    let (topic, records) = (Topic::on(&cluster.brokers, 2), Records::new());
    let instance = started(&cluster, &topic, &records, "4s");
    let before = instance.wait_ready(2);
    let handlers: Vec<i32> = before.partitions.iter().filter_map(|partition| partition.handler_pid).collect();
    assert_eq!(handlers.len(), 2);
    let flow = topic.flow(2);
    instance.wait_deliveries(&records, 100);
    let down = clock::now();
    cluster.server("stop", "zookeeper1");
    instance.wait_for("its workers are gone", |status| {
        status.partitions.iter().all(|partition| partition.worker_pid.is_none())
            && handlers.iter().all(|handler| !processes::is_alive(*handler))
    });
    // Nobody could have been given the partitions before the session's 4 s, counted from the last proof of life.
    assert!(
        down.elapsed() < Duration::from_secs(4),
        "3 s (0.75 of the session) are promised: {:?}",
        down.elapsed()
    );
    let seen = records.deliveries();
    throughout(Duration::from_secs(2), "it waits, and delivers nothing", || {
        instance.exited().is_none() && records.deliveries() == seen
    });
    cluster.server("start", "zookeeper1");
    let after = instance.wait_ready(2);
    assert_ne!(after.assignment.session, before.assignment.session, "a new session");
    for partition in 0..2 {
        assert!(after.partition(partition).fencing_token > before.partition(partition).fencing_token);
    }
    instance.wait_deliveries(&records, seen + 100);
    flow.stop();
    instance.wait_consumed(&topic, 2);
    instance.stop();
    let history = History::of(&records, &topic);
    history.assert_nothing_lost();
    history.assert_repeats_within(50, &BTreeMap::new());
}

#[test]
fn both_down_and_back() {
    let cluster = Cluster::up();
    let (topic, records) = (Topic::on(&cluster.brokers, 1), Records::new());
    let instance = started(&cluster, &topic, &records, "4s");
    topic.produce(&numbered(1, 1500));
    instance.wait_deliveries(&records, 200);
    cluster.server("kill", "kafka1");
    cluster.server("kill", "zookeeper1");
    instance
        .wait_for("its worker is gone", |status| status.partitions.iter().all(|p| p.worker_pid.is_none()));
    cluster.server("start", "zookeeper1");
    cluster.server("start", "kafka1");
    instance.wait_consumed(&topic, 1);
    instance.stop();
    let history = History::of(&records, &topic);
    history.assert_nothing_lost();
    history.assert_repeats_within(50, &BTreeMap::new());
}

#[test]
fn a_supervisor_that_was_paused_beyond_its_session_gives_up_and_comes_back() {
    let cluster = Cluster::up();
    let (topic, records) = (Topic::on(&cluster.brokers, 2), Records::new());
    let first = started(&cluster, &topic, &records, "3s");
    first.wait_ready(2);
    let second = Builder::of(&topic)
        .group(&first.group())
        .name("second")
        .set("cluster.zookeeper", cluster.zookeeper.as_str())
        .set("assignment.session_timeout", "3s")
        .set("handler.max_in_flight.messages", 50)
        .recorder(&Recorder::new(&records).delay_ms(1))
        .start();
    let before = first.wait_ready(1);
    second.wait_ready(1);
    let flow = topic.flow(2);
    first.wait_deliveries(&records, 100);
    let committed = all_committed(&topic, &first.group(), 2);
    first.signal(Signal::SIGSTOP);
    // Its worker still runs, has no lease any more, and must end before another member begins.
    second.wait_ready(2);
    let handler = before.partitions[0].handler_pid.unwrap();
    assert!(
        !processes::is_alive(handler),
        "the paused supervisor's handler ended before its partition was taken over"
    );
    first.signal(Signal::SIGCONT);
    first.wait_ready(1);
    second.wait_ready(1);
    flow.stop();
    first.wait_drained(1);
    second.wait_drained(1);
    first.stop();
    second.stop();
    let history = History::of(&records, &topic);
    history.assert_nothing_lost();
    history.assert_repeats_within(50, &committed);
}
