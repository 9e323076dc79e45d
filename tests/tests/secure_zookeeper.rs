//! ZooKeeper over TLS, as somebody, and with nodes that are not everybody's.

use std::collections::BTreeSet;
use std::path::Path;

use kafkavisor_tests::checks::History;
use kafkavisor_tests::command::run;
use kafkavisor_tests::environment::{self, secure, unique};
use kafkavisor_tests::forwarder::Forwarder;
use kafkavisor_tests::instance::{Builder, Instance};
use kafkavisor_tests::kazoo::{KazooMember, folder_of};
use kafkavisor_tests::message::numbered;
use kafkavisor_tests::recorder::Recorder;
use kafkavisor_tests::records::Records;
use kafkavisor_tests::status::Status;
use kafkavisor_tests::topic::Topic;
use kafkavisor_tests::waiting::{until, until_equal};
use kafkavisor_tests::zookeeper::{classic_offset, classic_path, is_open, set_rights, write_node};
use serde_json::json;
use zookeeper_client::Permission;

/// The path of a certificate or key, as a text.
fn certificate(file: &str) -> String {
    environment::certificate(file).to_string_lossy().into_owned()
}

/// Its plain port, for a look from outside.
fn plain() -> String {
    secure("ZOOKEEPER")
}

fn topic(partitions: i32) -> Topic {
    Topic::on(&secure("BROKERS"), partitions)
}

/// Over TLS with a client certificate, as svc, in this folder: the outermost are shared by all groups.
fn secured(topic: &Topic, acl: &str, chroot: &str) -> Builder {
    Builder::of(topic)
        .set("cluster.zookeeper", format!("{}{chroot}", secure("ZOOKEEPER_TLS")))
        .set("cluster.zookeeper_auth", json!({"username": "svc", "password": "svc-secret", "acl": acl}))
        .set(
            "cluster.zookeeper_tls",
            json!({
                "ca": certificate("ca.pem"), "certificate": certificate("svc.pem"), "key": certificate("svc.key"),
            }),
        )
}

/// On the plain port, as nobody.
fn open(topic: &Topic) -> Builder {
    Builder::of(topic).set("cluster.zookeeper", plain()).shell("cat >/dev/null")
}

/// A folder for tests whose nodes are not everybody's.
fn chroot() -> String {
    format!("/{}", unique("root"))
}

fn folder(builder: &Builder, topic: &Topic) -> String {
    format!("/yelp-kafka/{}/{}", builder.group_name(), folder_of(&[&topic.name]))
}

fn owned(instance: &Instance) -> BTreeSet<String> {
    let Some(status) = instance.status() else { return BTreeSet::new() };
    let ready = status.partitions.iter().filter(|partition| partition.state == "ready");
    ready.map(|partition| format!("{}-{}", partition.topic, partition.partition)).collect()
}

#[test]
fn a_group_consumes_over_tls_with_nodes_of_its_own() {
    let (topic, records) = (topic(3), Records::new());
    topic.produce(&numbered(3, 300));
    let root = chroot();
    let builder = secured(&topic, "creator", &root)
        .set("offsets.storage", "zookeeper")
        .recorder(&Recorder::new(&records));
    let instance = builder.start();
    instance.wait_consumed(&topic, 3);
    let other = builder.clone().name(&unique("other")).start();
    until("both have a share", || {
        (owned(&other).len() + owned(&instance).len() == 3 && !owned(&other).is_empty()).then_some(())
    });

    let member = instance.status().unwrap().assignment.member.expect("a member");
    let path = format!("{root}{}", folder(&builder, &topic));
    let offset = format!("{root}{}", classic_path(&builder.group_name(), &topic.name, 0));
    for node in [&path, &format!("{path}/party"), &format!("{path}/locks/{}-0", topic.name), &offset] {
        assert!(!is_open(&plain(), node), "{node}");
    }

    let file = instance.folder().join("kafkavisor.yaml");
    let (zookeeper, group) = (format!("{}{root}", secure("ZOOKEEPER_TLS")), builder.group_name());
    let with_file = ["-c", file.to_str().unwrap(), "-z", &zookeeper, "-g", &group];
    let members = run(["members", "--json"].iter().chain(&with_file)).exits(0).json();
    assert!(members["members"].as_array().unwrap().contains(&json!(member)), "{members}");
    let brokers = secure("BROKERS");
    let of_offsets = ["-b", &brokers, "--storage", "zookeeper", "--json"];
    let lag = run(["lag"].iter().chain(&with_file).chain(&of_offsets)).exits(0).json();
    assert_eq!(lag[0]["lag"], 0, "{lag}");
    let without = run(["members", "-z", &format!("{}{root}", plain()), "-g", &group]).exits(1);
    let _said = without.saying(&["the right READ", &root, "cluster.zookeeper_auth"]);
    for one in [&instance, &other] {
        one.stop();
    }
    let group = ["offsets", "rewind", "-t", &topic.name];
    let _said = run(group.iter().chain(&with_file).chain(&of_offsets)).exits(0);
    History::of(&records, &topic).assert_exactly_once();
}

