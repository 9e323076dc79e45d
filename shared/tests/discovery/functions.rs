//! Each function over a service that is in order, and what it says where there is no such thing.

use kafkavisor::discovery::{ClusterConfig, ClusterTopics, Discovery, DiscoveryError};
use kafkavisor::ids::Topic;
use kafkavisor::testing::{DiscoveryService, Served};

use crate::broken::{Broken, response};
use crate::place::Place;

fn service() -> DiscoveryService {
    let served = Served {
        broker_list: vec!["k1:9092".to_owned(), "k2:9092".to_owned()],
        zookeeper: "zk1:2181,zk2:2181/kafka".to_owned(),
        types: Some(vec!["standard".to_owned(), "scribe".to_owned()]),
        streams: vec!["ranger".to_owned(), "ranger_old".to_owned(), "a.b".to_owned()],
        ..Served::default()
    };
    DiscoveryService::start(served).unwrap()
}

fn cluster(cluster_type: &str) -> ClusterConfig {
    ClusterConfig::new(cluster_type, "local_cluster", "k1:9092,k2:9092", "zk1:2181,zk2:2181/kafka")
}

fn logs(streams: &[&str]) -> Vec<ClusterTopics> {
    let topic = |stream: &&str| Topic::new(&format!("scribe.acceptance_test_region.{stream}")).unwrap();
    vec![ClusterTopics { cluster: cluster("scribe"), topics: streams.iter().map(topic).collect() }]
}

fn asking(ask: impl FnOnce(&Discovery)) {
    let service = service();
    ask(&Place::of_the_stand_in().discovery(Some(&service.url())));
}

#[test]
fn the_cluster_of_a_region_by_default_the_local_one() {
    asking(|discovery| {
        assert_eq!(discovery.region_cluster("standard", None), Ok(cluster("standard")));
        assert_eq!(discovery.region_cluster("scribe", Some("acceptance_test_region")), Ok(cluster("scribe")));
        // As in yelp_kafka, where an empty region is none given.
        assert_eq!(discovery.region_cluster("standard", Some("")), Ok(cluster("standard")));
    });
}

#[test]
fn a_consumer_is_configured_for_the_local_regions_cluster() {
    asking(|discovery| {
        let config = discovery.consumer_config("standard", "services.billing").unwrap().build().unwrap();
        assert_eq!(
            (config.group_id().as_str(), config.cluster()),
            ("services.billing", &cluster("standard"))
        );
        assert_eq!(config.client_id(), discovery.client_id());
        let extra =
            discovery.consumer_config("standard", "services.billing").unwrap().option("client_id", "other");
        assert_eq!(extra.build().unwrap().client_id(), "other");
        let unknown = discovery.consumer_config("mars", "services.billing").map(drop).unwrap_err();
        assert!(matches!(unknown, DiscoveryError::InvalidClusterTypeOrRegion { .. }), "{unknown}");
    });
}

#[test]
fn the_cluster_of_a_superregion_by_default_the_local_one() {
    asking(|discovery| {
        assert_eq!(discovery.superregion_cluster("standard", None), Ok(cluster("standard")));
        let given = Some("acceptance_test_superregion");
        assert_eq!(discovery.superregion_cluster("scribe", given), Ok(cluster("scribe")));
    });
}

#[test]
fn a_cluster_by_its_name_and_all_of_a_type() {
    asking(|discovery| {
        assert_eq!(discovery.kafka_cluster("standard", "local_cluster"), Ok(cluster("standard")));
        assert_eq!(discovery.all_clusters("scribe"), Ok(vec![cluster("scribe")]));
    });
}

#[test]
fn logs_of_a_region_by_stream_and_by_regex() {
    asking(|discovery| {
        assert_eq!(discovery.region_logs_stream("ranger", None), Ok(logs(&["ranger"])));
        assert_eq!(discovery.region_logs_stream("a.b", Some("acceptance_test_region")), Ok(logs(&["a.b"])));
        assert_eq!(discovery.region_logs_regex("ranger", None), Ok(logs(&["ranger", "ranger_old"])));
        assert_eq!(discovery.region_logs_regex(".*", None), Ok(logs(&["ranger", "ranger_old", "a.b"])));
    });
}

#[test]
fn logs_of_a_superregion_by_stream_and_by_regex() {
    asking(|discovery| {
        assert_eq!(discovery.superregion_logs_stream("ranger", None), Ok(logs(&["ranger"])));
        let given = Some("acceptance_test_superregion");
        assert_eq!(discovery.superregion_logs_regex(".*_old", given), Ok(logs(&["ranger_old"])));
    });
}

#[test]
fn a_superregion_of_two_regions_has_its_logs_in_the_clusters_of_both() {
    let other = |region: &str, superregion: &str| Served {
        cluster: format!("cluster-of-{region}"),
        region: region.to_owned(),
        superregion: superregion.to_owned(),
        ..Served::default()
    };
    let others = vec![other("second", "acceptance_test_superregion"), other("third", "elsewhere")];
    let service = DiscoveryService::start(Served { others, ..Served::default() }).unwrap();
    let discovery = Place::empty().discovery(Some(&service.url()));
    let found = discovery.superregion_logs_stream("ranger", Some("acceptance_test_superregion")).unwrap();
    let found: Vec<_> = found.iter().map(|of| (of.cluster.name.as_str(), of.topics[0].as_str())).collect();
    let expected = [
        ("local_cluster", "scribe.acceptance_test_region.ranger"),
        ("cluster-of-second", "scribe.second.ranger"),
    ];
    assert_eq!(found, expected);
    assert_eq!(discovery.region_cluster("standard", Some("third")).unwrap().name, "cluster-of-third");
    assert_eq!(discovery.all_logs_regions().unwrap().len(), 3);
    assert!(discovery.region_cluster("standard", Some("fourth")).is_err());
}

