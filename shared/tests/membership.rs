//! Membership on a real ZooKeeper, beside real kazoo members: `eval "$(script/cluster env)"` first.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[path = "membership/group.rs"]
mod group;
#[path = "membership/proxy.rs"]
mod proxy;
#[path = "membership/python.rs"]
mod python;

use std::time::Duration;

use kafkavisor::ids::TopicPartition;
use kafkavisor::membership::{ConnectError, Connection, Ensemble};
use zookeeper_client::{Acls, Client, CreateMode};

use self::group::{Group, Owner as _, SESSION, WITHIN, options, servers};
use self::proxy::Proxy;

#[tokio::test]
async fn two_members_share_and_each_keeps_what_stays_its_own() {
    let group = Group::new("share", 6);
    let first = group.join("a").await;
    group.until("the first owns everything", || first.has().len() == 6 && first.settled() == Some(1)).await;
    let before = first.has();
    group.until("its lease is renewed", || first.proofs() > 3).await;

    let second = group.join("b").await;
    group.until("both own half", || first.has().len() == 3 && second.has().len() == 3).await;
    group.until("both have settled", || first.settled() == Some(2) && second.settled() == Some(2)).await;
    assert!(
        first.has().iter().all(|(partition, token)| before.get(partition) == Some(token)),
        "what stayed was locked anew"
    );
    assert!(
        second.has().iter().all(|(partition, token)| before.get(partition).unwrap() < token),
        "tokens did not grow"
    );
    group.is_told_by_its_nodes(&[&first, &second]).await;

    let kept = first.has();
    second.leave();
    group.until("the second has left", || second.left()).await;
    group
        .until("the first owns everything again", || first.has().len() == 6 && first.settled() == Some(1))
        .await;
    assert!(kept.iter().all(|(partition, token)| first.has().get(partition) == Some(token)));
    first.leave();
    group.until("the first has left", || first.left()).await;
    assert_eq!(group.seen().await.members, []);
}

#[tokio::test]
async fn python_members_share_a_group_with_ours_whoever_comes_and_goes() {
    let group = Group::new("mixed", 7);
    let ours = group.join("m").await;
    group.until("ours owns everything", || ours.settled() == Some(1)).await;

    let (one, two) = (group.python("a-python-1"), group.python("z-python-2"));
    group.until("three share", || ours.settled() == Some(3) && one.has().len() + two.has().len() == 5).await;
    group.is_told_by_its_nodes(&[&ours, &one, &two]).await;

    ours.leave();
    group.until("ours has left", || ours.left()).await;
    group.until("two Pythons share", || one.has().len() == 4 && two.has().len() == 3).await;
    group.is_told_by_its_nodes(&[&one, &two]).await;

    let (third, fourth) = (group.join("m").await, group.join("zz").await);
    group.until("four share", || third.settled() == Some(4) && fourth.settled() == Some(4)).await;
    group.is_told_by_its_nodes(&[&one, &two, &third, &fourth]).await;

    one.leave();
    group.until("three are left", || third.settled() == Some(3) && fourth.settled() == Some(3)).await;
    group.is_told_by_its_nodes(&[&two, &third, &fourth]).await;

    two.kill();
    group.until("ours take over from the killed", || third.has().len() == 4 && fourth.has().len() == 3).await;
    group.is_told_by_its_nodes(&[&third, &fourth]).await;
}

#[tokio::test]
async fn a_member_without_a_share_is_settled_and_leaves_at_once() {
    let group = Group::new("idle", 1);
    let busy = group.join("a").await;
    let idle = group.join("b").await;
    group.until("both have settled", || busy.settled() == Some(2) && idle.settled() == Some(2)).await;
    assert_eq!((busy.has().len(), idle.has().len(), idle.proofs()), (1, 0, 0));
    idle.leave();
    group.until("the idle one has left", || idle.left()).await;
    group.until("the busy one is alone", || busy.settled() == Some(1)).await;
}

