//! Clusters, topics and logs through a stand-in for the discovery service, with real Kafka behind it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use kafkavisor::clock::now;
use kafkavisor::discovery::{ClusterConfig, ClusterTopics, Discovery, DiscoveryError, Settings};
use kafkavisor::ids::{Partition, Topic as Name};
use kafkavisor::testing::{DiscoveryService, Served};
use kafkavisor_tests::command::run;
use kafkavisor_tests::environment::{brokers, kafkavisor, kraft_brokers, project, unique, zookeeper};
use kafkavisor_tests::topic::Topic;
use kafkavisor_tests::waiting::until;
use serde_json::{Value, json};
use tempfile::TempDir;

fn service() -> DiscoveryService {
    let broker_list = brokers().split(',').map(str::to_owned).collect();
    let streams = vec!["ranger".to_owned(), "ranger_old".to_owned()];
    DiscoveryService::start(Served { broker_list, zookeeper: zookeeper(), streams, ..Served::default() })
        .unwrap()
}

fn cluster(cluster_type: &str) -> ClusterConfig {
    ClusterConfig::new(cluster_type, "local_cluster", brokers(), zookeeper())
}

/// Looks at `folder` alone, where this is the stand-in's region.
fn settings(folder: &Path, url: Option<String>) -> Settings {
    std::fs::write(folder.join("region"), "acceptance_test_region\n").unwrap();
    Settings {
        url,
        services: folder.join("services.yaml"),
        topology: vec![folder.to_owned()],
        region: folder.join("region"),
        superregion: folder.join("superregion"),
        kafka_timeout: Duration::from_secs(30),
        ..Settings::default()
    }
}

fn asking(service: &DiscoveryService) -> (TempDir, Discovery) {
    let folder = tempfile::tempdir().unwrap();
    let discovery = Discovery::with(settings(folder.path(), Some(service.url())), "my-client-id");
    (folder, discovery)
}

/// Two clusters of type standard, as a topology file has them.
fn of_two_clusters(second: &str) -> (TempDir, Discovery) {
    let folder = tempfile::tempdir().unwrap();
    let (first, zookeeper) = (brokers(), zookeeper());
    let text = format!(
        "clusters:\n  first: {{broker_list: '{first}', zookeeper: '{zookeeper}'}}\n  second: {{broker_list: ['{second}'], zookeeper: ''}}\n\
         local_config: {{cluster: first}}\n"
    );
    std::fs::write(folder.path().join("standard.yaml"), text).unwrap();
    let discovery = Discovery::with(settings(folder.path(), None), "my-client-id");
    (folder, discovery)
}

fn names(found: &[ClusterTopics]) -> Vec<(&str, Vec<&str>)> {
    found
        .iter()
        .map(|one| (one.cluster.name.as_str(), one.topics.iter().map(Name::as_str).collect()))
        .collect()
}

/// What a command prints as JSON.
fn printed(arguments: &[&str]) -> Value {
    let output =
        Command::new(kafkavisor()).args(arguments).arg("--json").stdin(Stdio::null()).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), stderr.as_ref()), (Some(0), ""), "{arguments:?}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn a_clusters_topics_are_discovered_with_their_partitions() {
    let (topic, service) = (Topic::new(3), service());
    let (_folder, discovery) = asking(&service);
    let topics = discovery.discover_topics(&cluster("standard")).unwrap();
    let name = Name::new(&topic.name).unwrap();
    assert_eq!(topics.get(&name), Some(&vec![Partition(0), Partition(1), Partition(2)]));
    let connection = discovery.kafka_connection("standard").unwrap();
    assert_eq!(connection.cluster(), &cluster("standard"));
    assert_eq!(connection.topics().unwrap().get(&name).map(Vec::len), Some(3));
    assert_eq!(discovery.local_topic_exists("standard", &topic.name), Ok(true));
    assert_eq!(discovery.local_topic_exists("standard", &topic.name[1..]), Ok(false));
}