#[test]
fn all_regions_that_have_logs() {
    asking(|discovery| {
        assert_eq!(discovery.all_logs_regions(), Ok(vec!["acceptance_test_region".to_owned()]));
    });
}

#[test]
fn an_unknown_type_region_superregion_name_or_stream_is_an_error_of_its_own() {
    asking(|discovery| {
        let url = "at http://127.0.0.1:";
        let has = |error: DiscoveryError, words: &[&str]| {
            let text = error.to_string();
            for says in words.iter().chain(&[url, "answers 404", "check the"]) {
                assert!(text.contains(says), "{says}: {text}");
            }
            error
        };
        let error = discovery.region_cluster("nosuch", None).unwrap_err();
        let error = has(
            error,
            &["\"nosuch\"", "\"acceptance_test_region\"", "getClustersWithRegion", "unknown cluster type"],
        );
        assert!(matches!(error, DiscoveryError::InvalidClusterTypeOrRegion { .. }));
        let error = has(
            discovery.region_cluster("standard", Some("mars")).unwrap_err(),
            &["\"standard\"", "\"mars\""],
        );
        assert!(matches!(error, DiscoveryError::InvalidClusterTypeOrRegion { .. }));
        let error = discovery.superregion_cluster("standard", Some("mars")).unwrap_err();
        let error = has(error, &["superregion \"mars\"", "getClustersWithSuperregion"]);
        assert!(matches!(error, DiscoveryError::InvalidClusterTypeOrSuperregion { .. }));
        let error = has(
            discovery.kafka_cluster("standard", "other").unwrap_err(),
            &["named \"other\"", "getClustersWithName"],
        );
        assert!(matches!(error, DiscoveryError::InvalidClusterTypeOrName { .. }));
        let error =
            has(discovery.all_clusters("nosuch").unwrap_err(), &["type \"nosuch\"", "getClustersAll"]);
        assert!(matches!(error, DiscoveryError::InvalidClusterType { .. }));
        let error = has(
            discovery.region_logs_stream("spam", None).unwrap_err(),
            &["\"spam$\"", "getLogsForRegionWithRegex"],
        );
        assert!(matches!(error, DiscoveryError::InvalidLogOrRegion { .. }));
        let error = discovery.superregion_logs_stream("ranger", Some("mars")).unwrap_err();
        let error = has(error, &["\"ranger$\"", "superregion \"mars\""]);
        assert!(matches!(error, DiscoveryError::InvalidLogOrSuperregion { .. }));
    });
}

#[test]
fn a_service_that_answers_none_has_no_such_thing_either() {
    let none = Broken::answering(&response("200 OK", "[]"));
    let discovery = none.discovery();
    let answers = [
        discovery.all_clusters("standard").map(drop),
        discovery.region_logs_stream("ranger", None).map(drop),
        discovery.superregion_logs_regex("ranger", None).map(drop),
        discovery.all_logs_regions().map(drop),
    ];
    for answer in answers {
        let error = answer.unwrap_err();
        assert!(
            error.to_string().contains("answers none") && !matches!(error, DiscoveryError::Service { .. }),
            "{error}"
        );
    }
}

#[test]
fn a_regex_that_is_none_is_refused_before_anybody_is_asked() {
    let discovery = Place::empty().discovery(None);
    for answer in [
        discovery.region_logs_regex("(", None).map(drop),
        discovery.superregion_logs_regex("[a", None).map(drop),
        discovery.search_topics_by_regex("*a", &[]).map(drop),
        discovery.search_topics_by_regex_in_all_clusters("standard", "(?P<").map(drop),
    ] {
        let error = answer.unwrap_err();
        assert!(matches!(error, DiscoveryError::InvalidRegex(_)), "{error}");
        assert!(error.to_string().contains("is no regex"), "{error}");
    }
}

#[test]
fn it_works_inside_of_other_runtimes() {
    asking(|discovery| {
        let single = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert_eq!(
            single.block_on(async { discovery.region_cluster("standard", None) }),
            Ok(cluster("standard"))
        );
        let several = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
        let (discovery, clone) = (discovery.clone(), discovery.clone());
        let spawned = several.spawn(async move { clone.region_cluster("standard", None) });
        assert_eq!(several.block_on(spawned).unwrap(), Ok(cluster("standard")));
        assert_eq!(several.block_on(async { discovery.all_clusters("scribe") }), Ok(vec![cluster("scribe")]));
    });
}

#[test]
fn the_client_id_names_who_asks() {
    let broken = Broken::answering(&response("404 Not Found", ""));
    let _error = broken.error();
    assert!(
        broken.heads().iter().all(|head| head.contains("user-agent: my-client-id\r\n")),
        "{:?}",
        broken.heads()
    );
}

#[test]
fn what_is_served_may_change_while_it_runs() {
    let service = service();
    let place = Place::of_the_stand_in();
    let discovery = place.discovery(Some(&service.url()));
    assert_eq!(discovery.region_cluster("standard", None), Ok(cluster("standard")));
    service.serve(Served { broker_list: vec!["k3:9092".to_owned()], ..Served::default() });
    assert_eq!(discovery.region_cluster("standard", None).unwrap().broker_list, ["k3:9092"]);
}
