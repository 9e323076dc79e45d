//! Clusters that are found by discovery, and whom to ask.

use proptest::prelude::*;

use super::*;

/// A file whose cluster is this.
fn with(cluster: &str, more: &str) -> String {
    format!("group: g\ntopics: [t]\nhandler: {{command: [x]}}\ncluster: {cluster}\n{more}\n")
}

#[track_caller]
fn query(cluster: &str) -> String {
    match load(&with(cluster, "")).cluster.address {
        ClusterAddress::Discovery(query) => query.to_string(),
        ClusterAddress::Servers(servers) => panic!("{servers:?}"),
    }
}

#[test]
fn a_cluster_is_found_in_each_form() {
    assert_eq!(query("{type: standard, region: uswest2}"), "type standard, region uswest2");
    assert_eq!(query("{type: standard, superregion: norcal-prod}"), "type standard, superregion norcal-prod");
    assert_eq!(query("{type: standard, name: uswest2-prod}"), "type standard, name uswest2-prod");
    assert_eq!(query("{type: scribe}"), "type scribe, the local region");
}

#[test]
fn what_does_not_fit_together_is_named() {
    for (cluster, column, words) in [
        (
            "{type: s, region: a, name: b}",
            31,
            "`cluster.name` beside `cluster.region`: a cluster is found by one of them; keep one",
        ),
        ("{type: s, name: b, superregion: a}", 20, "`cluster.name` beside `cluster.superregion`"),
        (
            "{region: a}",
            11,
            "`cluster.region` needs `cluster.type`: add the cluster's type, such as `type: standard`",
        ),
        ("{name: a}", 11, "`cluster.name` needs `cluster.type`"),
        (
            "{type: s, name: b, brokers: [k:1]}",
            29,
            "`cluster.brokers` beside `cluster.type`: discovery finds brokers and ZooKeeper",
        ),
        ("{type: s, zookeeper: 'z:1'}", 20, "`cluster.zookeeper` beside `cluster.type`"),
        ("{type: 5}", 17, "`cluster.type`: expected a name, found the number 5"),
        ("{type: ''}", 17, "`cluster.type`: expected a name, found \"\""),
        ("{type: s, region: 'a b'}", 28, "`cluster.region`: expected a name, found \"a b\""),
        ("{type: s, region: }", 20, "`cluster.region`: expected a name, found nothing"),
        ("{type: s, regoin: a}", 20, "did you mean `region`?"),
    ] {
        let errors = refused(&with(cluster, ""));
        assert!(
            errors.starts_with(&format!("k.yaml:4:{column}: ")) && errors.contains(words),
            "{cluster}: {errors}"
        );
        assert_eq!(errors.lines().count(), 1, "{cluster}: {errors}");
    }
}

#[test]
fn brokers_of_the_command_line_are_another_cluster() {
    let file = source(&with("{type: standard, connect_timeout: 3s}", ""));
    let flags = |brokers: Option<&str>, zookeeper: Option<&str>| {
        let text = |text: Option<&str>| text.map(str::to_owned);
        Flags { brokers: text(brokers), zookeeper: text(zookeeper), ..Flags::default() }
    };
    let config = Config::load(Some(&file), &flags(Some("k:1"), Some("z:1"))).unwrap();
    assert_eq!(
        (servers(&config).brokers.join(","), config.cluster.connect_timeout.as_secs()),
        ("k:1".to_owned(), 3)
    );
    let errors = |flags| Config::load(Some(&file), &flags).unwrap_err().to_string();
    assert!(errors(flags(Some("k:1"), None)).starts_with("no ZooKeeper: "));
    assert_eq!(
        errors(flags(None, Some("z:1"))),
        "-z: discovery finds ZooKeeper with its cluster (`cluster.type`): leave out -z, or pass -b too"
    );
}

#[test]
fn whom_to_ask_has_yelp_kafkas_defaults() {
    let config = load(&with("{type: standard}", ""));
    let Discovery { url, services, topology, region, superregion } = &config.discovery;
    assert_eq!(*url, None);
    assert_eq!(services.to_str(), Some("/nail/etc/services/services.yaml"));
    let topology: Vec<_> = topology.iter().filter_map(|folder| folder.to_str()).collect();
    assert_eq!(topology, ["/nail/srv/configs/kafka_discovery_configs", "/nail/etc/kafka_discovery"]);
    assert_eq!(region.to_str(), Some("/nail/etc/region"));
    assert_eq!(superregion.to_str(), Some("/nail/etc/superregion"));
    assert!(
        config.to_yaml().contains("discovery:\n  services: /nail/etc/services/services.yaml\n"),
        "{}",
        config.to_yaml()
    );
    assert!(!load(MINIMAL).to_yaml().contains("discovery"), "nobody is to be asked");
}

