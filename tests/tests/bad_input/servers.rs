//! Servers and supervisors that don't answer: 69.

use std::net::TcpListener;

use crate::running::*;

#[test]
fn a_kafka_that_is_not_reached_is_69() {
    let scene = Scene::new();
    scene.write("k.yaml", RIGHT);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_address = silent.local_addr().unwrap().to_string();
    let mut table = Table::default();
    for address in [closed().as_str(), silent_address.as_str(), "no-such-host.invalid:9092"] {
        for line in ["run -c k.yaml", "check -c k.yaml --online"] {
            let line = format!("{line} -b {address}");
            let ran = scene.run(&words(&line));
            let says = [&format!("Kafka at {address} was not reached within 1s"), "is it running"];
            table.note(&words(&line), None, &ran, &ran.complaints(69, &says.map(|s: &str| s)));
        }
    }
    table.assert_empty();
}

#[test]
fn a_zookeeper_that_is_not_reached_is_69() {
    let scene = Scene::new();
    // Long enough for a busy Kafka, which is asked first.
    let text = RIGHT.replace("connect_timeout: 1s", "connect_timeout: 5s");
    scene.write("k.yaml", text.replace("brokers: '127.0.0.1:1'", &format!("brokers: '{}'", brokers())));
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_address = silent.local_addr().unwrap().to_string();
    let mut table = Table::default();
    for address in [closed(), silent_address] {
        for line in ["run -c k.yaml", "check -c k.yaml --online"] {
            let line = format!("{line} -z {address}");
            let ran = scene.run(&words(&line));
            let says = [&format!("ZooKeeper at {address} was not reached within 5s"), "is it running"];
            table.note(&words(&line), None, &ran, &ran.complaints(69, &says.map(|s: &str| s)));
        }
    }
    table.assert_empty();
}

#[test]
fn no_supervisor_to_answer_is_69() {
    let scene = Scene::new();
    let mut table = Table::default();
    for command in ["status", "status --json", "status --watch", "stop"] {
        for (which, says) in [
            ("", "no supervisor is running here"),
            ("-g g", "no supervisor of group g is running here"),
            ("--name n", "no supervisor answers at "),
            ("--socket ./nowhere", "no supervisor answers at ./nowhere"),
            ("--socket ./handler", "no supervisor answers at ./handler"),
        ] {
            let line = format!("{command} {which}");
            let ran = scene.run(&words(&line));
            table.note(&words(&line), None, &ran, &ran.complaints(69, &[says]));
        }
    }
    table.assert_empty();
}