/// As in the user's document: a consumer for all topics that end with mytopic in the local region's standard cluster.
#[test]
fn topics_are_searched_by_regex_in_the_local_regions_cluster() {
    let mine = unique("mytopic");
    let name = |before: &str, behind: &str| format!("{before}{mine}{behind}");
    for name in [name("", ""), name("your-", ""), name("", "-2")] {
        Topic::named(&brokers(), &name).create(1, &[]);
    }
    let service = service();
    let (_folder, discovery) = asking(&service);
    let region_cluster = discovery.region_cluster("standard", None).unwrap();
    let clusters = [region_cluster.clone()];
    let found = discovery.search_topics_by_regex(&format!(".*{mine}$"), &clusters).unwrap();
    assert_eq!(names(&found), [("local_cluster", vec![name("", "").as_str(), &name("your-", "")])]);
    assert_eq!(found[0].cluster, region_cluster);
    // Anchored at the start only.
    let found = discovery.search_topics_by_regex(&mine, &clusters).unwrap();
    assert_eq!(names(&found), [("local_cluster", vec![name("", "").as_str(), &name("", "-2")])]);
    assert_eq!(discovery.search_topics_by_regex(&mine[1..], &clusters), Ok(vec![]));
    assert_eq!(
        discovery.search_topic(&mine, &clusters),
        Ok(vec![(Name::new(&mine).unwrap(), region_cluster)])
    );
    assert_eq!(discovery.search_topic(&mine[1..], &clusters), Ok(vec![]));
}

#[test]
fn topics_are_searched_in_all_clusters_of_a_type() {
    let mine = unique("mytopic");
    let (both, one) = (format!("{mine}-both"), format!("{mine}-one"));
    for (brokers, name) in [(brokers(), &both), (kraft_brokers(), &both), (kraft_brokers(), &one)] {
        Topic::named(&brokers, name).create(1, &[]);
    }
    let (_folder, discovery) = of_two_clusters(&kraft_brokers());
    let clusters = |topic: &str| {
        let found = discovery.search_topic_in_all_clusters("standard", topic);
        found.map(|found| found.into_iter().map(|(_, cluster)| cluster.name).collect::<Vec<_>>())
    };
    assert_eq!(clusters(&both), Ok(vec!["first".to_owned(), "second".to_owned()]));
    assert_eq!(clusters(&one), Ok(vec!["second".to_owned()]));
    let error = clusters("no-such-topic").unwrap_err();
    assert!(matches!(error, DiscoveryError::UnknownTopic { .. }));
    assert!(
        error
            .to_string()
            .contains("\"no-such-topic\" is in no cluster of type \"standard\" (looked in first, second)"),
        "{error}"
    );
    let found = discovery.search_topics_by_regex_in_all_clusters("standard", &mine).unwrap();
    assert_eq!(names(&found), [("first", vec![both.as_str()]), ("second", vec![&both, &one])]);
    let error = discovery.search_topics_by_regex_in_all_clusters("standard", "no-such.*").unwrap_err();
    assert!(
        matches!(error, DiscoveryError::NoTopicMatches { .. }) && error.to_string().contains("first, second"),
        "{error}"
    );
    let connections = discovery.all_kafka_connections("standard").unwrap();
    assert_eq!(
        connections.iter().map(|open| open.cluster().name.as_str()).collect::<Vec<_>>(),
        ["first", "second"]
    );
}

