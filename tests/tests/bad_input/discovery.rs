//! `clusters`, `topics`, `logs`: services, files and arguments that are wrong.

use std::io::{Read, Write};
use std::net::TcpListener;

use kafkavisor::testing::{DiscoveryService, Served};

use crate::running::*;

/// A service that says the same to everybody.
fn saying(bytes: &str) -> String {
    let (listener, bytes) = (TcpListener::bind("127.0.0.1:0").unwrap(), bytes.to_owned());
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let _head = connection.read(&mut [0; 4096]);
            let _client_may_be_gone = connection.write_all(bytes.as_bytes());
        }
    });
    url
}

fn response(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

/// Runs each line with `URL` in place of the address.
fn refused(url: &str, lines: &[(&str, i32, &[&str])]) {
    let scene = Scene::new();
    let mut table = Table::default();
    for (line, code, says) in lines {
        let line = line.replace("URL", url);
        let arguments = words(&line);
        let ran = scene.run(&arguments);
        table.note(&arguments, None, &ran, &ran.complaints(*code, says));
    }
    table.assert_empty();
}

#[test]
fn a_wrong_command_line_is_64() {
    refused(
        "http://127.0.0.1:1",
        &[
            ("clusters", 64, &["--type <TYPE>"]),
            ("clusters --type ''", 64, &["--type <TYPE>"]),
            ("clusters --type t --region r --name n", 64, &["cannot be used with"]),
            ("clusters --type t --region ''", 64, &["--region <REGION>"]),
            (
                "clusters --type t --discovery h:8888",
                64,
                &["--discovery: \"h:8888\" is no address", "http://HOST:PORT"],
            ),
            ("clusters --type t --discovery https://h", 64, &["does not begin with http://"]),
            ("topics", 64, &["--type <TYPE>", "--brokers <BROKERS>"]),
            ("topics -b k:1 --type t", 64, &["cannot be used with"]),
            ("topics -b k:1 --region r", 64, &["cannot be used with"]),
            ("topics -b ''", 64, &["--brokers <BROKERS>", "no server named"]),
            ("topics -b k1", 64, &["--brokers <BROKERS>", "\"k1\" has no port"]),
            ("topics ( --type t --discovery URL", 64, &["\"(\" is no regex", "unclosed group"]),
            ("topics (?=a) -b k:1", 64, &["look-ahead"]),
            ("logs", 64, &["STREAM", "--match <REGEX>", "--regions"]),
            ("logs ranger --match x", 64, &["cannot be used with"]),
            ("logs --regions --region r", 64, &["cannot be used with"]),
            (
                "logs --match [a --region r --discovery URL",
                64,
                &["\"[a\" is no regex", "unclosed character class"],
            ),
        ],
    );
}

#[test]
fn what_the_service_does_not_have_is_1_and_named() {
    let served = Served { types: Some(vec!["standard".to_owned()]), ..Served::default() };
    let service = DiscoveryService::start(served).unwrap();
    let at = format!("at {}/v1/", service.url());
    refused(
        &service.url(),
        &[
            (
                "clusters --type nosuch --discovery URL",
                1,
                &["\"nosuch\"", "getClustersAll", &at, "404", "there are standard"],
            ),
            (
                "clusters --type standard --region mars --discovery URL",
                1,
                &["\"standard\"", "\"mars\"", "getClustersWithRegion", &at],
            ),
            (
                "clusters --type standard --superregion mars --discovery URL",
                1,
                &["\"mars\"", "getClustersWithSuperregion", &at],
            ),
            (
                "clusters --type standard --name mars --discovery URL",
                1,
                &["\"mars\"", "getClustersWithName", &at],
            ),
            (
                "topics --type standard --region mars --discovery URL",
                1,
                &["\"mars\"", "getClustersWithRegion", &at],
            ),
            (
                "logs nosuch --region acceptance_test_region --discovery URL",
                1,
                &["\"nosuch$\"", "getLogsForRegionWithRegex", &at],
            ),
            (
                "logs ranger --superregion mars --discovery URL",
                1,
                &["\"mars\"", "getLogsForSuperregionWithRegex", &at],
            ),
        ],
    );
}

#[test]
fn no_topic_that_matches_is_1() {
    let brokers = brokers();
    refused(&brokers, &[("topics no-such-.* -b URL", 1, &["no topic matches \"no-such-.*\"", &brokers])]);
}

#[test]
fn a_service_that_is_not_reached_or_answers_too_late_is_69() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("http://{}", silent.local_addr().unwrap());
    let closed = format!("http://{}", closed());
    let swagger = format!("{closed}/swagger.json is not reached");
    for url in [&closed, &silent, &"http://no-such-host.invalid:1".to_owned()] {
        let says: &[&str] =
            if *url == closed { &[&swagger, "Connection refused"] } else { &[&url[..], "swagger.json"] };
        refused(
            url,
            &[
                ("clusters --type standard --discovery URL", 69, says),
                ("topics --type standard --region r --discovery URL", 69, says),
                ("logs ranger --region r --discovery URL", 69, says),
            ],
        );
    }
}

