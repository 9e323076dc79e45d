//! Offsets in the classic layout on a real ZooKeeper: `eval "$(script/cluster env)"` first.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use kafkavisor_kafka::offsets::{
    Answers, MemberNode, OffsetError, OffsetStore as _, Stored, ZookeeperOffsets,
};
use kafkavisor_types::clock::{now, wall_millis};
use kafkavisor_types::ids::{Group, Offset, TopicPartition};
use kafkavisor_zookeeper::Ensemble;
use tokio::runtime::{Builder, Handle};
use zookeeper_client::{Acl, Acls, AuthId, Client, CreateMode, Permission};

const WITHIN: Duration = Duration::from_secs(40);

fn servers() -> String {
    std::env::var("KAFKAVISOR_TEST_ZOOKEEPER")
        .expect("KAFKAVISOR_TEST_ZOOKEEPER is not set; these tests need a ZooKeeper: run `eval \"$(script/cluster env)\"`")
}

fn ensemble() -> Ensemble {
    Ensemble::new(servers())
}

/// Driven by a thread of its own, as in the programs.
fn runtime() -> Handle {
    static RUNTIME: OnceLock<Handle> = OnceLock::new();
    let start = || {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let handle = runtime.handle().clone();
        thread::spawn(move || runtime.block_on(std::future::pending::<()>()));
        handle
    };
    RUNTIME.get_or_init(start).clone()
}

fn group() -> Group {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("zk-offsets-{}-{}-{number}", std::process::id(), wall_millis()).parse().unwrap()
}

fn soon() -> Instant {
    now() + WITHIN
}

fn key(number: i32) -> TopicPartition {
    format!("orders:{number}").parse().unwrap()
}

fn keys(count: i32) -> BTreeSet<TopicPartition> {
    (0..count).map(key).collect()
}

fn at(offset: i64, note: &str) -> Stored {
    Stored { offset: Offset(offset), note: note.to_owned() }
}

fn all_at(count: i32, offset: i64, note: &str) -> BTreeMap<TopicPartition, Stored> {
    (0..count).map(|number| (key(number), at(offset, note))).collect()
}

#[track_caller]
fn assert_all_written(answers: &Answers<()>, count: usize) {
    let failed: Vec<_> = answers.iter().filter(|(_, answer)| answer.is_err()).collect();
    assert!(failed.is_empty() && answers.len() == count, "{} answers, failed: {failed:?}", answers.len());
}

/// Somebody else, at the nodes themselves.
struct Other {
    client: Client,
    group: Group,
}

impl Other {
    fn of(group: &Group) -> Self {
        let client = runtime().block_on(async { Client::connect(&servers()).await.unwrap() });
        Self { client, group: group.clone() }
    }

    fn path(&self, number: i32) -> String {
        format!("/consumers/{}/offsets/orders/{number}", self.group)
    }

    fn text(&self, number: i32) -> String {
        let (data, _) = runtime().block_on(async { self.client.get_data(&self.path(number)).await.unwrap() });
        String::from_utf8(data).unwrap()
    }

    fn set(&self, number: i32, text: &str) {
        let path = self.path(number);
        runtime().block_on(async { self.client.set_data(&path, text.as_bytes(), None).await.unwrap() });
    }

    fn make(&self, path: &str, text: &str, mode: CreateMode, acls: Acls<'_>) {
        runtime().block_on(async {
            let folder = path.rsplit_once('/').unwrap().0;
            let open = CreateMode::Persistent.with_acls(Acls::anyone_all());
            if !folder.is_empty() {
                self.client.mkdir(folder, &open).await.unwrap();
            }
            self.client.create(path, text.as_bytes(), &mode.with_acls(acls)).await.unwrap();
        });
    }

    fn delete(&self, path: &str) {
        runtime().block_on(async { self.client.delete(path, None).await.unwrap() });
    }

    fn acl(&self, path: &str) -> Vec<Acl> {
        runtime().block_on(async { self.client.get_acl(path).await.unwrap().0 })
    }

    fn there(&self, path: &str) -> bool {
        runtime().block_on(async { self.client.check_stat(path).await.unwrap().is_some() })
    }
}