#[test]
fn kazoo_shares_the_group_whoever_the_nodes_are_for() {
    for (acl, auth, creator) in [("open", "", false), ("creator", "svc:svc-secret", true)] {
        let topic = topic(4);
        let root = chroot();
        let builder = secured(&topic, acl, &root).shell("cat >/dev/null");
        let all: BTreeSet<_> = (0..4).map(|number| format!("{}-{number}", topic.name)).collect();
        let path = format!("{root}{}", folder(&builder, &topic));
        let mut first = KazooMember::join_as(&plain(), &path, "python-1", &all, (auth, creator));
        until("the first Python owns all", || (first.owns() == all).then_some(()));
        let ours = builder.start();
        let shared = |kazoo: &KazooMember| {
            let (theirs, ours) = (kazoo.owns(), owned(&ours));
            (!theirs.is_empty() && !ours.is_empty() && theirs.is_disjoint(&ours) && &theirs | &ours == all)
                .then_some(())
        };
        until(acl, || shared(&first));
        first.leave();
        until("all is ours", || (owned(&ours) == all).then_some(()));
        let second = KazooMember::join_as(&plain(), &path, "python-2", &all, (auth, creator));
        until(acl, || shared(&second));
        ours.stop();
        until("all is the second Python's", || (second.owns() == all).then_some(()));
    }
}

/// What `run` and `check --online` say of it, in time.
#[track_caller]
fn refused(builder: &Builder, words: &[&str]) {
    refused_with(78, builder, words);
}

#[track_caller]
fn refused_with(code: i32, builder: &Builder, words: &[&str]) {
    // What is built first takes its time.
    environment::kafkavisor();
    let began = kafkavisor::clock::now();
    let said = builder.expect_exit(code);
    println!("{}", said.lines().last().unwrap_or_default());
    for word in words {
        assert!(said.contains(word), "{word:?} is not in:\n{said}");
    }
    assert!(began.elapsed().as_secs() < 10, "it took {:?}", began.elapsed());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kafkavisor.yaml");
    std::fs::write(&file, builder.text()).unwrap();
    let _said =
        run([Path::new("check"), Path::new("--online"), Path::new("-c"), &file]).exits(code).saying(words);
}

#[test]
fn each_trouble_with_tls_has_its_own_name_at_the_start() {
    let topic = topic(1);
    let fine = secured(&topic, "open", "").shell("cat >/dev/null");
    let tls =
        |key: &str, file: &str| fine.clone().set(&format!("cluster.zookeeper_tls.{key}"), certificate(file));
    let at = |server: &str| fine.clone().set("cluster.zookeeper", secure(server));
    refused(&at("ZOOKEEPER"), &["does not speak TLS", "secureClientPort"]);
    refused(&fine.clone().without("cluster.zookeeper_tls"), &["speaks TLS", "set `cluster.zookeeper_tls`"]);
    refused(
        &tls("ca", "other-ca.pem"),
        &["signed by a CA that is not in", "other-ca.pem", "cluster.zookeeper_tls.ca"],
    );
    // Any server shows its certificate before anything else.
    refused_with(69, &at("EXPIRED"), &["has expired"]);
    refused_with(69, &at("EXPIRED").set("offsets.storage", "zookeeper"), &["has expired"]);
    refused(&at("WRONG_HOST"), &["is not for that host", "elsewhere.example"]);
    refused(&at("UNKNOWN_CA"), &["signed by a CA that is not in", "ca.pem"]);
    let nobody = fine.clone().set("cluster.zookeeper_tls", json!({"ca": certificate("ca.pem")}));
    refused(&nobody, &["wants a client certificate", "cluster.zookeeper_tls.certificate"]);
    let stranger =
        tls("certificate", "unknown-ca.pem").set("cluster.zookeeper_tls.key", certificate("unknown-ca.key"));
    refused(&stranger, &["refuses our client certificate", "cluster.zookeeper_tls.certificate"]);
}

