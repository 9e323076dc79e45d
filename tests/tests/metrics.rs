//! An instance as numbers: they agree with `status`, they only grow where they must, and Prometheus reads them.

#![expect(clippy::float_cmp, reason = "what is counted is whole")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use kafkavisor_tests::environment::{project, zookeeper};
use kafkavisor_tests::forwarder::Forwarder;
use kafkavisor_tests::handlers;
use kafkavisor_tests::instance::{Builder, Instance};
use kafkavisor_tests::message::{Message, numbered};
use kafkavisor_tests::processes;
use kafkavisor_tests::prometheus::Prometheus;
use kafkavisor_tests::scrape::{Scrape, promtool};
use kafkavisor_tests::topic::Topic;
use kafkavisor_tests::waiting::until;
use kafkavisor_tests::web::{address_of, get_with};
use nix::sys::signal::Signal;
use serde_json::Value;

const HTTP: (&str, &str) = ("admin.http", "127.0.0.1:0");

fn consuming(topic: &Topic) -> Instance {
    let instance = Builder::of(topic).handler([handlers::shell()]).set(HTTP.0, HTTP.1).start();
    instance.wait_consumed(topic, 2);
    instance
}

#[test]
fn they_agree_with_status_and_prometheus_finds_nothing_wrong_with_them() {
    let topic = Topic::new(2);
    topic.produce(&numbered(2, 30));
    let instance = consuming(&topic);
    let scrape = Scrape::of(address_of(&instance));
    let status = instance.status().unwrap();
    let group = format!("group=\"{}\"", instance.group());
    for partition in &status.partitions {
        let labels = [
            &*group,
            &format!("topic=\"{}\"", topic.name),
            &format!("partition=\"{}\"", partition.partition),
        ];
        let is = |name: &str, expected: f64| {
            let is = scrape.value(name, &labels);
            assert!((is - expected).abs() < 1e-9, "{name}: {is}, {expected} by status");
        };
        #[expect(clippy::cast_precision_loss, reason = "numbers of a test are small")]
        let real = |number: u64| number as f64;
        is("kafkavisor_messages_total", real(partition.messages_total));
        is("kafkavisor_bytes_total", real(partition.bytes_total));
        is("kafkavisor_lag", real(partition.lag.unwrap().unsigned_abs()));
        is("kafkavisor_lag_seconds", partition.lag_seconds.unwrap());
        is("kafkavisor_in_flight", real(partition.in_flight));
        is("kafkavisor_handler_silent_seconds", 0.0);
        let states: Vec<_> =
            scrape.series.keys().filter(|series| series.starts_with("kafkavisor_worker_state")).collect();
        assert!(
            states.len() == 2 && states.iter().all(|state| state.contains("state=\"ready\"")),
            "{states:?}"
        );
    }
    let of = |name: &str, labels: &[&str]| scrape.value(name, &[&[&*group], labels].concat());
    assert_eq!(scrape.sum("kafkavisor_messages_total", &[]), 30.0);
    assert_eq!(of("kafkavisor_acknowledge_seconds_count", &[]), 30.0);
    assert_eq!(of("kafkavisor_acknowledge_seconds_bucket", &["le=\"+Inf\""]), 30.0);
    assert_eq!(of("kafkavisor_partitions", &["state=\"ready\""]), 2.0);
    assert_eq!(of("kafkavisor_partitions", &["state=\"crash_loop\""]), 0.0);
    assert_eq!(scrape.all("kafkavisor_worker_restarts_total", &[]), [0.0; 9]);
    for (name, expected) in [
        ("kafkavisor_lag_sum", 0.0),
        ("kafkavisor_lag_max", 0.0),
        ("kafkavisor_lag_seconds_max", 0.0),
        ("kafkavisor_partitions_owned", 2.0),
        ("kafkavisor_zookeeper_connected", 1.0),
        ("kafkavisor_rebalances_total", 1.0),
        ("kafkavisor_rebalance_seconds_count", 1.0),
        ("kafkavisor_commit_errors_total", 0.0),
        ("kafkavisor_dead_lettered_total", 0.0),
        ("kafkavisor_log_lines_dropped_total", 0.0),
    ] {
        assert_eq!(of(name, &[]), expected, "{name}");
    }
    assert_eq!(
        scrape.value("kafkavisor_build_info", &[&format!("version=\"{}\"", env!("CARGO_PKG_VERSION"))]),
        1.0
    );
    of_the_process(&instance, &scrape);
    let ungrouped: Vec<_> = scrape.series.keys().filter(|series| !series.contains(&group)).collect();
    assert!(
        ungrouped
            .iter()
            .all(|name| name.starts_with("process_") || name.starts_with("kafkavisor_build_info"))
    );

    let (fine, said) = promtool(&["check", "metrics"], &scrape.text);
    assert!(fine && said.is_empty(), "{said}\n{}", scrape.text);
    instance.stop();
}

