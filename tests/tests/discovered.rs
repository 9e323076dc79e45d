//! A yelp_kafka service's settings and a discovery name are all that a supervisor needs; and what becomes of it when discovery
//! says something else, or nothing.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use kafkavisor::clock::now;
use kafkavisor::testing::{DiscoveryService, Served};
use kafkavisor_tests::checks::History;
use kafkavisor_tests::environment::{brokers, kafkavisor, kraft_brokers, unique, zookeeper};
use kafkavisor_tests::forwarder::Forwarder;
use kafkavisor_tests::instance::{Builder, Instance};
use kafkavisor_tests::message::numbered;
use kafkavisor_tests::offsets::committed;
use kafkavisor_tests::processes;
use kafkavisor_tests::recorder::Recorder;
use kafkavisor_tests::records::Records;
use kafkavisor_tests::topic::Topic;
use kafkavisor_tests::waiting::{until, until_equal, until_within};
use kafkavisor_tests::zookeeper::classic_offset;
use nix::sys::signal::Signal;
use serde_json::json;

/// The stand-in, with the shared servers.
fn served() -> Served {
    let broker_list = brokers().split(',').map(str::to_owned).collect();
    Served { broker_list, zookeeper: zookeeper(), ..Served::default() }
}

/// A supervisor of this topic whose cluster is found like this.
fn found(topic: &Topic, service: &DiscoveryService, cluster: serde_json::Value) -> Builder {
    let builder = Builder::of(topic).without("cluster.brokers").without("cluster.zookeeper");
    let cluster = cluster.as_object().expect("a map").clone().into_iter();
    cluster
        .fold(builder, |builder, (key, value)| builder.set(&format!("cluster.{key}"), value))
        .set("discovery", json!({"url": service.url()}))
}

#[test]
fn a_services_pasted_settings_and_a_discovery_name_are_all_that_it_needs() {
    let (topic, records) = (Topic::new(2), Records::new());
    let service = DiscoveryService::start(served()).unwrap();
    topic.produce(&numbered(2, 100));
    let group = unique("services.pasted");
    let instance = Builder::configured(json!({
        "group": group,
        "topics": [topic.name],
        "cluster": {"type": "standard", "region": "acceptance_test_region"},
        "discovery": {"url": service.url()},
        "handler": {"command": Recorder::new(&records).command()},
        "consumer": {
            "auto_offset_reset": "smallest",
            "auto_commit_every_t": 200,
            "auto_commit_interval_messages": 100,
            "consumer_timeout_ms": 100,
            "client_id": "pasted",
            "partitioner_cooldown": 0.2,
            "max_termination_timeout_secs": 20,
            "pre_rebalance_callback": null,
        },
    }))
    .start();
    instance.wait_consumed(&topic, 2);
    for partition in 0..2 {
        until_equal("no `offset_storage` means ZooKeeper", &Some("50".to_owned()), || {
            classic_offset(&zookeeper(), &group, &topic.name, partition)
        });
        assert_eq!(committed(&topic, &group, partition), None, "and ZooKeeper alone");
    }
    let log = instance.log();
    for words in [
        "`auto_commit_every_t` is deprecated: use `auto_commit_interval_ms`",
        "`consumer.consumer_timeout_ms`: means nothing here",
    ] {
        assert!(log.contains(words), "{words} is not in\n{log}");
    }
    instance.stop();
    History::of(&records, &topic).assert_exactly_once();
}

#[test]
fn each_form_finds_the_cluster_and_check_says_what_was_found() {
    let (topic, records) = (Topic::new(1), Records::new());
    let service = DiscoveryService::start(served()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("region"), "acceptance_test_region\n").unwrap();
    for cluster in [
        json!({"type": "standard", "region": "acceptance_test_region"}),
        json!({"type": "standard", "superregion": "acceptance_test_superregion"}),
        json!({"type": "standard", "name": "local_cluster"}),
        json!({"type": "standard"}),
    ] {
        let builder = found(&topic, &service, cluster.clone())
            .set("discovery.region", folder.path().join("region").to_str())
            .recorder(&Recorder::new(&records));
        let online = checked(&builder, &["--online", "--json"]);
        let shown: serde_json::Value = serde_json::from_slice(&online.stdout).expect("JSON");
        assert_eq!(
            shown["discovered"],
            json!({"brokers": brokers().split(',').collect::<Vec<_>>(), "zookeeper": zookeeper()})
        );
        let people = String::from_utf8(checked(&builder, &["--online"]).stdout).unwrap();
        assert!(people.starts_with("# Discovery has found brokers "), "{people}");
        let instance = builder.start();
        instance.wait_ready(1);
        instance.stop();
    }
}

