//! Clusters with TLS, SASL and rights: consumed with a few lines, and each trouble said by its own name at the start, by `run` as
//! by `check --online`, long before `cluster.connect_timeout` is over.

use std::fs;
use std::time::Duration;

use kafkavisor::clock::now;
use kafkavisor_tests::checks::History;
use kafkavisor_tests::command;
use kafkavisor_tests::environment::{certificate, kafkavisor, secure, unique};
use kafkavisor_tests::instance::Builder;
use kafkavisor_tests::message::numbered;
use kafkavisor_tests::recorder::Recorder;
use kafkavisor_tests::records::Records;
use kafkavisor_tests::secure::{User, instance, topic};
use kafkavisor_tests::topic::Topic;
use serde_json::{Value, json};

/// Of the ten seconds that a start may take.
const SOON: Duration = Duration::from_secs(6);

/// What is said where the start ends with this code.
fn said(name: &str, code: i32, builder: &Builder) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("k.yaml");
    fs::write(&file, builder.text()).unwrap();
    let _built_before = kafkavisor();
    let begun = now();
    let checked = command::run(["check", "--online", "-c", file.to_str().unwrap()]).exits(code);
    let took = begun.elapsed();
    println!("{name}: check --online, {code} after {took:.1?}: {}", checked.err);
    assert!(took < SOON, "{name}: {took:?}");
    let ran = builder.expect_exit(code);
    let message = |text: &str| text.lines().last().unwrap_or_default().to_owned();
    assert!(ran.contains(message(&checked.err).trim_start_matches("kafkavisor: ")), "{name}: {ran}");
    checked.err
}

#[track_caller]
fn assert_said(name: &str, listener: &str, kafka: Value, code: i32, words: &[&str]) {
    let topic = Topic::named(&secure("BROKERS"), "no-matter");
    let text = said(name, code, &instance(&topic, &[0], listener, kafka).handler(["cat"]));
    for word in words {
        assert!(text.contains(word), "{name}: it does not say {word:?}: {text}");
    }
}

fn sasl(mechanism: &str, username: &str, password: &str) -> Value {
    json!({
        "security.protocol": "SASL_SSL", "ssl.ca.location": certificate("ca.pem"), "sasl.mechanism": mechanism,
        "sasl.username": username, "sasl.password": password,
    })
}

fn tls(more: Value) -> Value {
    let mut all = json!({"security.protocol": "SSL", "ssl.ca.location": certificate("ca.pem")});
    all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    all
}

#[test]
fn a_newcomer_consumes_a_sasl_ssl_cluster_with_ten_lines() {
    let (topic, records) = (topic(2), Records::new());
    topic.produce(&numbered(2, 50));
    let user = User::reading(&topic);
    let text = format!(
        "group: {}\ntopics: [{}]\ncluster: {{brokers: '{}'}}\nassignment: {{mode: static, partitions: {{{}: [0, 1]}}}}\noffsets: {{reset: earliest}}\n\
         handler: {{command: {}}}\nkafka:\n  security.protocol: SASL_SSL\n  ssl.ca.location: {}\n  sasl.mechanism: SCRAM-SHA-256\n  \
         sasl.username: {}\n  sasl.password: {}\n",
        unique("group"),
        topic.name,
        secure("SASL_TLS"),
        topic.name,
        json!(Recorder::new(&records).command()),
        certificate("ca.pem").display(),
        user.name,
        user.password,
    );
    assert!(text.lines().count() <= 12, "{text}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("newcomer.yaml");
    fs::write(&file, text).unwrap();
    let running = Builder::of(&topic).arguments(["run", "-c", file.to_str().unwrap()]).start();
    running.wait_consumed(&topic, 2);
    running.stop();
    History::of(&records, &topic).assert_exactly_once();
}

#[test]
fn every_kind_of_login_and_certificate_consumes() {
    let client = |key: &str, more: Value| {
        let mut all = tls(
            json!({"ssl.certificate.location": certificate("svc.pem"), "ssl.key.location": certificate(key)}),
        );
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        all
    };
    let plain_text = json!({
        "security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "SCRAM-SHA-512", "sasl.username": "svc",
        "sasl.password": "svc-secret",
    });
    for (listener, kafka) in [
        ("TLS", tls(json!({}))),
        ("MUTUAL_TLS", client("svc.key", json!({}))),
        ("MUTUAL_TLS", client("svc-encrypted.key", json!({"ssl.key.password": "svc-secret"}))),
        (
            "MUTUAL_TLS",
            tls(
                json!({"ssl.keystore.location": certificate("svc.p12"), "ssl.keystore.password": "svc-secret"}),
            ),
        ),
        ("SASL_TLS", sasl("PLAIN", "svc", "svc-secret")),
        ("SASL_TLS", sasl("scram-sha-256", "svc", "svc-secret")),
        ("SASL_PLAIN_TEXT", plain_text),
    ] {
        let (topic, records) = (topic(1), Records::new());
        topic.produce(&numbered(1, 5));
        let running = instance(&topic, &[0], listener, kafka).recorder(&Recorder::new(&records)).start();
        running.wait_consumed(&topic, 1);
        running.stop();
    }
}

#[test]
fn a_wrong_password_is_no_broker_that_is_down() {
    for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
        for (name, password) in [("svc", "wrong"), ("nobody-of-that-name", "svc-secret")] {
            let kafka = sasl(mechanism, name, password);
            assert_said(mechanism, "SASL_TLS", kafka, 78, &["refuses to let us in", "`kafka.sasl.password`"]);
        }
    }
}