#[test]
fn a_trouble_with_tls_that_comes_while_it_runs_is_shown_until_it_is_mended() {
    let (topic, records) = (topic(1), Records::new());
    let forwarder = Forwarder::to(&secure("ZOOKEEPER_TLS"));
    let builder = secured(&topic, "open", "").set("cluster.zookeeper", forwarder.address());
    let instance = builder.recorder(&Recorder::new(&records)).start();
    instance.wait_ready(1);
    forwarder.turn_to(&secure("EXPIRED"));
    let why = "has expired";
    let in_trouble =
        |status: &Status| status.assignment.trouble.as_ref().is_some_and(|said| said.contains(why));
    instance.wait_for("it is shown", in_trouble);
    let shown = instance.ask("status", &[]);
    assert!(String::from_utf8_lossy(&shown.stdout).contains(why), "{shown:?}");
    instance.wait_for_log("is lost");
    instance.wait_for("it is still shown", in_trouble);
    forwarder.turn_to(&secure("ZOOKEEPER_TLS"));
    let status = instance.wait_ready(1);
    assert_eq!(status.assignment.trouble, None);
    topic.produce(&numbered(1, 20));
    instance.wait_consumed(&topic, 1);
    instance.stop();
}

#[test]
fn files_that_tls_cant_use_are_named_before_anybody_is_asked() {
    let topic = topic(1);
    let fine = secured(&topic, "open", "").shell("cat >/dev/null");
    for (key, file, words) in [
        ("ca", "svc.key", "holds no certificate"),
        ("certificate", "svc.key", "holds no certificate"),
        ("key", "svc.pem", "holds no private key"),
        ("key", "guest.key", "is not the key of the certificate"),
        ("key", "svc-encrypted.key", "behind a pass phrase"),
    ] {
        let builder = fine.clone().set(&format!("cluster.zookeeper_tls.{key}"), certificate(file));
        let said = builder.expect_exit(78);
        println!("{}", said.lines().last().unwrap_or_default());
        let key = format!("`cluster.zookeeper_tls.{key}`");
        assert!(said.contains(words) && said.contains(&key) && said.contains(file), "{said}");
    }
}

#[test]
fn a_node_that_is_refused_is_named_at_the_start() {
    let all = Permission::ALL;
    let kinds: [(&str, Permission, &str); 6] = [
        ("party", Permission::READ, "CREATE"),
        ("party", Permission::CREATE | Permission::DELETE, "READ"),
        ("party", Permission::READ | Permission::CREATE, "DELETE"),
        ("locks", Permission::READ, "CREATE"),
        ("locks/lock", Permission::READ, "CREATE"),
        ("locks/lock", Permission::CREATE | Permission::DELETE, "READ"),
    ];
    for (node, rights, missing) in kinds {
        let topic = topic(1);
        let builder = open(&topic);
        let path = folder(&builder, &topic);
        for below in ["party/x", "locks/x"] {
            write_node(&plain(), &format!("{path}/{below}"), "");
            kafkavisor_tests::zookeeper::remove_node(&plain(), &format!("{path}/{below}"));
        }
        let node =
            format!("{path}/{}", node.replace("lock/", "").replace("/lock", &format!("/{}-0", topic.name)));
        if node.ends_with("-0") {
            write_node(&plain(), &node, "");
        }
        set_rights(&plain(), &node, rights);
        refused(&builder, &[&format!("refuses {node}: the right {missing}"), "cluster.zookeeper_auth"]);
        set_rights(&plain(), &node, all);
        let instance = builder.start();
        instance.wait_ready(1);
        instance.stop();
    }
    let root = chroot();
    write_node(&plain(), &format!("{root}/x"), "");
    set_rights(&plain(), &root, Permission::READ);
    let inside = |more: &str| open(&topic(1)).set("cluster.zookeeper", format!("{}{root}{more}", plain()));
    for more in ["", "/below"] {
        refused(&inside(more), &[&format!("refuses {root}: the right CREATE"), "cluster.zookeeper_auth"]);
    }
}

