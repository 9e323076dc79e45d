//! Metrics that are sent: the same numbers as `/metrics` shows, whatever becomes of those they are sent to.

use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::time::Duration;

use kafkavisor_tests::handlers;
use kafkavisor_tests::ingest::{Ingest, Posted};
use kafkavisor_tests::instance::Builder;
use kafkavisor_tests::message::numbered;
use kafkavisor_tests::topic::Topic;
use kafkavisor_tests::waiting::{until, until_within};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

/// A partition's datapoints, oldest first, as value and time.
fn of_partition(points: &[Value], partition: &str) -> Vec<(u64, i64)> {
    let ours = points.iter().filter(|point| point["dimensions"]["partition"] == partition);
    ours.map(|point| (point["value"].as_u64().unwrap(), point["timestamp"].as_i64().unwrap())).collect()
}

#[test]
fn signalfx_gets_what_it_refused_and_what_it_missed() {
    let topic = Topic::new(2);
    topic.produce(&numbered(2, 10));
    let ingest = Ingest::start();
    ingest.then_say(429, "retry-after: 2\r\n");
    ingest.then_say(503, "");
    let address = ingest.address();
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "first-token\n").unwrap();
    let instance = Builder::of(&topic)
        .handler([handlers::shell()])
        .name("billing-1")
        .set(
            "metrics.signalfx",
            json!({"url": format!("http://{address}"), "token": {"file": token}, "interval": "1s"}),
        )
        .start();
    instance.wait_consumed(&topic, 2);
    let is_taken = |ingest: &Ingest, messages: u64| {
        let points = ingest.taken("cumulative_counter", "kafkavisor_messages_total");
        of_partition(&points, "1").last().is_some_and(|(value, _)| *value == messages)
    };
    until("it is taken", || is_taken(&ingest, 5).then_some(()));
    let posted = ingest.posted();
    assert!(
        posted.iter().all(|posted| posted.request == "POST /v2/datapoint" && posted.token == "first-token")
    );
    let statuses: Vec<_> = posted.iter().map(|posted| posted.status).take(3).collect();
    assert_eq!(statuses, [429, 503, 200]);
    for kind in ["gauge", "cumulative_counter"] {
        let of = |posted: &Posted| posted.body[kind].as_array().unwrap().clone();
        let (refused, taken) = (of(&posted[0]), of(&posted[2]));
        assert!(
            refused.len() > 10 && refused.iter().all(|point| taken.contains(point)),
            "all of it comes again"
        );
    }
    let lag = ingest.taken("gauge", "kafkavisor_lag").pop().unwrap();
    let dimensions = &lag["dimensions"];
    assert_eq!((&dimensions["group"], &dimensions["topic"]), (&json!(instance.group()), &json!(topic.name)));
    assert_eq!(dimensions["name"], "billing-1");
    assert!(!dimensions["host"].as_str().unwrap().is_empty());
    let buckets = ingest.taken("cumulative_counter", "kafkavisor_acknowledge_seconds_bucket");
    let all = buckets.iter().rfind(|point| point["dimensions"]["le"] == "+Inf").unwrap();
    assert_eq!(all["value"], 10);

    // Nobody listens for a while, and nothing of that time is missing.
    drop(ingest);
    topic.produce(&numbered(2, 10));
    instance.wait_consumed(&topic, 2);
    instance.wait_for_log("figures are kept");
    std::fs::write(&token, "second-token\n").unwrap();
    let ingest = Ingest::at(address);
    let times = || -> Vec<_> {
        let points = ingest.taken("cumulative_counter", "kafkavisor_messages_total");
        of_partition(&points, "0").into_iter().map(|(_, time)| time).collect()
    };
    // What was kept comes first; whether that is more than once is a matter of when it was refused.
    until_within(Duration::from_secs(30), "what was missed comes, and what follows", || {
        (is_taken(&ingest, 10) && times().len() >= 2).then_some(())
    });
    assert!(times().is_sorted(), "{:?}", times());
    assert!(ingest.posted().iter().all(|posted| posted.token == "second-token"));
    assert!(!instance.log().contains("first-token"), "a token is not logged");
    instance.stop();
}

/// What a receiver of StatsD adds up: counters by name and tags, and the last of each gauge.
#[derive(Default)]
struct Received {
    counters: BTreeMap<String, f64>,
    gauges: BTreeMap<String, f64>,
}

impl Received {
    fn take(&mut self, datagram: &str) {
        assert!(datagram.len() <= 1432, "{}", datagram.len());
        for line in datagram.lines() {
            let (name, rest) = line.split_once(':').unwrap_or_else(|| panic!("{line}"));
            let [number, kind, tags] = rest.split('|').collect::<Vec<_>>()[..] else { panic!("{line}") };
            let number: f64 = number.parse().unwrap();
            let series = format!("{name}{tags}");
            match kind {
                "c" => *self.counters.entry(series).or_default() += number,
                "g" => drop(self.gauges.insert(series, number)),
                _ => panic!("{line}"),
            }
        }
    }
}

#[test]
fn statsd_is_sent_what_came_since_and_may_be_away() {
    let topic = Topic::new(2);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut instance =
        Builder::of(&topic).handler([handlers::shell()]).set("metrics.statsd", "127.0.0.1:9").start();
    instance.wait_ready(2);
    // Nobody has listened at the first.
    instance.reconfigure(|builder| builder.set("metrics.statsd", socket.local_addr().unwrap().to_string()));
    instance.signal(Signal::SIGHUP);
    instance.wait_for_log("the roll is over");
    topic.produce(&numbered(2, 30));
    instance.wait_consumed(&topic, 2);
    let mut received = Received::default();
    let series = |partition: i32| {
        let name = &instance.group();
        let host = nix::unistd::gethostname().unwrap().to_string_lossy().into_owned();
        format!(
            "kafkavisor_messages_total#group:{name},topic:{},partition:{partition},host:{host},name:{name}",
            topic.name
        )
    };
    let owned = |received: &Received| {
        let mut gauges = received.gauges.iter();
        gauges.find(|(name, _)| name.starts_with("kafkavisor_partitions_owned")).map(|(_, owned)| *owned)
    };
    let mut bytes = [0; 4096];
    // What was sent together comes in several datagrams.
    while received.counters.get(&series(1)).is_none_or(|messages| *messages < 15.0)
        || owned(&received).is_none()
    {
        let length = socket.recv(&mut bytes).expect("a datagram");
        received.take(std::str::from_utf8(&bytes[..length]).unwrap());
    }
    assert!((received.counters[&series(0)] - 15.0).abs() < 1e-9);
    assert!((owned(&received).unwrap() - 2.0).abs() < 1e-9);
    instance.stop();
}
