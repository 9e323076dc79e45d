//! A secret that is changed while an instance runs: no restart of the supervisor is needed.

use std::fs;
use std::path::PathBuf;

use kafkavisor_tests::checks::History;
use kafkavisor_tests::environment::{certificate, secure};
use kafkavisor_tests::instance::{Builder, Instance};
use kafkavisor_tests::message::numbered;
use kafkavisor_tests::processes;
use kafkavisor_tests::recorder::Recorder;
use kafkavisor_tests::records::Records;
use kafkavisor_tests::secure::{User, topic};
use kafkavisor_tests::status::Status;
use kafkavisor_tests::topic::Topic;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Somebody whose password is in a file.
struct Login {
    user: User,
    folder: TempDir,
}

impl Login {
    fn reading(topic: &Topic) -> Self {
        let login = Self { user: User::reading(topic), folder: tempfile::tempdir().unwrap() };
        login.write();
        login
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("password")
    }

    /// As whoever rotates secrets does it: a new file over the old one.
    fn write(&self) {
        let new = self.folder.path().join("new");
        fs::write(&new, format!("{}\n", self.user.password)).unwrap();
        fs::rename(&new, self.file()).unwrap();
    }

    /// Another password, which is in the file as soon as Kafka knows it.
    fn rotate(&mut self) {
        self.user.rotate();
        self.write();
    }

    fn builder(&self, topic: &Topic, records: &Records) -> Builder {
        self.with_password(topic, records, &json!({"file": self.file()}))
    }

    fn with_password(&self, topic: &Topic, records: &Records, password: &Value) -> Builder {
        let kafka = json!({
            "security.protocol": "SASL_SSL",
            "ssl.ca.location": certificate("ca.pem"),
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": self.user.name,
            "sasl.password": password,
        });
        Builder::of(topic)
            .set("cluster.brokers", secure("SASL_TLS"))
            .set("cluster.zookeeper", secure("ZOOKEEPER"))
            .set("kafka", kafka)
            .recorder(&Recorder::new(records))
    }
}

/// Waits until what was read for the last start is read again for the next: once a second at most.
fn a_second_later(instance: &Instance, status: &Status) {
    let then = status.uptime_seconds + 1.1;
    instance.wait_for("a second is over", |status| status.uptime_seconds > then);
}

#[test]
fn workers_that_are_started_later_log_in_with_the_new_password() {
    let (topic, records) = (topic(2), Records::new());
    topic.produce(&numbered(2, 20));
    let mut login = Login::reading(&topic);
    let instance = login.builder(&topic, &records).start();
    let before = instance.wait_consumed(&topic, 2);
    a_second_later(&instance, &before);
    login.rotate();
    processes::signal(before.partition(0).worker_pid.unwrap(), Signal::SIGKILL);
    instance.wait_for("another worker is ready", |status| {
        status.is_ready(2) && status.partition(0).restarts_total == 1
    });
    topic.produce(&numbered(2, 20));
    let after = instance.wait_consumed(&topic, 2);
    // Kafka lets nobody in with the old one, and whoever is in stays so.
    assert_eq!(after.partition(0).restarts_total, 1, "{}", instance.log());
    assert_eq!(after.partition(1).worker_pid, before.partition(1).worker_pid);
    instance.stop();
    assert!(!instance.log().contains("refuses to let us in"), "{}", instance.log());
    History::of(&records, &topic).assert_exactly_once();
}

#[test]
fn hup_replaces_workers_that_have_the_old_password() {
    let (topic, records) = (topic(2), Records::new());
    topic.produce(&numbered(2, 20));
    let mut login = Login::reading(&topic);
    let instance = login.builder(&topic, &records).start();
    let before = instance.wait_consumed(&topic, 2);
    a_second_later(&instance, &before);
    login.rotate();
    instance.signal(Signal::SIGHUP);
    instance.wait_for_log("the roll is over: 2 of 2 workers are replaced");
    topic.produce(&numbered(2, 20));
    let status = instance.wait_consumed(&topic, 2);
    assert!(status.partitions.iter().all(|p| p.restarts_total == 1), "{status:#?}");
    instance.stop();
    assert!(!instance.log().contains("refuses to let us in"), "{}", instance.log());
    History::of(&records, &topic).assert_exactly_once();
}

#[test]
fn a_secret_that_is_gone_is_above_all_else_until_it_can_be_read_again() {
    let (topic, records) = (topic(1), Records::new());
    topic.produce(&numbered(1, 20));
    let login = Login::reading(&topic);
    let instance = login.builder(&topic, &records).start();
    let before = instance.wait_consumed(&topic, 1);
    a_second_later(&instance, &before);
    fs::remove_file(login.file()).unwrap();
    processes::signal(before.partition(0).worker_pid.unwrap(), Signal::SIGKILL);
    instance.wait_for("it is said, and it goes on", |status| {
        let said = |trouble: &String| {
            trouble.contains("kafka.sasl.password: the file") && trouble.contains("can't be read")
        };
        status.troubles.first().is_some_and(said) && status.is_ready(1)
    });
    login.write();
    instance.wait_for("nothing is wrong any more", |status| status.troubles.is_empty());
    instance.stop();
}