#[test]
fn offsets_are_written_as_others_write_them_and_read_back() {
    let group = group();
    let (store, other) = (ZookeeperOffsets::new(runtime(), ensemble(), "", &group), Other::of(&group));
    let none: Vec<_> = store.read(&keys(2), soon()).into_values().collect();
    assert_eq!(none, [Ok(None), Ok(None)]);
    assert_eq!(store.list(soon()), Ok(BTreeSet::new()), "a group that never was");
    assert_all_written(&store.write(&all_at(2, 42, "a note"), soon()), 2);
    assert_eq!((other.text(0), other.text(1)), ("42".to_owned(), "42".to_owned()));
    assert!(!other.there(&format!("/kafkavisor/offsets/{group}")), "an offset alone");
    let open = [Acl::new(Permission::ALL, AuthId::anyone())];
    for path in [other.path(0), format!("/consumers/{group}/offsets/orders"), format!("/consumers/{group}")] {
        assert_eq!(other.acl(&path), open, "{path}");
    }
    other.set(1, "57");
    let read: Vec<_> = store.read(&keys(3), soon()).into_values().collect();
    assert_eq!(read, [Ok(Some(at(42, ""))), Ok(Some(at(57, ""))), Ok(None)]);
    assert_eq!(store.list(soon()), Ok(keys(2)));
}

#[test]
fn everything_is_within_the_chroot() {
    let group = group();
    let chroot = format!("/{group}/a");
    let store = ZookeeperOffsets::new(runtime(), ensemble(), &chroot, &group).signed();
    assert_all_written(&store.write(&all_at(1, 7, ""), soon()), 1);
    let other = Other::of(&group);
    assert!(other.there(&format!("{chroot}/consumers/{group}/offsets/orders/0")));
    assert!(other.there(&format!("{chroot}/kafkavisor/offsets/{group}/orders/0")));
    assert!(!other.there(&other.path(0)));
}

#[test]
fn a_note_holds_until_somebody_else_writes_the_offset() {
    let group = group();
    let (store, other) =
        (ZookeeperOffsets::new(runtime(), ensemble(), "", &group).signed(), Other::of(&group));
    let read = |number| store.read(&[key(number)].into(), soon()).remove(&key(number)).unwrap();
    assert_all_written(&store.write(&all_at(3, 42, "ours"), soon()), 3);
    assert_eq!(read(0), Ok(Some(at(42, "ours"))));
    // The very same number, by somebody else's hand.
    other.set(0, "42");
    assert_eq!(read(0), Ok(Some(at(42, ""))));
    other.set(1, "41");
    assert_eq!(read(1), Ok(Some(at(41, ""))));
    assert_all_written(&store.write(&all_at(3, 43, "again"), soon()), 3);
    assert_eq!(read(0), Ok(Some(at(43, "again"))));
    other.delete(&other.path(2));
    assert_eq!(read(2), Err(OffsetError::TakenAway { path: other.path(2), offset: Offset(43) }));
    let plain = ZookeeperOffsets::new(runtime(), ensemble(), "", &group);
    assert_eq!(plain.read(&[key(2)].into(), soon()).remove(&key(2)), Some(Ok(None)));
}

#[test]
fn what_is_no_number_is_named_and_left_as_it_is() {
    let group = group();
    let (store, other) = (ZookeeperOffsets::new(runtime(), ensemble(), "", &group), Other::of(&group));
    other.make(&other.path(0), "many", CreateMode::Persistent, Acls::anyone_all());
    other.make(&other.path(1), "5", CreateMode::Persistent, Acls::anyone_all());
    let read = store.read(&keys(2), soon());
    let named = OffsetError::NotANumber { path: other.path(0), content: "many".to_owned() };
    assert_eq!(read.into_values().collect::<Vec<_>>(), [Err(named), Ok(Some(at(5, "")))]);
    assert_eq!(other.text(0), "many");
}

#[test]
fn whoever_has_left_the_group_writes_nothing() {
    let group = group();
    let (store, other) =
        (ZookeeperOffsets::new(runtime(), ensemble(), "", &group).signed(), Other::of(&group));
    let node = format!("/kafkavisor-test/{group}/party/me");
    let member = MemberNode(node.clone());
    let refused = |answers: Answers<()>| {
        assert_eq!(answers.len(), 600);
        answers.into_values().all(|answer| answer == Err(OffsetError::NotOurs))
    };
    assert!(refused(store.write_as(&member, &all_at(600, 1, ""), soon())), "not yet in it");
    assert!(!other.there(&other.path(0)));
    other.make(&node, "", CreateMode::Ephemeral, Acls::anyone_all());
    assert_all_written(&store.write_as(&member, &all_at(600, 2, ""), soon()), 600);
    other.delete(&node);
    assert!(refused(store.write_as(&member, &all_at(600, 3, ""), soon())));
    assert_eq!(other.text(599), "2");
}

