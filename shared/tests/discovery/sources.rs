//! Which source answers: the URL, `services.yaml`, topology files, the files that name the local region.

use std::net::TcpListener;

use kafkavisor::discovery::{ClusterConfig, DiscoveryError};
use kafkavisor::testing::{DiscoveryService, Served};

use crate::place::Place;

const TOPOLOGY: &str = "
clusters:
  topology-1: {broker_list: ['t1:9092'], zookeeper: 'zt1:2181'}
  topology-2: {broker_list: ['t2:9092'], zookeeper: 'zt2:2181'}
local_config: {cluster: topology-1}
";

fn entry(service: &DiscoveryService) -> String {
    let address = service.address();
    format!(
        "other.main: {{host: h, port: 1}}\nkafka_discovery.main:\n  host: {}\n  port: {}\n",
        address.ip(),
        address.port()
    )
}

fn closed() -> String {
    format!("http://{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap())
}

fn named(cluster: &str) -> ClusterConfig {
    let number = cluster.rsplit('-').next().unwrap();
    ClusterConfig::new("standard", cluster, format!("t{number}:9092"), format!("zt{number}:2181"))
}

#[test]
fn the_service_is_found_through_services_yaml_and_an_url_wins() {
    let (one, two) = (
        DiscoveryService::start(Served::default()).unwrap(),
        DiscoveryService::start(Served::default()).unwrap(),
    );
    two.serve(Served { cluster: "second".to_owned(), ..Served::default() });
    let place = Place::of_the_stand_in();
    place.write("services.yaml", &entry(&one));
    assert_eq!(place.discovery(None).region_cluster("standard", None).unwrap().name, "local_cluster");
    assert_eq!(place.discovery(Some(&two.url())).region_cluster("standard", None).unwrap().name, "second");
}

#[test]
fn topology_files_answer_where_no_service_is_configured() {
    let place = Place::empty();
    place.write("more-topology/standard.yaml", TOPOLOGY);
    let discovery = place.discovery(None);
    assert_eq!(discovery.all_clusters("standard"), Ok(vec![named("topology-1"), named("topology-2")]));
    place.write("services.yaml", "other.main: {host: h, port: 1}");
    assert_eq!(discovery.kafka_cluster("standard", "topology-2"), Ok(named("topology-2")));
    let error = discovery.kafka_cluster("standard", "topology-3").unwrap_err();
    assert!(matches!(error, DiscoveryError::InvalidClusterTypeOrName { .. }));
    assert!(
        error.to_string().contains("more-topology/standard.yaml has \"topology-1\", \"topology-2\""),
        "{error}"
    );
    place.write("topology/standard.yaml", "clusters: {}\nlocal_config:\n");
    let error = discovery.all_clusters("standard").unwrap_err();
    assert!(matches!(error, DiscoveryError::InvalidClusterType { .. }), "{error}");
    assert!(error.to_string().contains("topology/standard.yaml has no clusters"), "{error}");
}

#[test]
fn topology_files_answer_where_the_service_is_not_reached() {
    let place = Place::empty();
    place.write("topology/standard.yaml", TOPOLOGY);
    let discovery = place.discovery(Some(&closed()));
    assert_eq!(discovery.all_clusters("standard").unwrap().len(), 2);
    assert_eq!(discovery.kafka_cluster("standard", "topology-1"), Ok(named("topology-1")));
}

#[test]
fn who_asks_the_service_alone_hears_nothing_of_topology_files_but_where_there_is_none() {
    let place = Place::empty();
    place.write("topology/standard.yaml", TOPOLOGY);
    let away = place.discovery(Some(&closed())).of_the_service_alone();
    let error = away.kafka_cluster("standard", "topology-1").unwrap_err();
    assert!(error.is_unreachable() && !error.to_string().contains("topology file"), "{error}");
    place.write("services.yaml", "kafka_discovery.main: {host: h}");
    let unreadable = place.discovery(None).of_the_service_alone();
    assert!(unreadable.kafka_cluster("standard", "topology-1").is_err());
    place.write("services.yaml", "other.main: {host: h, port: 1}");
    let none = place.discovery(None).of_the_service_alone();
    assert_eq!(none.kafka_cluster("standard", "topology-1"), Ok(named("topology-1")));
}

#[test]
fn topology_files_do_not_answer_for_a_service_that_does() {
    let service = DiscoveryService::start(Served { types: Some(vec![]), ..Served::default() }).unwrap();
    let place = Place::of_the_stand_in();
    place.write("topology/standard.yaml", TOPOLOGY);
    let discovery = place.discovery(Some(&service.url()));
    assert!(matches!(discovery.all_clusters("standard"), Err(DiscoveryError::InvalidClusterType { .. })));
    assert!(matches!(
        discovery.kafka_cluster("standard", "topology-1"),
        Err(DiscoveryError::InvalidClusterTypeOrName { .. })
    ));
    // Nor for regions, which they know nothing of.
    let error = place.discovery(Some(&closed())).region_cluster("standard", None).unwrap_err();
    assert!(error.is_unreachable(), "{error}");
}

#[test]
fn no_source_at_all_is_said_with_all_that_was_looked_at() {
    let place = Place::of_the_stand_in();
    let discovery = place.discovery(None);
    let error = discovery.all_clusters("standard").unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, DiscoveryError::Configuration { .. }), "{error:?}");
    for says in [
        "all clusters of type \"standard\"",
        "services.yaml: no such file",
        "topology file standard.yaml in ",
        "give the discovery service's URL",
    ] {
        assert!(text.contains(says), "{text}");
    }
    place.write("services.yaml", "other.main: {host: h, port: 1}");
    let text = discovery.region_logs_stream("ranger", None).unwrap_err().to_string();
    assert!(text.contains("services.yaml: has no `kafka_discovery.main`"), "{text}");
    let error = place.discovery(Some(&closed())).kafka_cluster("standard", "n").unwrap_err();
    assert!(error.is_unreachable() && error.to_string().contains("standard.yaml in "), "{error}");
}