#[tokio::test]
async fn a_short_disconnection_costs_nothing_and_a_long_one_the_session() {
    let proxy = Proxy::start(&servers()).await;
    let group = Group::new("cut", 3);
    let member = group.join_through("a", &proxy.address()).await;
    group.until("it owns everything", || member.settled() == Some(1)).await;
    let (before, session) = (member.has(), member.session());

    proxy.reset_connections();
    group.until("it is connected again", || member.reconnected() == 1).await;
    assert_eq!((member.has(), member.session(), member.lost()), (before.clone(), session.clone(), 0));

    proxy.stop_forwarding();
    let cut = kafkavisor::clock::now();
    group.until("it is cut off", || member.suspended() == 2).await;
    assert!(cut.elapsed() < SESSION, "nobody else can own anything yet");
    group.until("it has lost everything", || member.lost() == 3 && member.has().is_empty()).await;
    proxy.forward();
    group
        .until("it owns everything in a new session", || {
            member.has().len() == 3 && member.settled() == Some(1)
        })
        .await;
    assert_ne!(member.session(), session);
    assert!(member.has().iter().all(|(partition, token)| before.get(partition).unwrap() < token));
}

#[tokio::test]
async fn a_proof_counts_from_before_it_was_asked_for() {
    let proxy = Proxy::start(&servers()).await;
    let group = Group::new("late", 1);
    let member = group.join_through("a", &proxy.address()).await;
    group.until("it owns everything", || member.settled() == Some(1) && member.proofs() > 0).await;
    // The session may have ended since the server has answered.
    let late = SESSION / 5;
    proxy.delay_answers(late);
    let before = member.proofs();
    group.until("late proofs have come", || member.proofs() > before + 2).await;
    assert!(member.oldest_proof() >= late, "counted from {:?} ago", member.oldest_proof());
}

#[tokio::test]
async fn leaving_while_cut_off_does_not_wait_for_the_network() {
    let proxy = Proxy::start(&servers()).await;
    let group = Group::new("cut-leave", 2);
    let member = group.join_through("a", &proxy.address()).await;
    group.until("it owns everything", || member.settled() == Some(1)).await;
    proxy.stop_forwarding();
    group.until("it is cut off", || member.suspended() == 1).await;
    member.leave();
    group.until("it has left", || member.left()).await;
}

#[tokio::test]
async fn members_with_other_topics_wait_for_each_others_partitions() {
    let old = Group::new("siblings/old", 2).with_siblings();
    let new = old.sibling("new");
    let first = old.join("a").await;
    old.until("the first owns everything", || first.settled() == Some(1)).await;
    let second = new.join("b").await;
    new.until("the second waits", || second.blocked().len() == 2).await;
    assert!(second.blocked().iter().all(|by| by.contains("/siblings/old/locks/")), "{:?}", second.blocked());
    assert_eq!((second.has().len(), second.settled()), (0, None));
    first.leave();
    new.until("the second owns everything", || second.settled() == Some(1) && second.has().len() == 2).await;
}

#[tokio::test]
async fn nodes_are_what_python_members_expect() {
    let group = Group::new("nodes", 1);
    let member = group.join("host.example.com").await;
    group.until("it owns its partition", || member.settled() == Some(1)).await;
    let client = Client::connect(&servers()).await.unwrap();
    let folder = group.path();
    let party = client.list_children(&format!("{folder}/party")).await.unwrap();
    let (uuid, id) = party[0].split_once('-').unwrap();
    assert_eq!((uuid.len(), id), (32, member.id().as_str()));
    assert!(id.starts_with("host.example.com-77-"), "{id}");
    let (data, stat) = client.get_data(&format!("{folder}/party/{}", party[0])).await.unwrap();
    assert_eq!((data, stat.ephemeral_owner), (id.as_bytes().to_vec(), member.session_number()));
    let locks = client.list_children(&format!("{folder}/locks/t-0")).await.unwrap();
    let lock = format!("{folder}/locks/t-0/{}", locks[0]);
    let (data, stat) = client.get_data(&lock).await.unwrap();
    assert_eq!(
        (data, stat.czxid, stat.ephemeral_owner),
        (Vec::new(), member.has().values().next().unwrap().0, member.session_number())
    );
    let (uuid, sequence) = locks[0].split_once("__lock__").unwrap();
    assert_eq!((uuid.len(), sequence), (32, "0000000000"));
    let persistent = ["", "/party", "/locks", "/locks/t-0"].map(|path| format!("{folder}{path}"));
    for path in persistent.iter().chain([&lock]) {
        let (acl, _) = client.get_acl(path).await.unwrap();
        assert_eq!(format!("{acl:?}"), format!("{:?}", Acls::anyone_all().to_vec()), "{path}");
    }
    assert!(client.get_data(&folder).await.unwrap().0.is_empty());
}

