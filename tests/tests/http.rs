//! What is seen over HTTP, by whom, and what it does not let happen.

use std::net::TcpStream;
use std::process::Output;
use std::time::Duration;

use kafkavisor_tests::handlers;
use kafkavisor_tests::instance::Builder;
use kafkavisor_tests::message::{Message, numbered};
use kafkavisor_tests::topic::Topic;
use kafkavisor_tests::waiting::{until, until_within};
use kafkavisor_tests::web::{address_of, ask, get, get_with};
use serde_json::Value;

fn keys(object: &Value) -> Vec<String> {
    object.as_object().unwrap_or_else(|| panic!("an object: {object}")).keys().cloned().collect()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

#[test]
fn it_shows_what_the_socket_shows_and_changes_nothing() {
    let topic = Topic::new(2);
    topic.produce(&numbered(2, 10));
    let instance = Builder::of(&topic).handler([handlers::shell()]).set("admin.http", "127.0.0.1:0").start();
    instance.wait_consumed(&topic, 2);
    let address = address_of(&instance);
    let status = get(address, "/status");
    assert_eq!((status.code, status.header("content-type")), (200, Some("application/json")));
    let by_socket = json(&instance.ask("status", &["--json"]));
    assert_eq!(keys(&status.json()), keys(&by_socket));
    assert_eq!(keys(&status.json()["partitions"][0]), keys(&by_socket["partitions"][0]));
    assert_eq!(status.json()["partitions"][0]["committed"], by_socket["partitions"][0]["committed"]);

    let one = format!("{}:1", topic.name);
    let detail = get(address, &format!("/status?partition={one}")).json();
    assert_eq!(keys(&detail), keys(&json(&instance.ask("status", &[&one, "--json"]))));
    assert_eq!(detail["partition"], 1);
    assert_eq!(get(address, "/status?partition=orders:99").code, 404);
    assert_eq!(get(address, "/status?partition=orders").code, 400);

    let events = get(address, "/events").json();
    let names: Vec<_> =
        events.as_array().unwrap().iter().map(|event| event["event"].as_str().unwrap()).collect();
    for name in ["joined", "assigned", "starting", "ready", "settled"] {
        assert!(names.contains(&name), "{name} in {names:?}");
    }
    assert_eq!((get(address, "/healthz").code, get(address, "/readyz").code), (200, 200));

    let page = get(address, "/");
    assert!(page.code == 200 && page.header("content-type").unwrap().starts_with("text/html"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'sha256-"), "{policy}");

    assert_eq!((get(address, "/other").code, get(address, "/status/").code), (404, 404));
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        let request = format!(
            "{method} /status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        );
        assert_eq!(ask(address, &request).code, 405, "{method}");
    }
    let head = ask(address, "HEAD /status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert_eq!((head.code, head.body.as_str()), (200, ""));
    instance.stop();
}

#[test]
fn who_has_it_already_is_not_sent_it_again() {
    let topic = Topic::new(1);
    let instance = Builder::fixed(&topic, &[0])
        .handler([handlers::shell()])
        .arguments(["run", "-c", "kafkavisor.yaml", "--http", "127.0.0.1:0"])
        .start();
    instance.wait_ready(1);
    let address = address_of(&instance);
    for path in ["/events", "/"] {
        let first = get(address, path);
        let tag = first.header("etag").unwrap_or_else(|| panic!("{path}: {first:?}"));
        let again = get_with(address, path, &format!("Host: localhost\r\nIf-None-Match: {tag}"));
        assert_eq!((again.code, again.body.as_str(), again.header("etag")), (304, "", Some(tag)), "{path}");
        let other = get_with(address, path, "Host: localhost\r\nIf-None-Match: \"other\"");
        assert_eq!(other.code, 200);
    }
    instance.stop();
}

#[test]
fn only_hosts_that_mean_us_are_answered() {
    let topic = Topic::new(1);
    let instance = Builder::fixed(&topic, &[0])
        .handler([handlers::shell()])
        .set("admin.http", "127.0.0.1:0")
        .set("admin.hosts", vec!["kafkavisor.internal".to_owned()])
        .start();
    let address = address_of(&instance);
    let asked_as = |host: &str| get_with(address, "/status", &format!("Host: {host}")).code;
    for ours in ["localhost", "127.0.0.1:1", "[::1]:9464", "10.1.2.3", "Kafkavisor.Internal:9464"] {
        assert_eq!(asked_as(ours), 200, "{ours}");
    }
    for other in ["evil.example", "evil.example:9464", "127.0.0.1.evil.example"] {
        assert_eq!(asked_as(other), 421, "{other}");
    }
    assert_eq!(get_with(address, "/status", "Host: localhost\r\nHost: evil.example").code, 400);
    let absolute = "GET http://evil.example/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert_eq!(ask(address, absolute).code, 421);
    instance.stop();
}

#[test]
fn beyond_loopback_it_shows_no_keys_stderr_or_error_texts() {
    let topic = Topic::new(2);
    topic.produce(&[Message::to(0, "value-secret").key("key-secret"), Message::to(1, "x").key("key-secret")]);
    let script = "[ $KAFKAVISOR_PARTITION = 1 ] && { echo stderr-secret >&2; exec sleep 600; }; \
        while read line; do case $line in *message*) echo '{\"reject\":0,\"error\":\"error-secret\"}';; esac; done";
    let start = |details: bool| {
        let builder = Builder::fixed(&topic, &[0, 1]).shell(script).set("admin.http", "0.0.0.0:0");
        let builder = if details { builder.set("admin.details", true) } else { builder };
        let instance = builder.set("stop.timeout", "1s").start();
        instance.wait_for("one is parked, one at work", |status| {
            status.state_of(0) == "parked" && status.partition(1).in_flight == 1
        });
        let mut address = address_of(&instance);
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
        let of = |partition: i32| format!("/status?partition={}:{partition}", topic.name);
        let paths = ["/status".to_owned(), "/events".to_owned(), of(0), of(1)];
        let seen: String = paths.iter().map(|path| get(address, path).body).collect();
        instance.signal(nix::sys::signal::Signal::SIGTERM);
        instance.wait_exit(Duration::from_secs(20));
        seen
    };
    let secrets = ["value-secret", "key-secret", "stderr-secret", "error-secret"];
    let shown =
        |seen: &str| secrets.iter().filter(|secret| seen.contains(**secret)).copied().collect::<Vec<_>>();
    let masked = start(false);
    assert_eq!(shown(&masked), Vec::<&str>::new(), "{masked}");
    assert_eq!(shown(&start(true)), ["key-secret", "stderr-secret", "error-secret"]);
}

#[test]
fn a_busy_port_is_an_error_of_configuration() {
    let topic = Topic::new(1);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let said = Builder::fixed(&topic, &[0])
        .handler([handlers::shell()])
        .set("admin.http", address.as_str())
        .expect_exit(78);
    assert!(said.contains(&address) && said.contains("admin.http"), "{said}");
}

#[test]
fn however_many_are_silent_whoever_asks_is_answered() {
    let topic = Topic::new(1);
    let instance =
        Builder::fixed(&topic, &[0]).handler([handlers::shell()]).set("admin.http", "127.0.0.1:0").start();
    instance.wait_ready(1);
    let address = address_of(&instance);
    let silent: Vec<_> = (0..700).map(|_| TcpStream::connect(address).unwrap()).collect();
    assert_eq!(get(address, "/readyz").code, 200);
    let is_closed = |stream: &TcpStream| {
        stream.set_nonblocking(true).unwrap();
        matches!(stream.peek(&mut [0; 1]), Ok(0))
            || stream
                .peek(&mut [0; 1])
                .is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset)
    };
    until_within(Duration::from_secs(10), "those that were silent longest are closed", || {
        let closed: Vec<_> = silent.iter().map(is_closed).collect();
        let count = closed.iter().filter(|closed| **closed).count();
        (closed[0] && !closed[699] && count >= 700 - 512).then_some(())
    });
    assert_eq!(get(address, "/status").code, 200);
    instance.stop();
}

#[test]
fn it_is_ready_only_with_zookeeper_and_its_first_assignment() {
    let topic = Topic::new(1);
    // Its cooldown lasts: until then it has no assignment.
    let instance = Builder::of(&topic)
        .handler([handlers::shell()])
        .set("assignment.cooldown", "2s")
        .set("admin.http", "127.0.0.1:0")
        .start();
    let address = address_of(&instance);
    let first = get(address, "/readyz");
    assert_eq!(first.code, 503, "{first:?}");
    assert!(first.body.contains("assignment") || first.body.contains("joined"), "{first:?}");
    assert_eq!(get(address, "/healthz").code, 200);
    until("it is ready", || (get(address, "/readyz").code == 200).then_some(()));
    instance.wait_ready(1);
    instance.stop();
}