#[test]
fn what_is_shown_of_it_loads_again() {
    let more = "discovery: {url: 'http://127.0.0.1:8888/base/', services: s.yaml, topology: [a, /b], region: r, superregion: \"s t\"}";
    for cluster in [
        "{type: s, region: a}",
        "{type: s, superregion: a}",
        "{type: s, name: \"no\"}",
        "{type: s}",
        "{brokers: k:1, zookeeper: z:1}",
    ] {
        let config = load(&with(cluster, more));
        assert_eq!(config.discovery.url.as_deref(), Some("http://127.0.0.1:8888/base"));
        assert_eq!(load(&config.to_yaml()), config, "{}", config.to_yaml());
    }
}

#[test]
fn an_address_of_another_shape_is_refused() {
    for (discovery, words) in [
        ("{url: 'https://a:1'}", "asked without TLS"),
        ("{url: a:1}", "expected an address such as http://127.0.0.1:8888, found \"a:1\""),
        ("{url: 'http://'}", "is no HOST:PORT"),
        ("{url: 'http://a:0'}", "no port from 1 to 65535"),
        ("{url: 'http://u@a:1'}", "without name and password"),
        ("{url: 'http://a:1/x?y'}", "it ends with its path"),
        ("{url: 'http://a:1/x#y'}", "it ends with its path"),
        ("{url: 'http://a b'}", "is no HOST:PORT"),
        ("{url: 5}", "found the number 5"),
        ("{servces: x}", "did you mean `services`?"),
        ("{services: [a]}", "`discovery.services`: expected a path, found a list"),
        (
            "{topology: /a}",
            "`discovery.topology`: expected a list of folders such as [/nail/etc/kafka_discovery], found the text \"/a\"",
        ),
        ("{topology: ['']}", "`discovery.topology[0]`: expected a path, found \"\""),
        ("[a]", "`discovery`: expected a map, found a list"),
    ] {
        let errors = refused(&with("{type: s}", &format!("discovery: {discovery}")));
        assert!(errors.starts_with("k.yaml:5:") && errors.contains(words), "{discovery}: {errors}");
    }
    for right in ["http://a", "http://[::1]:8888", "http://10.0.0.1:8888/kafka"] {
        load(&with("{type: s}", &format!("discovery: {{url: '{right}'}}")));
    }
}

#[test]
fn what_discovery_says_is_checked_like_a_file() {
    let found = |brokers: &str, zookeeper: &str| {
        Servers::try_from(&crate::cluster_config::ClusterConfig::new("s", "n", brokers, zookeeper))
    };
    let servers = found("k1:1, k2:2,k1:1", "zk1:1,zk2:2/kafka").unwrap();
    assert_eq!(servers.brokers, ["k1:1", "k2:2"]);
    assert_eq!(servers.zookeeper.unwrap().to_string(), "zk1:1,zk2:2/kafka");
    assert_eq!(found("k:1", "").unwrap().zookeeper, None);
    assert_eq!(found("", "z:1"), Err(InvalidAddress::Empty));
    assert!(matches!(found("k", "z:1"), Err(InvalidAddress::Port { .. })));
    assert!(matches!(found("k:1", "z:1//"), Err(InvalidAddress::Path { .. })));
}

#[test]
fn a_command_needs_no_more_of_a_file_than_whom_to_ask() {
    let finding = Finding::load(
        &source(
            "discovery: {region: r}\nkafka: {security.protocol: ssl, ssl.key.password: {file: /no/such}}\n",
        ),
        |_| {},
    );
    assert!(finding.unwrap_err().to_string().starts_with("k.yaml:2:58: "));
    let finding = Finding::load(
        &source("discovery: {region: r}\nconsumer: {client_id: billing}\nhandler: 5\n"),
        |_| {},
    )
    .unwrap();
    assert_eq!(
        (finding.discovery.region.to_str(), finding.kafka.get("client.id").unwrap()),
        (Some("r"), "billing")
    );
    assert_eq!(Finding::load(&source(""), |_| {}).unwrap(), Finding::default());
    for (text, place) in
        [("discovry: {}", "k.yaml:1:1: "), ("discovery: [", "k.yaml:2:"), ("- a", "k.yaml:1:1: ")]
    {
        let errors = Finding::load(&source(text), |_| {}).unwrap_err().to_string();
        assert!(errors.starts_with(place), "{errors}");
    }
}

proptest! {
    #[test]
    fn whatever_is_written_there_is_read_or_refused(cluster in "[{}\\[\\]:, a-z0-9'~]{0,30}", discovery in "\\PC{0,30}") {
        for text in [with(&cluster, ""), with("{type: s}", &format!("discovery: {discovery}")),
            with(&format!("{{type: s, region: {discovery}}}"), &format!("discovery: {{url: 'http://{discovery}'}}"))] {
            if let Ok(config) = Config::load(Some(&source(&text)), &Flags::default()) {
                prop_assert_eq!(load(&config.to_yaml()), config);
            }
        }
    }
}