/// `check` of this configuration, which is right.
#[track_caller]
fn checked(builder: &Builder, more: &[&str]) -> Output {
    let output = check(builder, more);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    output
}

fn check(builder: &Builder, more: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("k.yaml"), builder.text()).unwrap();
    let mut command = Command::new(kafkavisor());
    command.args(["check", "-c", "k.yaml"]).args(more).current_dir(folder.path()).stdin(Stdio::null());
    command.output().expect("kafkavisor runs")
}

/// A service that says this to whoever asks, whatever is asked; without a word it says nothing and hangs up never.
fn saying(answer: &'static str) -> (String, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let accepting = listener.try_clone().unwrap();
    thread::spawn(move || {
        while let Ok((mut client, _)) = accepting.accept() {
            if answer.is_empty() {
                std::mem::forget(client);
                continue;
            }
            let _ = client.read(&mut [0; 4096]);
            let _ = client.write_all(answer.as_bytes());
        }
    });
    (url, listener)
}

/// What a start without its cluster ends with, and so does `check --online`.
#[test]
fn what_is_not_found_ends_the_start_with_its_exit_code() {
    let (topic, records) = (Topic::new(1), Records::new());
    let known = Served { types: Some(vec!["standard".to_owned()]), ..served() };
    let service = DiscoveryService::start(known.clone()).unwrap();
    let empty = DiscoveryService::start(Served { broker_list: Vec::new(), ..known.clone() }).unwrap();
    let alone = DiscoveryService::start(Served { zookeeper: String::new(), ..known }).unwrap();
    let (silent, _silent) = saying("");
    let (broken, _broken) =
        saying("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let (other, _other) = saying("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}");
    let region = || json!({"type": "standard", "region": "acceptance_test_region"});
    let url = |url: &str| json!({"url": url});
    for (cluster, discovery, code, words) in [
        (
            json!({"type": "scribe", "region": "acceptance_test_region"}),
            url(&service.url()),
            78,
            "\"scribe\"",
        ),
        (json!({"type": "standard", "region": "mars"}), url(&service.url()), 78, "region \"mars\""),
        (json!({"type": "standard", "superregion": "mars"}), url(&service.url()), 78, "superregion \"mars\""),
        (json!({"type": "standard", "name": "mars"}), url(&service.url()), 78, "named \"mars\""),
        (region(), url("http://127.0.0.1:1"), 69, "127.0.0.1:1"),
        (region(), url(&silent), 69, "has not answered"),
        (region(), url(&broken), 69, "answers 500"),
        (region(), url(&other), 69, "no Swagger 2.0"),
        (region(), url(&empty.url()), 69, "names no broker"),
        (region(), url(&alone.url()), 69, "names no ZooKeeper"),
    ] {
        let builder = found(&topic, &service, cluster.clone())
            .set("discovery", discovery)
            .set("cluster.connect_timeout", "1s")
            .recorder(&Recorder::new(&records));
        let began = now();
        let log = builder.expect_exit(code);
        let took = now().duration_since(began);
        assert!(log.contains(words), "{cluster} with {words}: {log}");
        assert!(took < Duration::from_secs(10), "{cluster}: {took:?}");
        let online = check(&builder, &["--online"]);
        let said = String::from_utf8_lossy(&online.stderr).into_owned();
        assert_eq!(online.status.code(), Some(code), "{said}");
        assert!(said.contains(words), "{cluster} with {words}: {said}");
        checked(&builder, &[]);
    }
}