fn of_the_process(instance: &Instance, scrape: &Scrape) {
    let names: Vec<_> = scrape.series.keys().filter(|name| name.starts_with("process_")).collect();
    assert_eq!(
        names,
        [
            "process_cpu_seconds_total",
            "process_max_fds",
            "process_open_fds",
            "process_resident_memory_bytes",
            "process_start_time_seconds",
            "process_virtual_memory_bytes"
        ]
    );
    let now = Duration::from_millis(kafkavisor::clock::wall_millis().unsigned_abs()).as_secs_f64();
    let age = now - scrape.value("process_start_time_seconds", &[]);
    let uptime = instance.status().unwrap().uptime_seconds;
    assert!((uptime - 1.0..uptime + 20.0).contains(&age), "{age} s old, {uptime} by status");
    assert!(scrape.value("process_open_fds", &[]) > 10.0);
    assert!(scrape.value("process_resident_memory_bytes", &[]) > 1e6);
}

#[test]
fn openmetrics_is_there_for_whoever_asks_for_it() {
    let topic = Topic::new(1);
    let instance = Builder::fixed(&topic, &[0]).handler([handlers::shell()]).set(HTTP.0, HTTP.1).start();
    instance.wait_ready(1);
    let address = address_of(&instance);
    let asked = |accept: &str| get_with(address, "/metrics", &format!("Host: localhost\r\nAccept: {accept}"));
    let open = asked("application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1");
    assert_eq!(
        open.header("content-type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    assert!(
        open.body.ends_with("# EOF\n") && open.body.contains("# TYPE kafkavisor_messages counter\n"),
        "{open:?}"
    );
    let plain = asked("*/*");
    assert_eq!(plain.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert!(!plain.body.contains("EOF"));
    let scrape = Scrape::read(&plain.body);
    assert!(scrape.all("kafkavisor_zookeeper_connected", &[]).is_empty(), "nobody uses it here");
    instance.stop();
}

/// What never falls, whatever happened between two scrapes; a series that was away comes back no lower.
#[derive(Default)]
struct Ratchet(BTreeMap<String, f64>);

impl Ratchet {
    fn turn(&mut self, address: SocketAddr) -> Scrape {
        let scrape = Scrape::of(address);
        for (series, number) in scrape.growing() {
            let before = self.0.insert(series.to_owned(), number).unwrap_or_default();
            assert!(number >= before, "{series} falls from {before} to {number}");
        }
        scrape
    }

    /// Looks until it is so.
    fn until(&mut self, what: &str, address: SocketAddr, is: impl Fn(&Scrape) -> bool) {
        until(what, || is(&self.turn(address)).then_some(()));
    }
}

#[test]
fn counters_only_grow_over_workers_sessions_and_partitions_that_leave() {
    let topic = Topic::new(2);
    let way = Forwarder::to(&zookeeper());
    let group = kafkavisor_tests::environment::unique("group");
    let builder = Builder::of(&topic).group(&group).handler([handlers::shell()]).set(HTTP.0, HTTP.1);
    let instance = builder
        .clone()
        .set("cluster.zookeeper", way.address())
        .set("assignment.session_timeout", "2s")
        .start();
    let address = address_of(&instance);
    let mut ratchet = Ratchet::default();
    let messages = |scrape: &Scrape| scrape.sum("kafkavisor_acknowledge_seconds_count", &[]);
    let owned = |scrape: &Scrape| scrape.value("kafkavisor_partitions_owned", &[]);
    topic.produce(&numbered(2, 10));
    ratchet.until("all are acknowledged", address, |scrape| messages(scrape) == 10.0);

    let worker = instance.wait_ready(2).partition(0).worker_pid.unwrap();
    processes::signal(worker, Signal::SIGKILL);
    ratchet.until("its end is counted", address, |scrape| {
        scrape.value("kafkavisor_worker_restarts_total", &["reason=\"worker_signal\""]) == 1.0
    });
    topic.produce(&numbered(2, 10));
    ratchet.until("its successor goes on", address, |scrape| messages(scrape) == 20.0);

    way.turn_to("127.0.0.1:1");
    ratchet
        .until("it is cut off", address, |scrape| scrape.value("kafkavisor_zookeeper_connected", &[]) == 0.0);
    let said =
        |words: &str| instance.ask("status", &[]).stdout.windows(words.len()).any(|w| w == words.as_bytes());
    until("status says what comes next", || {
        said("trouble: ZooKeeper is not reached: handlers get messages for ").then_some(())
    });
    instance.wait_for("no worker is left", |status| {
        status.partitions.iter().all(|partition| partition.worker_pid.is_none())
    });
    let session = instance.status().unwrap().assignment.session;
    // Nobody comes before its session is over.
    instance.wait_for_log("session with ZooKeeper is lost");
    way.turn_to(&zookeeper());
    instance.wait_for("another session", |status| status.is_ready(2) && status.assignment.session != session);
    topic.produce(&numbered(2, 10));
    ratchet.until("it goes on", address, |scrape| messages(scrape) == 30.0 && owned(scrape) == 2.0);
    let rebalances = ratchet.turn(address).value("kafkavisor_rebalances_total", &[]);
    assert!(rebalances >= 2.0, "{rebalances}");

    let second = builder.start();
    ratchet.until("one partition has left", address, |scrape| owned(scrape) == 1.0);
    second.wait_ready(1);
    topic.produce(&numbered(2, 10));
    ratchet.until("its own are acknowledged", address, |scrape| messages(scrape) == 35.0);
    second.wait_consumed(&topic, 1);
    second.stop();
    ratchet.until("it is back", address, |scrape| owned(scrape) == 2.0);
    topic.produce(&numbered(2, 10));
    ratchet.until("it goes on", address, |scrape| messages(scrape) == 45.0);
    let scrape = ratchet.turn(address);
    assert_eq!(scrape.sum("kafkavisor_messages_total", &[]), 45.0);
    assert!(scrape.value("kafkavisor_rebalances_total", &[]) >= rebalances + 2.0);
    instance.stop();
}

#[test]
fn without_series_for_partitions_the_sums_hold_those_that_have_left() {
    let topic = Topic::new(2);
    topic.produce(&numbered(2, 10));
    let builder = Builder::of(&topic).handler([handlers::shell()]).set(HTTP.0, HTTP.1);
    let instance = builder.clone().set("metrics.per_partition", false).start();
    instance.wait_consumed(&topic, 2);
    let second = builder.group(&instance.group()).start();
    second.wait_ready(1);
    let scrape = Scrape::of(address_of(&instance));
    assert!(!scrape.text.contains("partition="), "{}", scrape.text);
    let group = format!("{{group=\"{}\"}}", instance.group());
    for (name, expected) in [("messages_total", 10.0), ("partitions_owned", 1.0)] {
        assert_eq!(scrape.series[&format!("kafkavisor_{name}{group}")], expected);
    }
    assert!(scrape.series[&format!("kafkavisor_bytes_total{group}")] > 0.0);
    second.stop();
    instance.stop();
}

#[test]
fn they_say_for_how_long_a_handler_is_silent() {
    let topic = Topic::new(2);
    topic.produce(&[Message::to(0, "busy"), Message::to(1, "work")]);
    let busy = "while echo '{\"busy\":0}'; do sleep 0.5; done";
    let script =
        format!("read init; read message; [ $KAFKAVISOR_PARTITION = 0 ] && {{ {busy}; }}; exec sleep 600");
    let name = "kafkavisor_handler_silent_seconds";
    let builder = Builder::fixed(&topic, &[0, 1]).shell(&script).set(HTTP.0, HTTP.1);
    let (each, whole) = (builder.clone().start(), builder.set("metrics.per_partition", false).start());
    let silent = |of: Option<i32>| {
        let labels = of.map(|partition| format!("partition=\"{partition}\""));
        let labels: Vec<_> = labels.iter().map(String::as_str).collect();
        Scrape::of(address_of(if of.is_some() { &each } else { &whole })).value(name, &labels)
    };
    until("what says nothing is silent for ever longer", || (silent(Some(1)) > 4.0).then_some(()));
    assert!(silent(Some(0)) < 3.0, "what is busy says so");
    until("without series for partitions the longest is told", || (silent(None) > 4.0).then_some(()));
    for instance in [each, whole] {
        instance.signal(Signal::SIGKILL);
        instance.assert_gone();
    }
}

/// The rows of its tables: a name, and what stands beside it.
fn documented() -> BTreeMap<String, (String, String)> {
    let text = std::fs::read_to_string(project().join("docs/metrics.md")).unwrap();
    let rows = text.lines().filter_map(|line| {
        let cells: Vec<_> =
            line.strip_prefix("| `")?.trim_end_matches('|').split('|').map(str::trim).collect();
        let [name, kind, _unit, meaning] = cells.as_slice() else { panic!("four cells: {line}") };
        let name = name.trim_end_matches('`').split('{').next().unwrap_or_default();
        Some((name.to_owned(), ((*kind).to_owned(), (*meaning).to_owned())))
    });
    rows.collect()
}

#[test]
fn each_is_documented_as_it_is() {
    let topic = Topic::new(2);
    topic.produce(&numbered(2, 2));
    let instance = consuming(&topic);
    let scrape = Scrape::of(address_of(&instance));
    let shown: BTreeMap<_, _> = scrape
        .described
        .into_iter()
        .map(|(name, described)| (name, (described.kind, described.help)))
        .collect();
    assert_eq!(documented(), shown);
    instance.stop();
}

/// What it asks Prometheus for.
fn queries(dashboard: &Value) -> Vec<String> {
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.filter_map(|panel| panel["targets"].as_array()).flatten();
    let asked = targets.map(|target| target["expr"].as_str().unwrap());
    let filled =
        |query: &str| query.replace("$group", ".*").replace("$job", ".*").replace("$__rate_interval", "10s");
    asked.map(filled).collect()
}

#[test]
fn each_query_of_the_dashboard_finds_something_in_a_real_prometheus() {
    let text = std::fs::read_to_string(project().join("config/grafana.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let queries = queries(&dashboard);
    assert!(queries.len() > 25, "{queries:#?}");
    let topic = Topic::new(2);
    topic.produce(&numbered(2, 10));
    let instance = consuming(&topic);
    let paused = instance.ask("pause", &[&format!("{}:1", topic.name)]);
    assert!(paused.status.success(), "{paused:?}");
    let prometheus = Prometheus::scraping(address_of(&instance));
    // Rates take two scrapes.
    prometheus.until("rate(kafkavisor_messages_total[10s])");
    for query in queries {
        assert!(!prometheus.query(&query).is_empty(), "{query} finds nothing");
    }
    // By OpenMetrics it is what the other format says, histograms included.
    let count = prometheus.query("kafkavisor_acknowledge_seconds_bucket{le=\"+Inf\"}");
    assert_eq!(count[0]["value"][1], "10");
    instance.stop();
}

#[test]
fn prometheus_takes_the_alerts_and_each_is_told_of_its_trouble_alone() {
    let folder = project().join("config");
    let path = |file: &str| folder.join(file).display().to_string();
    for arguments in [["check", "rules", &path("alerts.yaml")], ["test", "rules", &path("alerts.test.yaml")]]
    {
        let (fine, said) = promtool(&arguments, "");
        assert!(fine, "{said}");
    }
}

#[test]
fn alerts_and_dashboard_know_no_metric_that_is_not_documented() {
    let known = documented();
    for file in ["alerts.yaml", "grafana.json"] {
        let text = std::fs::read_to_string(project().join("config").join(file)).unwrap();
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        for word in
            words.filter(|word| ["kafkavisor_", "process_"].iter().any(|start| word.starts_with(start)))
        {
            let ends = ["", "_bucket", "_sum", "_count"];
            let is_known =
                ends.iter().any(|end| word.strip_suffix(end).is_some_and(|name| known.contains_key(name)));
            assert!(is_known, "{file}: {word}");
        }
    }
}