#[test]
fn a_service_that_is_none_is_1() {
    let lacking = r#"{"swagger": "2.0", "paths": {"/a": {"get": {"operationId": "other"}}}}"#;
    let elsewhere =
        "HTTP/1.1 301 Moved\r\nLocation: http://other:1/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    for (bytes, says) in [
        (response("200 OK", "<html>"), "no JSON"),
        (response("200 OK", r#"{"openapi": "3.0.0"}"#), "no Swagger 2.0: it is OpenAPI 3.0.0"),
        (response("200 OK", lacking), "has no getClustersWithRegion"),
        (response("404 Not Found", "<html>"), "the Swagger document at"),
        (response("500 Oops", "out of order"), "answers 500 (out of order)"),
        (elsewhere.to_owned(), "a redirection to \"http://other:1/\""),
        ("220 smtp ready\r\n".to_owned(), "gives no whole HTTP answer"),
        (String::new(), "gives no whole HTTP answer"),
    ] {
        let url = saying(&bytes);
        refused(
            &url,
            &[(
                "clusters --type standard --region r --discovery URL",
                1,
                &[&url, "\"standard\"", "\"r\"", says],
            )],
        );
    }
}

#[test]
fn a_cluster_whose_brokers_are_down_is_69_and_named() {
    let down = closed();
    let served = Served { broker_list: vec![down.clone()], ..Served::default() };
    let service = DiscoveryService::start(served).unwrap();
    refused(
        &service.url(),
        &[
            (
                "topics --type standard --discovery URL",
                69,
                &["the cluster \"local_cluster\" of type \"standard\"", &down, "within 10s"],
            ),
            (&format!("topics -b {down}"), 69, &[&down]),
        ],
    );
}

/// The file and what is wrong with it, or with what it names.
const FILES: &[(&str, &str, i32, &[&str])] = &[
    ("discovery: {url: 'h:1'}", "clusters --type t -c k.yaml", 78, &["k.yaml:1:18", "`discovery.url`"]),
    (
        "discovery: {topolgy: [a]}",
        "clusters --type t -c k.yaml",
        78,
        &["k.yaml:1:13", "did you mean `topology`?"],
    ),
    ("discovery: [", "logs ranger -c k.yaml", 78, &["k.yaml:2:", "not valid YAML"]),
    ("kafka: {nosuch: 1}", "topics -b k:1 -c k.yaml", 78, &["No such configuration property: \"nosuch\""]),
    (
        "discovery: {services: none.yaml}",
        "clusters --type t --region r -c k.yaml",
        78,
        &["none.yaml: no such file", "\"r\""],
    ),
    (
        "discovery: {services: other.yaml}",
        "logs a --region r -c k.yaml",
        78,
        &["other.yaml: has no `kafka_discovery.main`"],
    ),
    (
        "discovery: {services: broken.yaml}",
        "clusters --type t -c k.yaml",
        78,
        &["broken.yaml:2:1: not valid YAML"],
    ),
    (
        "discovery: {services: no-port.yaml}",
        "clusters --type t -c k.yaml",
        78,
        &["no-port.yaml: `kafka_discovery.main` has no `port`"],
    ),
    (
        "discovery: {services: path.yaml}",
        "clusters --type t -c k.yaml",
        78,
        &["path.yaml: `kafka_discovery.main` has the host \"h/path\"", "write the host alone"],
    ),
    (
        "discovery: {topology: [nowhere, .]}",
        "clusters --type nosuch -c k.yaml",
        78,
        &["\"nosuch\"", "nosuch.yaml in nowhere, . either"],
    ),
    ("discovery: {topology: [.]}", "clusters --type empty -c k.yaml", 78, &["./empty.yaml: is empty"]),
    (
        "discovery: {topology: [.]}",
        "clusters --type broken -c k.yaml",
        78,
        &["./broken.yaml:2:1: not valid YAML"],
    ),
    (
        "discovery: {topology: [.]}",
        "topics --type other --name n -c k.yaml",
        78,
        &["./other.yaml: has no `clusters`"],
    ),
    (
        "discovery: {topology: [.]}",
        "clusters --type right --name n -c k.yaml",
        1,
        &["\"n\"", "./right.yaml has \"one\""],
    ),
    (
        "discovery: {url: 'http://127.0.0.1:1', region: none}",
        "logs ranger -c k.yaml",
        78,
        &["none: no such file", "local region"],
    ),
    (
        "discovery: {url: 'http://127.0.0.1:1', region: empty.yaml}",
        "logs ranger -c k.yaml",
        78,
        &["empty.yaml: is empty"],
    ),
];

#[test]
fn a_file_that_is_missing_or_malformed_is_78() {
    let scene = Scene::new();
    scene.write("other.yaml", "other.main: {host: h, port: 1}\n");
    scene.write("broken.yaml", "a: [\n");
    scene.write("no-port.yaml", "kafka_discovery.main: {host: h}\n");
    scene.write("path.yaml", "kafka_discovery.main: {host: h/path, port: 1}\n");
    scene.write("empty.yaml", "");
    scene.write(
        "right.yaml",
        "clusters: {one: {broker_list: 'k:1', zookeeper: 'z:1'}}\nlocal_config: {cluster: one}\n",
    );
    let mut table = Table::default();
    for (file, line, code, says) in FILES {
        scene.write("k.yaml", format!("{file}\n"));
        let arguments = words(line);
        let ran = scene.run(&arguments);
        table.note(&arguments, Some(file), &ran, &ran.complaints(*code, says));
    }
    table.assert_empty();
    scene.run(&words("logs ranger -c missing.yaml")).assert_refused(78, &["missing.yaml: can't be read"]);
}