/// Hands connections through to Kafka, and counts those that are open.
fn counting() -> (String, Arc<AtomicUsize>, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (seen, open) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let counted = (Arc::clone(&seen), Arc::clone(&open));
    thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            let mut kafka = TcpStream::connect(brokers()).unwrap();
            let (mut back, mut from) = (client.try_clone().unwrap(), kafka.try_clone().unwrap());
            counted.0.fetch_add(1, Ordering::SeqCst);
            counted.1.fetch_add(1, Ordering::SeqCst);
            let open = Arc::clone(&counted.1);
            thread::spawn(move || std::io::copy(&mut from, &mut back));
            thread::spawn(move || {
                let _until_the_client_goes = std::io::copy(&mut client, &mut kafka);
                open.fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
    (address, seen, open)
}

#[test]
fn when_one_cluster_is_not_reached_the_connections_to_others_are_closed() {
    let folder = tempfile::tempdir().unwrap();
    let (through, seen, open) = counting();
    let down = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let text = format!(
        "clusters:\n  a: {{broker_list: ['{through}'], zookeeper: ''}}\n  b: {{broker_list: ['{down}'], zookeeper: ''}}\nlocal_config:\n"
    );
    std::fs::write(folder.path().join("standard.yaml"), text).unwrap();
    let within = Duration::from_secs(3);
    let discovery =
        Discovery::with(Settings { kafka_timeout: within, ..settings(folder.path(), None) }, "me");
    let began = now();
    let error = discovery.all_kafka_connections("standard").unwrap_err();
    let text = error.to_string();
    assert!(
        error.is_unreachable() && text.contains("the cluster \"b\"") && text.contains(&down.to_string()),
        "{text}"
    );
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert!(seen.load(Ordering::SeqCst) > 0, "the first was connected");
    until("nothing of it is open", || (open.load(Ordering::SeqCst) == 0).then_some(()));
}

#[test]
fn a_cluster_whose_brokers_are_silent_is_named_in_time() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let cluster = ClusterConfig::new("standard", "silent", silent.local_addr().unwrap().to_string(), "");
    let folder = tempfile::tempdir().unwrap();
    let within = Duration::from_secs(2);
    let discovery =
        Discovery::with(Settings { kafka_timeout: within, ..settings(folder.path(), None) }, "me");
    let began = now();
    let error = discovery.search_topic("orders", &[cluster]).unwrap_err().to_string();
    assert!(
        error.contains("topics of the cluster \"silent\"") && error.contains("was not reached within 2s"),
        "{error}"
    );
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[test]
fn the_commands_print_what_programs_may_read() {
    let (topic, service) = (Topic::new(2), service());
    let url = service.url();
    let of = |cluster_type: &str| {
        let list: Vec<String> = brokers().split(',').map(str::to_owned).collect();
        json!({"type": cluster_type, "name": "local_cluster", "broker_list": list, "zookeeper": zookeeper()})
    };
    for which in [
        &[][..],
        &["--region", "acceptance_test_region"],
        &["--superregion", "acceptance_test_superregion"],
        &["--name", "local_cluster"],
    ] {
        let base = ["clusters", "--type", "spam", "--discovery", &url];
        assert_eq!(printed(&[&base[..], which].concat()), json!([of("spam")]), "{which:?}");
        let topics = ["topics", &topic.name, "--type", "standard", "--discovery", &url];
        let found = json!([{"topic": topic.name, "partitions": 2, "cluster": "local_cluster"}]);
        assert_eq!(printed(&[&topics[..], which].concat()), found, "{which:?}");
    }
    let given = brokers();
    let found = printed(&["topics", &topic.name, "-b", &given]);
    assert_eq!(found, json!([{"topic": topic.name, "partitions": 2, "cluster": null}]));
    let all = printed(&["topics", "-b", &given]);
    assert!(all.as_array().unwrap().iter().any(|one| one["topic"] == json!(topic.name)));
    let logs = |topics: Value| json!([{"cluster": of("scribe"), "topics": topics}]);
    let region = ["--region", "acceptance_test_region", "--discovery", &url];
    let one = json!(["scribe.acceptance_test_region.ranger"]);
    assert_eq!(printed(&[&["logs", "ranger"][..], &region].concat()), logs(one.clone()));
    let superregion = ["--superregion", "acceptance_test_superregion", "--discovery", &url];
    assert_eq!(printed(&[&["logs", "ranger"][..], &superregion].concat()), logs(one));
    let both = json!(["scribe.acceptance_test_region.ranger", "scribe.acceptance_test_region.ranger_old"]);
    assert_eq!(printed(&[&["logs", "--match", "rang"][..], &region].concat()), logs(both));
    assert_eq!(printed(&["logs", "--regions", "--discovery", &url]), json!(["acceptance_test_region"]));
}

/// One cluster that is down hides nothing of the others, and is named.
#[test]
fn topics_of_all_clusters_are_shown_though_one_is_down() {
    let topic = Topic::new(2);
    let down = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let (folder, _discovery) = of_two_clusters(&down);
    let text = format!("discovery: {{services: /nowhere, topology: ['{}']}}\n", folder.path().display());
    let file = folder.path().join("k.yaml");
    std::fs::write(&file, text).unwrap();
    let topics = |more: &[&str]| {
        let arguments = ["topics", "--type", "standard", "-c", file.to_str().unwrap()];
        run(arguments.iter().chain(more)).exits(69).saying(&["the cluster \"second\"", &down])
    };
    let found = json!([{"topic": topic.name, "partitions": 2, "cluster": "first"}]);
    assert_eq!(topics(&[&topic.name, "--json"]).json(), found);
    let shown = topics(&[&topic.name]);
    assert!(shown.out.lines().nth(1).is_some_and(|line| line.starts_with(&topic.name)), "{shown:?}");
    // Whether it is there at all can't be told.
    let none = topics(&["no-such-.*"]).saying(&["no topic matches \"no-such-.*\"", "in first ("]);
    assert_eq!(none.out, "");
}

/// Of a whole instance's file, or of one that says nothing else.
#[test]
fn where_to_look_may_stand_in_the_file_and_the_flag_wins() {
    let (service, other) = (service(), service());
    other.serve(Served { cluster: "other".to_owned(), ..Served::default() });
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let region = write("region", "acceptance_test_region\n");
    let by_url = write("url.yaml", &format!("discovery: {{url: '{}', region: '{region}'}}\n", service.url()));
    let name = |arguments: &[&str]| {
        printed(&[&["clusters", "--type", "standard"][..], arguments].concat())[0]["name"].clone()
    };
    assert_eq!(name(&["-c", &by_url]), json!("local_cluster"));
    assert_eq!(name(&["-c", &by_url, "--discovery", &other.url()]), json!("other"));
    let logs = printed(&["logs", "ranger", "-c", &by_url]);
    assert_eq!(logs[0]["topics"], json!(["scribe.acceptance_test_region.ranger"]));
    let (host, port) = (service.address().ip(), service.address().port());
    let services = write("services.yaml", &format!("kafka_discovery.main: {{host: {host}, port: {port}}}\n"));
    let whole = format!(
        "group: g\ntopics: [t]\nhandler: {{command: [cat]}}\ncluster: {{type: standard, region: r}}\ndiscovery: {{services: '{services}'}}\n"
    );
    assert_eq!(name(&["-c", &write("whole.yaml", &whole)]), json!("local_cluster"));
    write(
        "standard.yaml",
        "clusters: {one: {broker_list: [k1:9092], zookeeper: z}}\nlocal_config: {cluster: one}\n",
    );
    let topology = format!("discovery: {{services: /nowhere, topology: ['{}']}}\n", folder.path().display());
    assert_eq!(name(&["-c", &write("topology.yaml", &topology)]), json!("one"));
}

/// The stand-in as a program: what compose files start.
#[test]
fn the_stand_in_serves_until_it_is_told_to_stop() {
    // As the compose file starts it.
    let compose = std::fs::read_to_string(project().join("config/docker-compose.yaml")).unwrap();
    let command = compose
        .lines()
        .filter_map(|line| line.trim().strip_prefix("command: "))
        .find(|line| line.contains("--brokers"));
    let arguments: Vec<String> = serde_json::from_str(command.expect("the compose file starts it")).unwrap();
    let program = kafkavisor().with_file_name("kafkavisor-discovery");
    let mut child = Command::new(program)
        .args(["--listen", "127.0.0.1:0"])
        .args(arguments)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = child.stderr.take().unwrap();
    let said = until("it says where it serves", || {
        let (mut line, mut byte) = (Vec::new(), [0]);
        while stderr.read(&mut byte).unwrap() == 1 && byte[0] != b'\n' {
            line.push(byte[0]);
        }
        Some(String::from_utf8(line).unwrap())
    });
    let url = said.rsplit(' ').next().unwrap();
    let clusters = printed(&["clusters", "--type", "standard", "--discovery", url]);
    let expected = json!([{"type": "standard", "name": "local_cluster", "broker_list": ["kafka:9092"], "zookeeper": "zookeeper:2181"}]);
    assert_eq!(clusters, expected);
    // Somebody who says nothing holds it up neither while it serves nor when it stops.
    let mut silent = TcpStream::connect(url.trim_start_matches("http://")).unwrap();
    silent.write_all(b"GET /swag").unwrap();
    assert_eq!(printed(&["logs", "--regions", "--discovery", url]), json!(["acceptance_test_region"]));
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    let status = until("it stops", || child.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
}

#[test]
fn the_stand_in_refuses_what_it_could_not_serve() {
    let program = kafkavisor().with_file_name("kafkavisor-discovery");
    for (wrong, says) in [
        (&["--brokers", "bad"][..], "\"bad\" has no port"),
        (&["--brokers", "k1:9092,kafka://k2:9092"], "is no HOST:PORT"),
        (&["--brokers", ""], "no server named"),
        (&["--zookeeper", "zk1"], "\"zk1\" has no port"),
        (&["--zookeeper", "zk1:2181/a/"], "is no path in ZooKeeper"),
        (&["--cluster", ""], "--cluster"),
        (&["--type", ""], "--type"),
        (&["--region", ""], "--region"),
        (&["--superregion", ""], "--superregion"),
        (&["--stream", ""], "--stream"),
    ] {
        // One that served would do so for ever.
        let output = Command::new("timeout")
            .arg("20")
            .arg(&program)
            .args(["--listen", "127.0.0.1:0"])
            .args(wrong)
            .output()
            .unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(
            output.status.code() == Some(64) && stderr.contains(says),
            "{wrong:?}: {:?}: {stderr}",
            output.status
        );
    }
}
