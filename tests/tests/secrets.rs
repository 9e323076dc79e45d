//! A secret reaches workers over their sockets and is found in no argument, no environment, no log, no status, no file and no core
//! dump of the instance.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use kafkavisor_tests::environment::{certificate, kafkavisor, secure, unique};
use kafkavisor_tests::instance::{Builder, Instance};
use kafkavisor_tests::processes;
use kafkavisor_tests::recorder::Recorder;
use kafkavisor_tests::records::Records;
use kafkavisor_tests::secrecy::Secrets;
use kafkavisor_tests::secure::{User, topic};
use kafkavisor_tests::topic::Topic;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

/// Like no other text that could be there.
const SECRET: &str = "correct-horse-9f2c61";
/// How each token of the test's identity provider begins: `{"alg":`.
const ANY_TOKEN: &str = "eyJhbGciOi";

/// Under load: a handler has died, and everything there is to log is logged.
fn disturb(instance: &Instance, topic: &Topic) {
    let flow = topic.flow(2);
    let status = instance.wait_for("messages flow", |status| {
        status.is_ready(2) && status.partitions.iter().all(|p| p.committed > Some(20))
    });
    processes::signal(status.partition(0).handler_pid.unwrap(), Signal::SIGKILL);
    instance.wait_for("its handler is started again", |status| {
        status.is_ready(2) && status.partition(0).restarts_total == 1
    });
    instance.signal(Signal::SIGUSR1);
    instance.wait_for_log("generation");
    flow.stop();
}

fn checks(secrets: &Secrets, instance: &Instance, property: &str) {
    for words in [&["check"][..], &["check", "--json"], &["check", "--online"]] {
        let words = [words, &["-c", "kafkavisor.yaml"]].concat();
        let said = secrets.assert_not_said(instance, &words);
        assert!(said.contains(property), "{words:?}: {said}");
    }
}

/// Soft limit of a core dump's size, and the hard one.
fn core_limits(pid: i32) -> (String, String) {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max core file size")).unwrap();
    let mut words = line.split_whitespace().map(str::to_owned);
    (words.next().unwrap(), words.next().unwrap())
}

/// The key of `svc` behind another pass phrase.
fn encrypted_key(folder: &Path, password: &str) -> PathBuf {
    let path = folder.join("key.pem");
    let mut openssl = Command::new("openssl");
    openssl.arg("pkey").arg("-in").arg(certificate("svc.key")).arg("-out").arg(&path);
    let output = openssl.args(["-aes256", "-passout"]).arg(format!("pass:{password}")).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    path
}

/// On the listener with SASL and TLS.
fn builder(topic: &Topic, records: &Records, more: &Value) -> Builder {
    let mut kafka = json!({
        "security.protocol": "SASL_SSL",
        "ssl.ca.location": certificate("ca.pem"),
        // What librdkafka itself says of its configuration and of logging in.
        "debug": "conf,security",
    });
    kafka.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Builder::of(topic)
        .set("cluster.brokers", secure("SASL_TLS"))
        .set("cluster.zookeeper", secure("ZOOKEEPER"))
        .set("kafka", kafka)
        .set("log", json!({"level": "debug"}))
        .recorder(&Recorder::new(records))
        .under("ulimit -c unlimited; exec \"$@\"")
}

#[test]
fn a_password_and_a_key_are_nowhere_under_load() {
    let folder = tempfile::tempdir().unwrap();
    let (topic, records) = (topic(2), Records::new());
    let user = User::reading(&topic);
    let (password_file, key_password) = (folder.path().join("password"), unique("key-password"));
    fs::write(&password_file, format!("{}\n", user.password)).unwrap();
    let key = encrypted_key(folder.path(), &key_password);
    let some_of_the_key = fs::read_to_string(&key).unwrap().lines().nth(5).unwrap().to_owned();
    let properties = json!({
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": user.name,
        "sasl.password": {"file": password_file},
        "ssl.certificate.location": certificate("svc.pem"),
        "ssl.key.pem": {"file": key},
        "ssl.key.password": {"env": "KEY_PASSWORD"},
    });
    let digest = unique("digest-password");
    let digest_file = folder.path().join("digest");
    fs::write(&digest_file, format!("{digest}\n")).unwrap();
    let auth = json!({"username": "svc", "password": {"file": digest_file}, "acl": "open"});
    let instance = builder(&topic, &records, &properties)
        .set("cluster.zookeeper_auth", auth)
        .variable("KEY_PASSWORD", &key_password)
        .start();
    disturb(&instance, &topic);
    let secrets = Secrets::new([user.password.as_str(), &key_password, &some_of_the_key, &digest]);
    secrets.assert_in_no_process(&instance, &[instance.pid()]);
    secrets.assert_in_nothing_said(&instance);
    let status = instance.status().unwrap();
    let [unlimited, none] = ["unlimited", "0"].map(str::to_owned);
    for pid in [instance.pid(), status.partition(1).worker_pid.unwrap()] {
        assert_eq!(core_limits(pid), (none.clone(), unlimited.clone()), "a core dump would hold them");
    }
    let handler = core_limits(status.partition(1).handler_pid.unwrap());
    assert_eq!(handler, (unlimited.clone(), unlimited), "a handler's is its own");
    instance.wait_for_log("leave no core dumps");
    instance.stop();
    secrets.assert_not_in("the log", instance.log().as_bytes());
}