#[test]
fn a_mechanism_that_is_not_enabled_is_said_beside_those_that_are() {
    let kafka = json!({"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN", "sasl.username": "svc", "sasl.password": "x"});
    assert_said(
        "mechanism",
        "SASL_PLAIN_TEXT",
        kafka,
        78,
        &["`kafka.sasl.mechanism` PLAIN", "SCRAM-SHA-256, SCRAM-SHA-512"],
    );
}

#[test]
fn whose_certificate_is_wrong_and_how() {
    let other = json!({"security.protocol": "SSL", "ssl.ca.location": certificate("other-ca.pem")});
    assert_said(
        "unknown CA",
        "TLS",
        other,
        78,
        &["kafkavisor test ca", "not trusted", "`kafka.ssl.ca.location`"],
    );
    assert_said("its unknown CA", "UNKNOWN_CA", tls(json!({})), 78, &["other-ca", "`kafka.ssl.ca.location`"]);
    assert_said("expired", "EXPIRED", tls(json!({})), 69, &["has expired", "2020", "renewed on the broker"]);
    let wrong = ["elsewhere.example", "not for 127.0.0.1", "`cluster.brokers`"];
    assert_said("wrong host", "WRONG_HOST", tls(json!({})), 78, &wrong);
}

#[test]
fn what_the_broker_has_against_our_certificate() {
    let ours = |name: &str| {
        let file = |kind: &str| certificate(&format!("{name}.{kind}"));
        tls(json!({"ssl.certificate.location": file("pem"), "ssl.key.location": file("key")}))
    };
    let missing = ["wants a client certificate", "`kafka.ssl.certificate.location`"];
    assert_said("missing certificate", "MUTUAL_TLS", tls(json!({})), 78, &missing);
    assert_said(
        "ours expired",
        "MUTUAL_TLS",
        ours("expired"),
        78,
        &["our own certificate has expired", "2020"],
    );
    let refused = ["refuses our client certificate", "other-ca", "`kafka.ssl.certificate.location`"];
    assert_said("ours refused", "MUTUAL_TLS", ours("unknown-ca"), 78, &refused);
}

#[test]
fn a_listener_that_is_taken_for_another() {
    let scram = |protocol: &str| {
        let mut all = sasl("SCRAM-SHA-256", "svc", "svc-secret");
        all["security.protocol"] = json!(protocol);
        if protocol == "SASL_PLAINTEXT" {
            all.as_object_mut().unwrap().remove("ssl.ca.location");
        }
        all
    };
    let wanted = |protocol: &'static str| ["`kafka.security.protocol`", protocol];
    assert_said("plain to TLS", "TLS", json!({}), 78, &["speaks TLS", "to SSL"]);
    assert_said("plain SASL to TLS", "SASL_TLS", scram("SASL_PLAINTEXT"), 78, &["speaks TLS", "to SASL_SSL"]);
    assert_said("TLS to plain", "BROKERS", tls(json!({})), 78, &["speaks plain text", "to PLAINTEXT"]);
    assert_said(
        "TLS to plain SASL",
        "SASL_PLAIN_TEXT",
        scram("SASL_SSL"),
        78,
        &["speaks plain text", "to SASL_PLAINTEXT"],
    );
    assert_said("SASL without", "BROKERS", scram("SASL_PLAINTEXT"), 78, &wanted("to PLAINTEXT"));
    assert_said("SASL without, TLS", "TLS", scram("SASL_SSL"), 78, &wanted("to SSL"));
    assert_said(
        "no SASL",
        "SASL_PLAIN_TEXT",
        json!({}),
        78,
        &["wants a login", "to SASL_PLAINTEXT", "SCRAM-SHA-512"],
    );
    assert_said(
        "no SASL, TLS",
        "SASL_TLS",
        tls(json!({})),
        78,
        &["wants a login", "to SASL_SSL", "OAUTHBEARER"],
    );
}

