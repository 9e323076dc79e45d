//! What a supervisor's commits cost an ensemble: each second all partitions are written, while another client beside them sets a
//! node every 10 ms and measures how long that takes.
//!
//! usage: zookeeper_load ZOOKEEPER [PARTITIONS [SECONDS]]
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a tool for developers, which measures time"
)]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use kafkavisor_kafka::offsets::{MemberNode, OffsetStore as _, Stored, ZookeeperOffsets};
use kafkavisor_types::clock::{now, wall_millis};
use kafkavisor_types::ids::{Offset, TopicPartition};
use kafkavisor_zookeeper::Ensemble;
use tokio::runtime::{Builder, Handle};
use zookeeper_client::{Acls, Client, CreateMode};

const SECOND: Duration = Duration::from_secs(1);
/// A note as supervisors write it.
const NOTE: &str = r#"{"format":1,"kafkavisor":"services.billing","instance_id":"0123456789abcdef0123456789abcdef","topic_id":"AAAAAAAAAAAAAAAAAAAAAQ"}"#;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let servers = arguments.next().unwrap();
    let partitions = arguments.next().map_or(1000, |text| text.parse().unwrap());
    let seconds = arguments.next().map_or(10, |text| text.parse().unwrap());
    let runtime = start_runtime();
    let client = runtime.block_on(Client::connect(&servers)).unwrap();
    let group = format!("load-{}", wall_millis());
    let node = format!("/{group}");
    let options = CreateMode::Ephemeral.with_acls(Acls::anyone_all());
    runtime.block_on(client.create(&node, b"", &options)).unwrap();

    let quiet = beside(&runtime, &client, &node, || thread::sleep(SECOND * seconds));
    say("another client, nothing else", quiet);
    let store =
        ZookeeperOffsets::new(start_runtime(), Ensemble::new(servers.as_str()), "", &group.parse().unwrap())
            .signed();
    let member = MemberNode(node.clone());
    let write = |offset| {
        let stored = || Stored { offset: Offset(offset), note: NOTE.to_owned() };
        let keys =
            (0..partitions).map(|number| format!("orders:{number}").parse::<TopicPartition>().unwrap());
        let offsets: BTreeMap<_, _> = keys.map(|key| (key, stored())).collect();
        let began = now();
        assert!(store.write_as(&member, &offsets, began + SECOND * 30).values().all(Result::is_ok));
        began.elapsed()
    };
    println!("{partitions} partitions, nodes made: {:?}", write(0));
    let first = zxid(&runtime, &client, &node);
    let mut took = Vec::new();
    let busy = beside(&runtime, &client, &node, || {
        for round in 1..=i64::from(seconds) {
            let next: Instant = now() + SECOND;
            took.push(write(round));
            thread::sleep(next.saturating_duration_since(now()));
        }
    });
    let entries = zxid(&runtime, &client, &node) - first - i64::try_from(busy.len()).unwrap();
    say("another client beside the commits", busy);
    say("commits of all partitions", took);
    println!("entries in the log for them: {entries} in {seconds} s");
}

fn start_runtime() -> Handle {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let handle = runtime.handle().clone();
    thread::spawn(move || runtime.block_on(std::future::pending::<()>()));
    handle
}

/// How long each of another client's writes takes while `work` is done.
fn beside(runtime: &Handle, client: &Client, node: &str, work: impl FnOnce()) -> Vec<Duration> {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let measuring = scope.spawn(|| {
            let mut took = Vec::new();
            while !done.load(Ordering::Relaxed) {
                let began = now();
                runtime.block_on(client.set_data(node, b"", None)).unwrap();
                took.push(began.elapsed());
                thread::sleep(Duration::from_millis(10));
            }
            took
        });
        work();
        done.store(true, Ordering::Relaxed);
        measuring.join().unwrap()
    })
}

fn zxid(runtime: &Handle, client: &Client, node: &str) -> i64 {
    runtime.block_on(client.set_data(node, b"", None)).unwrap().mzxid
}

fn say(what: &str, mut took: Vec<Duration>) {
    took.sort_unstable();
    let at = |percent: usize| took[(took.len() - 1) * percent / 100];
    println!("{what}: {} times, p50 {:?}, p99 {:?}, longest {:?}", took.len(), at(50), at(99), at(100));
}