#[test]
fn a_clients_secret_and_its_tokens_are_nowhere_under_load() {
    let (topic, records) = (topic(2), Records::new());
    let name = unique("client");
    let client = User { password: format!("{name}-secret"), name };
    client.allow("read", &format!("topic:{}", topic.name));
    client.allow("read", "group:*");
    let properties = json!({
        "sasl.mechanism": "OAUTHBEARER",
        "sasl.oauthbearer.method": "oidc",
        "sasl.oauthbearer.token.endpoint.url": format!("{}?expires_in=5", secure("TOKEN_URL")),
        "sasl.oauthbearer.client.id": client.name,
        "sasl.oauthbearer.client.secret": {"env": "CLIENT_SECRET"},
    });
    let instance = builder(&topic, &records, &properties).variable("CLIENT_SECRET", &client.password).start();
    disturb(&instance, &topic);
    instance.wait_for_log("a new token");
    let secrets = Secrets::new([client.password.as_str(), ANY_TOKEN]);
    secrets.assert_in_no_process(&instance, &[instance.pid()]);
    secrets.assert_in_nothing_said(&instance);
    instance.stop();
    secrets.assert_not_in("the log", instance.log().as_bytes());
}

#[test]
fn check_shows_where_a_secret_stands_and_never_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let (topic, records) = (topic(2), Records::new());
    let user = User::reading(&topic);
    let password_file = folder.path().join("password");
    fs::write(&password_file, format!("{}\n", user.password)).unwrap();
    let properties = json!({
        "sasl.mechanism": "SCRAM-SHA-256",
        "sasl.username": user.name,
        "sasl.password": {"file": password_file},
    });
    let instance = builder(&topic, &records, &properties).start();
    instance.wait_ready(2);
    checks(&Secrets::new([&user.password]), &instance, "sasl.password");
    instance.stop();
}

#[test]
fn without_a_secret_workers_may_leave_core_dumps() {
    let (topic, records) = (Topic::new(1), Records::new());
    let allowed = "ulimit -c unlimited; exec \"$@\"";
    let instance = Builder::of(&topic).recorder(&Recorder::new(&records)).under(allowed).start();
    let status = instance.wait_ready(1);
    for pid in [instance.pid(), status.partition(0).worker_pid.unwrap()] {
        assert_eq!(core_limits(pid).0, "unlimited");
    }
    instance.stop();
}

/// What somebody has written wrongly, or by a key of a type of its own, is shown by none of its commands.
#[test]
fn whatever_is_wrong_with_a_secret_it_is_never_said() {
    let topic = Topic::named(&secure("BROKERS"), "no-matter");
    let secrets = Secrets::new([SECRET, &format!("{SECRET}1")]);
    let login = |mechanism: &str| {
        json!({
            "security.protocol": "SASL_SSL", "ssl.ca.location": certificate("ca.pem"), "sasl.mechanism": mechanism,
            "sasl.username": "svc", "sasl.password": SECRET,
        })
    };
    let tls = |key: &str, value: Value| {
        let mut properties = json!({
            "security.protocol": "SSL", "ssl.ca.location": certificate("ca.pem"),
            "ssl.certificate.location": certificate("svc.pem"), "ssl.key.location": certificate("svc-encrypted.key"),
        });
        properties[key] = value;
        properties
    };
    let token = json!({
        "security.protocol": "SASL_SSL", "ssl.ca.location": certificate("ca.pem"), "sasl.mechanism": "OAUTHBEARER",
        "sasl.oauthbearer.method": "oidc", "sasl.oauthbearer.client.id": "svc",
        "sasl.oauthbearer.client.secret": SECRET, "sasl.oauthbearer.token.endpoint.url": secure("TOKEN_URL"),
    });
    let cases = [
        (login("SCRAM-SHA-512"), "sasl.password"),
        (login("PLAIN"), "sasl.password"),
        (tls("ssl.key.password", json!(SECRET)), "ssl.key"),
        (tls("ssl.key.pem", json!(SECRET)), "ssl.key"),
        (tls("ssl.key.password", json!({"text": SECRET})), "ssl.key.password"),
        (tls("ssl.key.password", json!([SECRET])), "ssl.key.password"),
        (token, "client.secret"),
    ];
    for (kafka, property) in cases {
        let builder = Builder::fixed(&topic, &[0]).handler(["cat"]).set("kafka", kafka);
        let builder = builder.set("cluster", json!({"brokers": secure("SASL_TLS"), "connect_timeout": "3s"}));
        never_said(&secrets, &builder, property);
    }
}

fn never_said(secrets: &Secrets, builder: &Builder, property: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("k.yaml");
    fs::write(&file, builder.text()).unwrap();
    for command in [&["check"][..], &["check", "--online"], &["run"]] {
        let mut asked = Command::new(kafkavisor());
        asked.args(command).arg("-c").arg(&file).env("RUNTIME_DIRECTORY", folder.path().join("run"));
        let output = asked.output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&said).into_owned();
        assert!(text.contains(property), "{command:?}, {property}: {text}");
        secrets.assert_not_in(&format!("{command:?}, {property}"), &said);
    }
}