/// What `check` finds without asking anybody: one line, at the property.
#[track_caller]
fn assert_found(listener: &str, kafka: Value, words: &[&str]) {
    let topic = Topic::named(&secure("BROKERS"), "no-matter");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("k.yaml");
    fs::write(&file, instance(&topic, &[0], listener, kafka.clone()).handler(["cat"]).text()).unwrap();
    let _built_before = kafkavisor();
    let found = command::run(["check", "-c", file.to_str().unwrap()]).exits(78).err;
    println!("{kafka}: {found}");
    assert_eq!(found.lines().count(), 1, "{kafka}: {found}");
    for word in words {
        assert!(found.contains(word), "{kafka}: it does not say {word:?}: {found}");
    }
}

#[test]
fn what_is_wrong_with_our_own_files_is_found_before_anybody_is_asked() {
    let named = |name: &str| certificate(name).display().to_string();
    let file = |name: &str| fs::read_to_string(certificate(name)).unwrap();
    let client = |more: Value| {
        let mut all = tls(json!({"ssl.certificate.location": named("svc.pem")}));
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        all
    };
    let encrypted = named("svc-encrypted.key");
    for (kafka, words) in [
        (client(json!({})), &["`kafka.ssl.certificate.location`: needs `kafka.ssl.key.location`"][..]),
        (
            client(json!({"ssl.key.location": encrypted})),
            &["`kafka.ssl.key.location`", "is encrypted: set `kafka.ssl.key.password`"],
        ),
        (
            client(json!({"ssl.key.pem": file("svc-encrypted.key")})),
            &["`kafka.ssl.key.pem`", "is encrypted: set `kafka.ssl.key.password`"],
        ),
        (
            client(json!({"ssl.key.location": encrypted, "ssl.key.password": "wrong"})),
            &["`kafka.ssl.key.password`: is not the password of the key in", "svc-encrypted.key"],
        ),
        (
            client(json!({"ssl.key.location": named("guest.key")})),
            &["`kafka.ssl.key.location`", "guest.key is not that of the certificate in", "svc.pem"],
        ),
        (
            client(json!({"ssl.key.location": "/etc/passwd"})),
            &["`kafka.ssl.key.location`: /etc/passwd has no BEGIN PRIVATE KEY"],
        ),
        (
            client(json!({"ssl.key.location": "/no/such.key"})),
            &["`kafka.ssl.key.location`: the file /no/such.key can't be read: No such file"],
        ),
        (
            tls(json!({"ssl.ca.location": "/no/such.pem"})),
            &["`kafka.ssl.ca.location`: the file /no/such.pem can't be read: No such file"],
        ),
        (
            tls(json!({"ssl.ca.location": "/etc/passwd"})),
            &["`kafka.ssl.ca.location`: /etc/passwd has no BEGIN CERTIFICATE"],
        ),
        (tls(json!({"ssl.ca.location": named("svc.key")})), &["svc.key has no BEGIN CERTIFICATE"]),
        (
            tls(json!({"ssl.crl.location": "/etc/passwd"})),
            &["`kafka.ssl.crl.location`: /etc/passwd has no BEGIN X509 CRL"],
        ),
        (
            tls(json!({"ssl.keystore.location": named("svc.p12")})),
            &["`kafka.ssl.keystore.location`", "set `kafka.ssl.keystore.password`"],
        ),
        (
            tls(json!({"ssl.keystore.location": named("svc.p12"), "ssl.keystore.password": "wrong"})),
            &["`kafka.ssl.keystore.password`: is not the password of"],
        ),
        (tls(json!({"ssl.keystore.location": "/etc/passwd"})), &["/etc/passwd is no PKCS #12 file"]),
    ] {
        assert_found("MUTUAL_TLS", kafka, words);
    }
}