/// What is wrong in files is found by `check` too, which asks nobody.
#[test]
fn check_finds_whatever_ends_the_start_before_anybody_is_asked() {
    let topic = Topic::new(1);
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().map(str::to_owned);
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("empty", "");
    write("services.yaml", "kafka_discovery.main: {host: 'http://x', port: 1}\n");
    let local = "local_config: {cluster: one}\n";
    write(
        "standard.yaml",
        &format!("clusters: {{one: {{broker_list: ['k:1'], zookeeper: 'z:1'}}}}\n{local}"),
    );
    write("torn.yaml", "clusters: [\n");
    write("odd.yaml", &format!("clusters: {{one: {{broker_list: [k], zookeeper: 'z:1'}}}}\n{local}"));
    write("alone.yaml", &format!("clusters: {{one: {{broker_list: ['k:1'], zookeeper: ''}}}}\n{local}"));
    let nobody = "http://127.0.0.1:1";
    let region = || json!({"type": "standard", "region": "r"});
    let named = |kind: &str, name: &str| (json!({"type": kind, "name": name}), json!({"topology": [at("")]}));
    for ((cluster, discovery), code, words) in [
        ((region(), json!({"services": at("nothing")})), 78, "nothing: no such file"),
        ((region(), json!({"services": at("empty")})), 78, "has no `kafka_discovery.main`"),
        ((region(), json!({"services": at("torn.yaml")})), 78, "torn.yaml:2:1: not valid YAML"),
        ((region(), json!({"services": at("services.yaml")})), 78, "services.yaml: `kafka_discovery.main`"),
        (
            (json!({"type": "standard"}), json!({"url": nobody, "region": at("nothing")})),
            78,
            "nothing: no such",
        ),
        ((json!({"type": "standard"}), json!({"url": nobody, "region": at("empty")})), 78, "empty: is empty"),
        (named("standard", "two"), 78, "named \"two\""),
        (named("scribe", "one"), 78, "no topology file scribe.yaml"),
        (named("torn", "one"), 78, "torn.yaml:2:1: not valid YAML"),
        (named("../standard", "one"), 78, "can't be the name of a topology file"),
        (named("odd", "one"), 69, "\"k\""),
        (named("alone", "one"), 69, "names no ZooKeeper"),
    ] {
        let services = discovery.get("services").cloned().unwrap_or_else(|| json!(at("nothing")));
        let builder = Builder::of(&topic)
            .set("cluster", cluster.clone())
            .set("discovery", discovery.clone())
            .set("discovery.services", services)
            .shell("cat");
        for said in [builder.expect_exit(code), failed(&check(&builder, &[]), code)] {
            assert!(said.contains(words), "{cluster} {discovery} with {words}: {said}");
        }
    }
    let (cluster, discovery) = named("standard", "one");
    let builder = Builder::of(&topic).set("cluster", cluster).set("discovery", discovery).shell("cat");
    let right = checked(&builder.set("discovery.services", at("nothing")), &[]);
    let people = String::from_utf8(right.stdout).unwrap();
    assert!(people.starts_with("# Discovery has found brokers k:1, ZooKeeper z:1"), "{people}");
}

/// What a command that ended with this exit code said.
#[track_caller]
fn failed(output: &Output, code: i32) -> String {
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_service_that_comes_within_the_time_is_waited_for() {
    let (topic, records) = (Topic::new(1), Records::new());
    let service = DiscoveryService::start(served()).unwrap();
    let address = service.address();
    let builder = found(&topic, &service, json!({"type": "standard", "name": "local_cluster"}));
    drop(service);
    let instance = builder.recorder(&Recorder::new(&records)).start();
    until("it has begun", || instance.folder().join("run/lock").exists().then_some(()));
    let _service = DiscoveryService::listen(address, served()).unwrap();
    instance.wait_ready(1);
    instance.stop();
}

/// Every 30 s discovery is asked again; so this takes as long.
#[test]
fn while_it_runs_only_new_brokers_of_the_same_cluster_are_taken_up() {
    let (topic, records) = (Topic::new(1), Records::new());
    topic.produce(&numbered(1, 10));
    let (first, second) = (Forwarder::to(&brokers()), Forwarder::to(&brokers()));
    let at = |forwarder: &Forwarder| Served { broker_list: vec![forwarder.address()], ..served() };
    let services = [(); 3].map(|()| DiscoveryService::start(at(&first)).unwrap());
    let [moved, another, away] = &services;
    let start = |service, records: &Records| {
        found(&topic, service, json!({"type": "standard", "name": "local_cluster"}))
            .set("handler.command", Recorder::new(records).command())
            .start()
    };
    // One after the other has the partition: each in a group of its own.
    let others = [Records::new(), Records::new()];
    let instance = start(moved, &records);
    let [staying, waiting] = [start(another, &others[0]), start(away, &others[1])];
    for instance in [&instance, &staying, &waiting] {
        instance.wait_consumed(&topic, 1);
    }

    moved.serve(at(&second));
    another.serve(Served { broker_list: vec![kraft_brokers()], ..served() });
    away.serve(Served { types: Some(Vec::new()), ..served() });
    let within = Duration::from_secs(50);
    let says = |instance: &Instance, words: &str| {
        until_within(within, words, || instance.log().contains(words).then_some(()));
    };
    says(&instance, &format!("other brokers of the same Kafka cluster, {}", second.address()));
    says(&staying, &format!("brokers of another Kafka cluster, {}", kraft_brokers()));
    says(&waiting, "check the type and the name: the cluster stays as it was found");

    // What begins with the first address finds nobody now.
    first.stop();
    let worker = instance.wait_ready(1).partitions[0].worker_pid.unwrap();
    processes::signal(worker, Signal::SIGKILL);
    instance.wait_for("another worker", |status| {
        status.is_ready(1) && status.partitions[0].worker_pid != Some(worker)
    });
    topic.produce(&numbered(1, 10));
    for instance in [&instance, &staying, &waiting] {
        instance.wait_consumed(&topic, 1);
        instance.stop();
    }
    History::of(&records, &topic).assert_nothing_lost();
}