#[test]
fn an_offset_that_is_refused_is_named_at_the_start() {
    for (rights, missing) in [(Permission::WRITE, "READ"), (Permission::READ, "WRITE")] {
        let topic = topic(2);
        let builder = open(&topic).set("offsets.storage", "zookeeper");
        let node = classic_path(&builder.group_name(), &topic.name, 1);
        write_node(&plain(), &node, "0");
        set_rights(&plain(), &node, rights);
        refused(&builder, &[&format!("refuses {node}: the right {missing}"), "cluster.zookeeper_auth"]);
    }
}

#[test]
fn a_lock_that_can_not_be_made_keeps_nobody_else_from_work() {
    let (topic, records) = (topic(2), Records::new());
    let builder = open(&topic).recorder(&Recorder::new(&records));
    let instance = builder.start();
    instance.wait_ready(2);
    let locks = format!("{}/locks", folder(&builder, &topic));
    set_rights(&plain(), &locks, Permission::READ);
    topic.grow(3);
    let key = format!("{}:2", topic.name);
    let status = instance
        .wait_for("the new one is in trouble", |status| status.assignment.troubles.contains_key(&key));
    let why = format!("refuses {locks}: the right CREATE");
    assert!(status.assignment.troubles[&key].contains(&why), "{status:?}");
    let shown = instance.ask("status", &[]);
    assert!(String::from_utf8_lossy(&shown.stdout).contains(&why));
    topic.produce(&numbered(2, 100));
    instance.wait_for("the others go on", |status| {
        status.partitions.iter().map(|partition| partition.committed.unwrap_or(0)).sum::<i64>() == 100
    });
    set_rights(&plain(), &locks, Permission::ALL);
    let status = instance.wait_ready(3);
    assert!(status.assignment.troubles.is_empty(), "{status:?}");
    assert_eq!(instance.log().matches(&why).count(), 1, "{}", instance.log());
    instance.stop();
    History::of(&records, &topic).assert_exactly_once();
}

#[test]
fn a_lock_that_can_not_be_given_up_is_named_and_ends_with_the_member() {
    let topic = topic(2);
    let builder = open(&topic);
    let instance = builder.start();
    instance.wait_ready(2);
    let lock = |number: i32| format!("{}/locks/{}-{number}", folder(&builder, &topic), topic.name);
    let other = builder.clone().name(&unique("other"));
    let second = other.start();
    until("they share", || (owned(&instance).len() == 1 && owned(&second).len() == 1).then_some(()));
    let held = i32::from(!owned(&second).contains(&format!("{}-0", topic.name)));
    let party = format!("{}/party", folder(&builder, &topic));
    for node in [&lock(held), &party] {
        set_rights(&plain(), node, Permission::READ | Permission::CREATE);
    }
    // What can't be deleted goes with its session.
    second.stop();
    instance.wait_ready(2);
    instance.stop();
}

#[test]
fn an_offset_that_can_not_be_written_is_named_and_written_later() {
    let (topic, records) = (topic(2), Records::new());
    let builder = open(&topic).set("offsets.storage", "zookeeper").recorder(&Recorder::new(&records));
    topic.produce(&numbered(2, 20));
    let instance = builder.start();
    instance.wait_consumed(&topic, 2);
    let node = classic_path(&builder.group_name(), &topic.name, 1);
    set_rights(&plain(), &node, Permission::READ);
    topic.produce(&numbered(2, 20));
    let why = format!("refuses {node}: the right WRITE");
    instance.wait_for_log(&why);
    let at_the_top = |status: &Status| status.troubles.iter().any(|trouble| trouble.contains(&why));
    instance.wait_for("it stands at the top of status", at_the_top);
    let offset = |number| classic_offset(&plain(), &builder.group_name(), &topic.name, number);
    until_equal("the other is written", &Some("20".to_owned()), || offset(0));
    assert_eq!(offset(1), Some("10".to_owned()));
    assert!(!instance.ask("status", &["--json"]).stdout.is_empty());
    set_rights(&plain(), &node, Permission::ALL);
    until_equal("it is written in the end", &Some("20".to_owned()), || offset(1));
    instance.wait_for("nothing is wrong any more", |status| status.troubles.is_empty());
    instance.stop();
    History::of(&records, &topic).assert_exactly_once();
}