#[test]
fn a_malformed_file_is_an_error_and_never_passed_over() {
    let place = Place::of_the_stand_in();
    place.write("topology/standard.yaml", TOPOLOGY);
    for (text, says) in [
        ("a: [", "services.yaml:2:1"),
        ("kafka_discovery.main: {host: h}", "services.yaml: `kafka_discovery.main` has no `port`"),
        ("- a", "services.yaml: expected a map"),
    ] {
        place.write("services.yaml", text);
        for error in [
            place.discovery(None).all_clusters("standard").unwrap_err(),
            place.discovery(None).region_cluster("standard", None).unwrap_err(),
        ] {
            assert!(
                matches!(error, DiscoveryError::Configuration { .. }) && error.to_string().contains(says),
                "{error}"
            );
        }
    }
    place.write("topology/standard.yaml", "clusters: 7");
    let error = place.discovery(Some(&closed())).all_clusters("standard").unwrap_err();
    assert!(matches!(error, DiscoveryError::Configuration { .. }), "{error}");
    assert!(error.to_string().contains("topology/standard.yaml: `clusters`: expected a map"), "{error}");
}

#[test]
fn without_the_file_of_the_local_region_it_must_be_said() {
    let service = DiscoveryService::start(Served::default()).unwrap();
    let discovery = Place::empty().discovery(Some(&service.url()));
    for (answer, says) in [
        (
            discovery.region_cluster("standard", None).map(drop),
            "region: no such file, and no region was said",
        ),
        (discovery.superregion_cluster("standard", None).map(drop), "superregion: no such file"),
        (discovery.region_logs_stream("ranger", None).map(drop), "region: no such file"),
        (discovery.superregion_logs_regex("ranger", None).map(drop), "superregion: no such file"),
        (discovery.local_topic_exists("standard", "orders").map(drop), "region: no such file"),
        (discovery.kafka_connection("standard").map(drop), "region: no such file"),
    ] {
        let error = answer.unwrap_err();
        assert!(
            matches!(error, DiscoveryError::Configuration { .. }) && error.to_string().contains(says),
            "{error}"
        );
    }
    assert!(discovery.region_cluster("standard", Some("acceptance_test_region")).is_ok());
}

#[test]
fn files_that_are_none_are_not_waited_for() {
    let place = Place::empty();
    let pipe = place.path().join("region");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let error = place.discovery(Some("http://127.0.0.1:1")).region_cluster("standard", None).unwrap_err();
    assert!(error.to_string().contains("region: is no file"), "{error}");
}