#[test]
fn of_two_that_begin_a_partition_the_first_ones_offset_holds() {
    let group = group();
    let [first, second] = [0, 1].map(|_| ZookeeperOffsets::new(runtime(), ensemble(), "", &group));
    assert_all_written(&first.begin(None, &all_at(2, 100, "first"), soon()), 2);
    let answers = second.begin(None, &all_at(3, 103, "second"), soon());
    let said: Vec<_> = answers.into_values().collect();
    assert_eq!(said, [Err(OffsetError::Begun), Err(OffsetError::Begun), Ok(())]);
    let found = first.read(&keys(3), soon());
    let found: Vec<_> = found.into_values().map(|answer| answer.unwrap().unwrap().offset.0).collect();
    assert_eq!(found, [100, 100, 103]);
}

#[test]
fn a_node_that_cant_be_written_fails_alone() {
    let group = group();
    let (store, other) =
        (ZookeeperOffsets::new(runtime(), ensemble(), "", &group).signed(), Other::of(&group));
    let read_only = [Acl::new(Permission::READ, AuthId::anyone())];
    for number in [3, 299] {
        other.make(&other.path(number), "1", CreateMode::Persistent, Acls::from(&read_only[..]));
    }
    // Twice: the first time they are found out, the second time they stand aside.
    for offset in [8, 9] {
        let answers = store.write(&all_at(300, offset, ""), soon());
        let failed: Vec<_> = answers.iter().filter(|(_, answer)| answer.is_err()).collect();
        let [(first, Err(error)), (second, Err(_))] = failed[..] else { panic!("{failed:?}") };
        assert_eq!((first, second), (&key(3), &key(299)));
        let said = error.to_string();
        assert!(said.contains(&other.path(3)) && said.contains("the right WRITE"), "{said}");
        assert_eq!((other.text(0), other.text(298)), (offset.to_string(), offset.to_string()));
    }
}

#[test]
fn what_was_removed_meanwhile_is_made_again() {
    let group = group();
    let (store, other) =
        (ZookeeperOffsets::new(runtime(), ensemble(), "", &group).signed(), Other::of(&group));
    assert_all_written(&store.write(&all_at(5, 1, ""), soon()), 5);
    other.delete(&other.path(2));
    other.delete(&format!("/kafkavisor/offsets/{group}/orders/4"));
    assert_all_written(&store.write(&all_at(5, 2, "n"), soon()), 5);
    let read: BTreeSet<_> =
        store.read(&keys(5), soon()).into_values().map(Result::unwrap).map(|s| format!("{s:?}")).collect();
    assert_eq!(read, [format!("{:?}", Some(at(2, "n")))].into());
}

#[test]
fn a_thousand_partitions_are_a_few_entries_of_the_log() {
    let group = group();
    let (store, other) =
        (ZookeeperOffsets::new(runtime(), ensemble(), "", &group).signed(), Other::of(&group));
    let zxids = |count| {
        let look = |number| runtime().block_on(async { other.client.check_stat(&other.path(number)).await });
        (0..count).map(|number| look(number).unwrap().unwrap().mzxid).collect::<BTreeSet<_>>()
    };
    let note = "x".repeat(150);
    for offset in 0..3 {
        assert_all_written(&store.write(&all_at(1000, offset, &note), soon()), 1000);
        let entries = zxids(1000).len();
        assert!(entries <= 6, "{entries}");
    }
}

#[test]
fn nobody_there_is_an_answer_within_the_deadline() {
    let group = group();
    let store = ZookeeperOffsets::new(runtime(), Ensemble::new("127.0.0.1:1"), "", &group);
    let (began, within) = (now(), Duration::from_millis(400));
    let answers = store.write(&all_at(2, 1, ""), began + within);
    let timed_out = |error: &OffsetError| matches!(error, OffsetError::ZookeeperTimedOut { .. });
    assert!(answers.len() == 2 && answers.values().all(|answer| answer.as_ref().is_err_and(timed_out)));
    assert!(store.reach(began + within * 2).is_err_and(|error| error.to_string().contains("127.0.0.1:1")));
    assert!(began.elapsed() < within * 6, "{:?}", began.elapsed());
    let nonsense = ZookeeperOffsets::new(runtime(), Ensemble::new("no:port"), "", &group).reach(soon());
    assert!(matches!(nonsense, Err(OffsetError::Zookeeper { .. })), "{nonsense:?}");
}
