//! What a start waits for: one deadline for all of it, and whoever asks it to stop meanwhile is heard.

use std::fs;
use std::net::TcpListener;
use std::time::Duration;

use kafkavisor::clock::now;
use kafkavisor_tests::instance::{Builder, Instance};
use kafkavisor_tests::topic::Topic;
use kafkavisor_tests::waiting::until;
use nix::sys::signal::Signal;

/// Takes connections and never answers.
fn silent() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

fn wait_until_it_starts(instance: &Instance) {
    until("it waits", || {
        let threads = fs::read_dir(format!("/proc/{}/task", instance.pid())).ok()?;
        let names = threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("comm")).ok());
        names.into_iter().any(|name| name.trim() == "start").then_some(())
    });
}

#[test]
fn term_and_int_end_it_at_once() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let (_listener, address) = silent();
        let topic = Topic::named(&address, "nowhere");
        let instance =
            Builder::fixed(&topic, &[0]).shell("cat").set("cluster.connect_timeout", "60s").start();
        wait_until_it_starts(&instance);
        instance.signal(signal);
        assert_eq!(instance.wait_exit(Duration::from_secs(2)), 0, "{}", instance.log());
    }
}

#[test]
fn term_ends_the_wait_for_zookeeper_too() {
    let (_listener, address) = silent();
    let topic = Topic::new(1);
    let instance = Builder::of(&topic)
        .set("cluster.zookeeper", address)
        .set("cluster.connect_timeout", "60s")
        .shell("cat")
        .start();
    wait_until_it_starts(&instance);
    instance.signal(Signal::SIGTERM);
    assert_eq!(instance.wait_exit(Duration::from_secs(2)), 0, "{}", instance.log());
}

#[test]
fn all_of_it_has_one_deadline() {
    let (_listener, address) = silent();
    let topic = Topic::named(&address, "nowhere");
    let began = now();
    Builder::of(&topic).set("cluster.connect_timeout", "4s").shell("cat").expect_exit(69);
    assert!(began.elapsed() < Duration::from_secs(10), "not once for each thing that it waits for");
}