#[test]
fn one_cause_is_one_line_and_librdkafkas_build_is_none() {
    let with = |name: &str, value: Value| {
        let mut all = sasl("PLAIN", "svc", "svc-secret");
        all[name] = value;
        all
    };
    for (kafka, words) in [
        (
            with("sasl.password", json!({"file": "/no/such"})),
            &["`kafka.sasl.password`", "/no/such can't be read"][..],
        ),
        (with("sasl.password", json!([1])), &["`kafka.sasl.password`: expected text"]),
        (with("sasl.mechanism", json!("GSSAPI")), &["Kerberos (GSSAPI) is not available"]),
        (with("sasl.oauthbearer.method", json!("oidc")), &["is for `kafka.sasl.mechanism: OAUTHBEARER`"]),
        (
            with("security.protocol", json!("SSL")),
            &["`kafka.sasl.mechanism`: is for a login", "set that to SASL_SSL"],
        ),
        (
            json!({"sasl.mechanism": "PLAIN", "sasl.username": "svc", "sasl.password": "x"}),
            &["`kafka.security.protocol`", "SASL_SSL"],
        ),
        (
            json!({"ssl.ca.location": certificate("ca.pem")}),
            &["`kafka.security.protocol`", "set that to SSL"],
        ),
    ] {
        assert_found("SASL_TLS", kafka, words);
    }
}

#[test]
fn commands_that_look_at_kafka_say_the_same_words() {
    let brokers = secure("TLS");
    let commands: [&[&str]; 4] = [
        &["lag", "-b", &brokers, "-g", "g"],
        &["offsets", "get", "-b", &brokers, "-g", "g"],
        &["members", "-b", &brokers, "-g", "g"],
        &["topics", "-b", &brokers],
    ];
    for command in commands {
        let said = command::run(command).exits(78).saying(&["speaks TLS", "`kafka.security.protocol`"]);
        println!("{command:?}: {}", said.err);
    }
}

#[test]
fn a_right_that_is_missing_is_named() {
    let topic = topic(1);
    let of_topic = format!("topic:{}", topic.name);
    let user = User::new();
    let builder = instance(&topic, &[0], "SASL_TLS", user.scram()).handler(["cat"]);
    let group = format!("group:{}", builder.group_name());
    let text = said("group", 78, &builder);
    assert!(text.contains(&builder.group_name()) && text.contains("give this user READ on it"), "{text}");
    user.allow("read", &group);
    for more in [None, Some("describe")] {
        more.into_iter().for_each(|operation| user.allow(operation, &of_topic));
        let text = said(&format!("topic, {more:?}"), 78, &builder);
        assert!(text.contains(&topic.name) && text.contains("not allowed to read the topic"), "{text}");
    }
    user.allow("read", &of_topic);
    let running = builder.start();
    running.wait_ready(1);
    running.stop();
    // Being allowed to see the group is not enough: offsets are committed, too.
    user.revoke("read", &group);
    user.allow("describe", &group);
    let text = said("group, described", 78, &builder);
    assert!(text.contains(&builder.group_name()) && text.contains("READ"), "{text}");
}

#[test]
fn all_rights_that_are_missing_are_named_at_once_that_to_dead_letter_too() {
    let (dead, topic) = (topic(1), topic(1));
    let user = User::new();
    let builder = instance(&topic, &[0], "SASL_TLS", user.scram()).handler(["cat"]);
    let builder = builder.set("handler.poison.topic", dead.name.as_str());
    let group = format!("group:{}", builder.group_name());
    let lines = |text: &str| text.lines().filter(|line| line.contains("give this user")).count();
    let text = said("all", 78, &builder);
    for words in [
        format!("group {}: not allowed to use", builder.group_name()),
        format!("topic {}: not allowed to read", topic.name),
        format!(
            "topic {}, for dead letters: not allowed to write to the topic: give this user WRITE",
            dead.name
        ),
    ] {
        assert!(text.contains(&words), "{words}: {text}");
    }
    assert_eq!(lines(&text), 3, "{text}");
    user.allow("read", &group);
    user.allow("read", &format!("topic:{}", topic.name));
    user.allow("describe", &format!("topic:{}", dead.name));
    let text = said("dead letters", 78, &builder);
    assert!(lines(&text) == 1 && text.contains("for dead letters: not allowed to write"), "{text}");
    user.allow("write", &format!("topic:{}", dead.name));
    let running = builder.start();
    running.wait_ready(1);
    running.stop();
}

#[test]
fn a_topic_for_dead_letters_that_does_not_exist_is_warned_of() {
    let (topic, dead) = (topic(1), unique("no-such"));
    let builder = instance(&topic, &[0], "BROKERS", json!({})).handler(["cat"]);
    let builder = builder.set("handler.poison.topic", dead.as_str());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("k.yaml");
    fs::write(&file, builder.text()).unwrap();
    let words = format!("topic {dead}, for dead letters, does not exist");
    let checked = command::run(["check", "--online", "-c", file.to_str().unwrap()]).exits(0);
    assert!(checked.err.contains("warning: ") && checked.err.contains(&words), "{}", checked.err);
    let running = builder.start();
    running.wait_ready(1);
    running.wait_for_log(&words);
    running.stop();
}