#[test]
fn a_password_that_kafka_does_not_know_yet_stops_only_who_starts_with_it() {
    let (topic, records) = (topic(2), Records::new());
    topic.produce(&numbered(2, 20));
    let mut login = Login::reading(&topic);
    let instance = login.builder(&topic, &records).start();
    let before = instance.wait_consumed(&topic, 2);
    a_second_later(&instance, &before);
    let known = std::mem::replace(&mut login.user.password, "not yet".to_owned());
    login.write();
    processes::signal(before.partition(0).worker_pid.unwrap(), Signal::SIGKILL);
    instance.wait_for("the one is not let in", |status| {
        status.partition(0).reason.as_ref().is_some_and(|reason| reason.contains("refuses to let us in"))
    });
    topic.produce(&numbered(2, 20));
    let status = instance.wait_for("what the other does is committed", |status| {
        let (then, now) = (before.partition(1), status.partition(1));
        now.committed > then.committed && now.lag == Some(0)
    });
    assert!(!status.troubles.iter().any(|trouble| trouble.contains("commits")), "{:?}", status.troubles);
    assert_eq!(status.partition(1).worker_pid, before.partition(1).worker_pid);
    assert!(!instance.log().contains("brokers are down"), "{}", instance.log());
    login.user.password = known;
    login.write();
    instance.wait_consumed(&topic, 2);
    instance.stop();
    History::of(&records, &topic).assert_exactly_once();
}

/// Whatever the supervisor itself has to Kafka is cut, so that who asks and who commits must log in again; nobody is refused on the way.
fn all_goes_on_when_it_is_cut(instance: &Instance, topic: &Topic) {
    let cut = processes::cut_connections(instance.pid(), &secure("SASL_TLS"));
    assert!(cut >= 2, "who asks and who commits have one each: {cut}");
    topic.grow(2);
    topic.produce(&numbered(2, 20));
    instance.wait_consumed(topic, 2);
    assert!(!instance.log().contains("refuses to let us in"), "{}", instance.log());
}

#[test]
fn the_supervisor_itself_logs_in_with_what_a_worker_was_started_with() {
    let (topic, records) = (topic(1), Records::new());
    topic.produce(&numbered(1, 20));
    let mut login = Login::reading(&topic);
    let instance = login.builder(&topic, &records).start();
    let before = instance.wait_consumed(&topic, 1);
    a_second_later(&instance, &before);
    login.rotate();
    processes::signal(before.partition(0).worker_pid.unwrap(), Signal::SIGKILL);
    instance.wait_for("another worker is ready", |status| {
        status.is_ready(1) && status.partition(0).restarts_total == 1
    });
    all_goes_on_when_it_is_cut(&instance, &topic);
    instance.stop();
    History::of(&records, &topic).assert_exactly_once();
}

#[test]
fn the_supervisor_itself_logs_in_with_what_stands_in_the_file_at_hup() {
    let (topic, records) = (topic(1), Records::new());
    topic.produce(&numbered(1, 20));
    let mut login = Login::reading(&topic);
    let instance = login.builder(&topic, &records).start();
    let before = instance.wait_consumed(&topic, 1);
    a_second_later(&instance, &before);
    login.rotate();
    instance.signal(Signal::SIGHUP);
    instance.wait_for_log("the roll is over: 1 of 1 workers are replaced");
    all_goes_on_when_it_is_cut(&instance, &topic);
    instance.stop();
    History::of(&records, &topic).assert_exactly_once();
}

#[test]
fn the_supervisor_itself_logs_in_with_what_stands_in_the_configuration_at_hup() {
    let (topic, records) = (topic(1), Records::new());
    topic.produce(&numbered(1, 20));
    let mut login = Login::reading(&topic);
    let password = login.user.password.clone();
    let mut instance = login.with_password(&topic, &records, &json!(password)).start();
    let before = instance.wait_consumed(&topic, 1);
    a_second_later(&instance, &before);
    login.rotate();
    let text = instance.text().replace(&password, &login.user.password);
    instance.write_text(&text);
    instance.signal(Signal::SIGHUP);
    instance.wait_for_log("the roll is over: 1 of 1 workers are replaced");
    all_goes_on_when_it_is_cut(&instance, &topic);
    instance.stop();
    History::of(&records, &topic).assert_exactly_once();
}

#[test]
fn the_supervisor_itself_logs_in_by_another_mechanism_after_hup() {
    let (topic, records) = (topic(1), Records::new());
    topic.produce(&numbered(1, 20));
    let mut login = Login::reading(&topic);
    let mut instance = login.builder(&topic, &records).start();
    let before = instance.wait_consumed(&topic, 1);
    a_second_later(&instance, &before);
    instance.reconfigure(|builder| {
        let kafka = json!({
            "security.protocol": "SASL_SSL",
            "ssl.ca.location": certificate("ca.pem"),
            "sasl.mechanism": "PLAIN",
            "sasl.username": "svc",
            "sasl.password": "svc-secret",
        });
        builder.set("kafka", kafka)
    });
    instance.signal(Signal::SIGHUP);
    instance.wait_for_log("the roll is over: 1 of 1 workers are replaced");
    // Nobody has what it was before any more.
    login.rotate();
    all_goes_on_when_it_is_cut(&instance, &topic);
    instance.stop();
    History::of(&records, &topic).assert_exactly_once();
}
