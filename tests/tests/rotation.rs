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

    fn builder(&self, topic: &Topic, records: &Records, password: &Value) -> Builder {
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

/// An instance that has handled what there was, a second after secrets were last read for a worker's start: once a second at most.
struct Running {
    // Before what it reads.
    instance: Instance,
    before: Status,
    login: Login,
    topic: Topic,
    partitions: i32,
    records: Records,
}

impl Running {
    fn new(partitions: i32) -> Self {
        Self::with_password(partitions, |login| json!({"file": login.file()}))
    }

    fn with_password(partitions: i32, password: impl FnOnce(&Login) -> Value) -> Self {
        let (topic, records) = (topic(partitions), Records::new());
        topic.produce(&numbered(partitions, 20));
        let login = Login::reading(&topic);
        let instance = login.builder(&topic, &records, &password(&login)).start();
        let before = instance.wait_consumed(&topic, partitions.try_into().unwrap());
        let then = before.uptime_seconds + 1.1;
        instance.wait_for("a second is over", |status| status.uptime_seconds > then);
        Self { instance, before, login, topic, partitions, records }
    }

    fn count(&self) -> usize {
        self.partitions.try_into().unwrap()
    }

    fn kill_the_first_worker(&self) {
        processes::signal(self.before.partition(0).worker_pid.unwrap(), Signal::SIGKILL);
    }

    fn wait_for_its_successor(&self) {
        self.instance.wait_for("another worker is ready", |status| {
            status.is_ready(self.count()) && status.partition(0).restarts_total == 1
        });
    }

    fn roll(&self) {
        let count = self.partitions;
        self.instance.signal(Signal::SIGHUP);
        self.instance.wait_for_log(&format!("the roll is over: {count} of {count} workers are replaced"));
    }

    /// All of some more.
    fn consume(&self) -> Status {
        self.topic.produce(&numbered(self.partitions, 20));
        self.instance.wait_consumed(&self.topic, self.count())
    }

    fn assert_nobody_was_refused(&self) {
        let log = self.instance.log();
        assert!(!log.contains("refuses to let us in"), "{log}");
    }

    /// Whatever the supervisor itself has to Kafka is cut, so that who asks and who commits must log in again; nobody is refused on
    /// the way.
    fn cut(&self) {
        let cut = processes::cut_connections(self.instance.pid(), &secure("SASL_TLS"));
        assert!(cut >= 2, "who asks and who commits have one each: {cut}");
        self.topic.grow(2);
        self.topic.produce(&numbered(2, 20));
        self.instance.wait_consumed(&self.topic, 2);
        self.assert_nobody_was_refused();
    }

    fn end(self) {
        self.instance.stop();
        History::of(&self.records, &self.topic).assert_exactly_once();
    }
}

#[test]
fn workers_that_are_started_later_log_in_with_the_new_password() {
    let mut running = Running::new(2);
    running.login.rotate();
    running.kill_the_first_worker();
    running.wait_for_its_successor();
    let after = running.consume();
    // Kafka lets nobody in with the old one, and whoever is in stays so.
    assert_eq!(after.partition(0).restarts_total, 1, "{}", running.instance.log());
    assert_eq!(after.partition(1).worker_pid, running.before.partition(1).worker_pid);
    running.assert_nobody_was_refused();
    running.end();
}

#[test]
fn hup_replaces_workers_that_have_the_old_password() {
    let mut running = Running::new(2);
    running.login.rotate();
    running.roll();
    let status = running.consume();
    assert!(status.partitions.iter().all(|p| p.restarts_total == 1), "{status:#?}");
    running.assert_nobody_was_refused();
    running.end();
}

#[test]
fn a_secret_that_is_gone_is_above_all_else_until_it_can_be_read_again() {
    let running = Running::new(1);
    fs::remove_file(running.login.file()).unwrap();
    running.kill_the_first_worker();
    running.instance.wait_for("it is said, and it goes on", |status| {
        let said = |trouble: &String| {
            trouble.contains("kafka.sasl.password: the file") && trouble.contains("can't be read")
        };
        status.troubles.first().is_some_and(said) && status.is_ready(1)
    });
    running.login.write();
    running.instance.wait_for("nothing is wrong any more", |status| status.troubles.is_empty());
    running.end();
}

#[test]
fn a_password_that_kafka_does_not_know_yet_stops_only_who_starts_with_it() {
    let mut running = Running::new(2);
    let known = std::mem::replace(&mut running.login.user.password, "not yet".to_owned());
    running.login.write();
    running.kill_the_first_worker();
    running.instance.wait_for("the one is not let in", |status| {
        status.partition(0).reason.as_ref().is_some_and(|reason| reason.contains("refuses to let us in"))
    });
    running.topic.produce(&numbered(2, 20));
    let before = running.before.partition(1);
    let status = running.instance.wait_for("what the other does is committed", |status| {
        status.partition(1).committed > before.committed && status.partition(1).lag == Some(0)
    });
    assert!(!status.troubles.iter().any(|trouble| trouble.contains("commits")), "{:?}", status.troubles);
    assert_eq!(status.partition(1).worker_pid, before.worker_pid);
    let log = running.instance.log();
    assert!(!log.contains("brokers are down"), "{log}");
    running.login.user.password = known;
    running.login.write();
    running.instance.wait_consumed(&running.topic, 2);
    running.end();
}

#[test]
fn the_supervisor_itself_logs_in_with_what_a_worker_was_started_with() {
    let mut running = Running::new(1);
    running.login.rotate();
    running.kill_the_first_worker();
    running.wait_for_its_successor();
    running.cut();
    running.end();
}

#[test]
fn the_supervisor_itself_logs_in_with_what_stands_in_the_file_at_hup() {
    let mut running = Running::new(1);
    running.login.rotate();
    running.roll();
    running.cut();
    running.end();
}

#[test]
fn the_supervisor_itself_logs_in_with_what_stands_in_the_configuration_at_hup() {
    let mut running = Running::with_password(1, |login| json!(login.user.password));
    let password = running.login.user.password.clone();
    running.login.rotate();
    let text = running.instance.text().replace(&password, &running.login.user.password);
    running.instance.write_text(&text);
    running.roll();
    running.cut();
    running.end();
}

#[test]
fn the_supervisor_itself_logs_in_by_another_mechanism_after_hup() {
    let mut running = Running::new(1);
    running.instance.reconfigure(|builder| {
        let kafka = json!({
            "security.protocol": "SASL_SSL",
            "ssl.ca.location": certificate("ca.pem"),
            "sasl.mechanism": "PLAIN",
            "sasl.username": "svc",
            "sasl.password": "svc-secret",
        });
        builder.set("kafka", kafka)
    });
    running.roll();
    // Nobody has what it was before any more.
    running.login.rotate();
    running.cut();
    running.end();
}