#[tokio::test]
async fn a_lock_that_somebody_else_holds_is_told_and_so_is_its_end() {
    let group = Group::new("foreign", 2);
    let client = Client::connect(&servers()).await.unwrap();
    let folder = format!("{}/locks/t-0", group.path());
    client.mkdir(&folder, &CreateMode::Persistent.with_acls(Acls::anyone_all())).await.unwrap();
    let foreign = format!("{folder}/0f9a3c0a5d3c4b0e9d6a0f3a1b2c3d4e__lock__0000000000");
    client.create(&foreign, b"", &CreateMode::Ephemeral.with_acls(Acls::anyone_all())).await.unwrap();
    let member = group.join("a").await;
    let partition: TopicPartition = "t:0".parse().unwrap();
    group.until("it says behind whom it waits", || member.waiting().get(&partition) == Some(&foreign)).await;
    assert_eq!((member.members(), member.settled(), member.has().len()), (1, None, 1));
    client.delete(&foreign, None).await.unwrap();
    group.until("it has both", || member.has().len() == 2 && member.settled() == Some(1)).await;
    assert!(member.waiting().is_empty());
}

#[tokio::test]
async fn a_python_member_that_does_not_release_is_named() {
    let group = Group::new("stubborn", 2);
    let python = group.stubborn_python("a-python");
    group.until("Python owns everything", || python.has().len() == 2).await;
    let ours = group.join("z").await;
    group.until("ours names it", || ours.waiting().values().any(|by| by == "a-python")).await;
    assert_eq!((ours.members(), ours.settled()), (2, None));
    python.kill();
    group.until("ours owns everything", || ours.settled() == Some(1) && ours.has().len() == 2).await;
    assert!(ours.waiting().is_empty());
}

#[tokio::test]
async fn a_zookeeper_that_is_not_there_is_an_error_in_time() {
    let mut there = options("a", "/unused");
    there.ensemble = Ensemble::new("127.0.0.1:1");
    let within = Duration::from_millis(600);
    let began = kafkavisor::clock::now();
    let error = Connection::establish(&there, within).await.unwrap_err();
    assert!(
        matches!(error, ConnectError::Unreachable { .. }) && error.to_string().contains("127.0.0.1:1"),
        "{error}"
    );
    assert!(began.elapsed() < within * 3);
    there.ensemble = Ensemble::new("zookeeper:port");
    assert!(matches!(Connection::establish(&there, within).await, Err(ConnectError::Servers { .. })));
}

#[tokio::test]
async fn a_chroot_is_made_where_it_is_missing() {
    let chroot = format!("/chroot-{}/inner", group::unique());
    let mut there = options("a", "/g");
    there.chroot.clone_from(&chroot);
    let connection = Connection::establish(&there, WITHIN).await.unwrap();
    let client = Client::connect(&servers()).await.unwrap();
    assert!(client.check_stat(&chroot).await.unwrap().is_some());
    drop(connection);
    assert!(SESSION < WITHIN);
}

#[tokio::test]
async fn a_group_whose_folder_is_deleted_is_joined_again() {
    let group = Group::new("deleted", 4);
    let members = [group.join("a").await, group.join("b").await];
    let shared = || members.iter().all(|member| member.settled() == Some(2) && member.has().len() == 2);
    group.until("both have their share", shared).await;
    let before = members.each_ref().map(group::Owner::id);
    let client = Client::connect(&servers()).await.unwrap();
    group::delete(&client, &group.path()).await;
    let again = || members.iter().zip(&before).all(|(member, before)| member.id() != *before) && shared();
    group.until("both have joined again and have their share", again).await;
}

#[tokio::test]
async fn a_folder_that_is_deleted_while_it_is_joined_is_made_again() {
    let group = Group::new("deleted-early", 1);
    let client = Client::connect(&servers()).await.unwrap();
    for round in 0..20 {
        let member = group.join("a").await;
        for _ in 0..5 {
            group::delete(&client, &group.path()).await;
        }
        group.until(&format!("it has joined in round {round}"), || member.settled() == Some(1)).await;
        member.leave();
        group.until("it has left", || member.left()).await;
    }
}

#[tokio::test]
async fn a_thousand_items_are_taken_and_shared() {
    let group = Group::new("many", 1000);
    let first = group.join("a").await;
    group.until("the first owns everything", || first.settled() == Some(1)).await;
    let second = group.join("b").await;
    group.until("both have settled", || first.settled() == Some(2) && second.settled() == Some(2)).await;
    assert_eq!((first.has().len(), second.has().len()), (500, 500));
}
