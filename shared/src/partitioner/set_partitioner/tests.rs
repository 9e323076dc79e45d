//! The member's single decisions; [`faults`] has it under random ones.

mod alone;
mod faults;
mod refused;

use std::collections::BTreeSet;

use self::alone::{Alone, COOLDOWN, FOLDER};
use super::super::messages::{Action, Answer, Event, Notice, Request, RequestId};
use crate::ids::{FencingToken, TopicPartition};

fn partitions(count: i32) -> BTreeSet<TopicPartition> {
    (0..count).map(partition).collect()
}

fn partition(partition: i32) -> TopicPartition {
    format!("t:{partition}").parse().unwrap()
}

fn python_prefix() -> String {
    "0f9a3c0a5d3c4b0e9d6a0f3a1b2c3d4e__lock__".to_owned()
}

#[test]
fn alone_it_joins_waits_for_the_cooldown_and_acquires_everything() {
    let mut alone = Alone::new(2, false);
    alone.start();
    let [Notice::Joined { member: Some(member), .. }] = &alone.hears()[..] else { panic!() };
    assert!(member.starts_with("host-1-") && member.len() == "host-1-".len() + 8, "{member}");
    assert_eq!(alone.member.next_deadline(), Some(alone.now + COOLDOWN));
    assert_eq!(alone.lock_nodes(), 0);
    alone.settle();
    let heard = alone.hears();
    assert!(matches!(
        heard[..],
        [Notice::Assigned { .. }, Notice::Assigned { .. }, Notice::Settled { members: 1 }]
    ));
    assert_eq!(alone.member.next_deadline(), None);
}

#[test]
fn what_stays_mine_is_kept_and_the_rest_is_deleted_only_once_released() {
    let mut alone = Alone::acquired(2);
    let token = Alone::token(&alone.hears(), &partition(1));
    alone.other_joins("host-2");
    assert_eq!(alone.hears(), [Notice::Unsettled]);
    alone.settle();
    // host-1-… sorts before host-2: partition 0 stays.
    let heard = alone.hears();
    assert_eq!(
        heard,
        [Notice::Revoked { partition: partition(1), token: Some(token) }, Notice::Settled { members: 2 }]
    );
    assert_eq!(alone.lock_nodes(), 2);
    alone.say(Event::Released { partition: partition(1), token });
    assert_eq!(alone.lock_nodes(), 1);
}

#[test]
fn an_item_that_comes_back_before_it_is_released_is_locked_again_afterwards() {
    let mut alone = Alone::acquired(2);
    let token = Alone::token(&alone.hears(), &partition(1));
    let other = alone.other_joins("host-2");
    alone.settle();
    alone.other_closes(other);
    alone.settle();
    alone.hears();
    alone.say(Event::Released { partition: partition(1), token });
    let heard = alone.hears();
    assert!(Alone::token(&heard, &partition(1)) > token);
    assert_eq!(heard.last(), Some(&Notice::Settled { members: 1 }));
}

#[test]
fn a_release_with_an_old_token_does_nothing() {
    let mut alone = Alone::acquired(2);
    let token = Alone::token(&alone.hears(), &partition(1));
    alone.say(Event::Released { partition: partition(1), token });
    alone.other_joins("host-2");
    alone.settle();
    alone.say(Event::Released { partition: partition(1), token: FencingToken(token.0 - 1) });
    assert_eq!(alone.lock_nodes(), 2);
}

#[test]
fn more_members_than_items_leave_one_idle_and_settled() {
    let mut alone = Alone::new(1, false);
    alone.other_joins("a-host-1");
    alone.start();
    alone.settle();
    assert_eq!(alone.hears()[1..], [Notice::Settled { members: 2 }]);
    assert_eq!((alone.member.next_deadline(), alone.lock_nodes()), (None, 0));
    alone.say(Event::LeaveRequested);
    assert_eq!(alone.hears(), [Notice::Left]);
}

#[test]
fn it_waits_in_line_behind_a_holder_and_keeps_its_place() {
    let mut alone = Alone::new(1, false);
    let python = alone.zookeeper.open(alone.now);
    alone.other(python, FOLDER, &Request::CreateLock { partition: partition(0), prefix: python_prefix() });
    alone.start();
    alone.settle();
    assert_eq!((alone.hears().len(), alone.lock_nodes()), (1, 2));
    alone.settle();
    assert!(matches!(alone.hears()[..], [Notice::Waiting { .. }]));
    assert_eq!(alone.lock_nodes(), 2);
    alone.other_closes(python);
    assert!(matches!(alone.hears()[..], [Notice::Assigned { .. }, Notice::Settled { .. }]));
}

#[test]
fn it_is_told_when_somebody_else_has_stood_in_line_since() {
    let mut alone = Alone::acquired(1);
    let contended = Notice::Contended { partition: partition(0) };
    for others in [0, 1, 0, 2] {
        alone.hears();
        alone.zookeeper.end(alone.session);
        for _ in 0..others {
            let python = alone.zookeeper.open(alone.now);
            let request = Request::CreateLock { partition: partition(0), prefix: python_prefix() };
            alone.other(python, FOLDER, &request);
            alone.zookeeper.end(python);
        }
        alone.session = alone.zookeeper.open(alone.now);
        alone.say(Event::SessionEnded { epoch: alone.epoch() });
        alone.start();
        alone.settle();
        let heard = alone.hears();
        assert!(matches!(heard.last(), Some(Notice::Settled { .. })), "{heard:?}");
        assert_eq!(heard.contains(&contended), others > 0, "{others}: {heard:?}");
    }
}

#[test]
fn a_waiting_node_of_an_item_that_went_is_deleted_at_once() {
    let mut alone = Alone::new(2, false);
    let python = alone.zookeeper.open(alone.now);
    alone.other(python, FOLDER, &Request::CreateLock { partition: partition(1), prefix: python_prefix() });
    alone.start();
    alone.settle();
    assert_eq!(alone.lock_nodes(), 3);
    alone.say(Event::PartitionsChanged { partitions: partitions(1) });
    assert_eq!(alone.lock_nodes(), 2);
    assert_eq!(alone.hears().last(), Some(&Notice::Settled { members: 1 }));
}

#[test]
fn a_changed_set_is_allocated_at_once_and_what_stays_is_kept() {
    let mut alone = Alone::acquired(2);
    let token = Alone::token(&alone.hears(), &partition(0));
    alone.say(Event::PartitionsChanged { partitions: [partition(1), partition(2)].into() });
    let heard = alone.hears();
    assert_eq!(
        heard[..2],
        [Notice::Unsettled, Notice::Revoked { partition: partition(0), token: Some(token) }]
    );
    assert!(matches!(heard[2..], [Notice::Assigned { .. }, Notice::Settled { members: 1 }]));
    alone.say(Event::PartitionsChanged { partitions: [partition(1), partition(2)].into() });
    assert_eq!(alone.hears(), []);
}

#[test]
fn leaving_waits_for_every_release_and_then_goes_without_a_trace() {
    let mut alone = Alone::acquired(2);
    let heard = alone.hears();
    alone.say(Event::LeaveRequested);
    assert_eq!(alone.hears().len(), 2);
    for partition in partitions(2) {
        assert!(alone.zookeeper.paths().any(|path| path.contains("/party/")));
        alone.say(Event::Released { token: Alone::token(&heard, &partition), partition });
    }
    assert_eq!(alone.hears(), [Notice::Left]);
    assert_eq!(alone.zookeeper.paths().count(), 0);
    assert!(matches!(alone.asked.last(), Some(Request::LeaveParty { .. })));
    alone.say(Event::LeaveRequested);
    assert_eq!(alone.hears(), []);
}

#[test]
fn leaving_within_the_cooldown_waits_for_releases_alone() {
    let mut alone = Alone::acquired(1);
    let token = Alone::token(&alone.hears(), &partition(0));
    alone.other_joins("other");
    assert!(alone.member.next_deadline().is_some(), "the party settles again");
    alone.say(Event::LeaveRequested);
    assert_eq!(alone.member.next_deadline(), None, "it would be waited for without a pause");
    alone.say(Event::Released { partition: partition(0), token });
    assert_eq!(alone.hears().last(), Some(&Notice::Left));
}

#[test]
fn leaving_before_there_is_a_session_needs_none() {
    let mut alone = Alone::new(2, false);
    alone.last_epoch = 1;
    alone.say(Event::LeaveRequested);
    assert_eq!(alone.hears(), [Notice::Left]);
}

#[test]
fn a_lost_session_loses_everything_and_a_new_one_begins_under_a_new_name() {
    let mut alone = Alone::acquired(1);
    let heard = alone.hears();
    let token = Alone::token(&heard, &partition(0));
    alone.zookeeper.end(alone.session);
    alone.zookeeper.take_fired();
    alone.session = alone.zookeeper.open(alone.now);
    let epoch = alone.epoch();
    alone.say(Event::SessionEnded { epoch });
    assert_eq!(
        alone.hears(),
        [Notice::Lost { partition: partition(0), token: Some(token) }, Notice::SessionLost]
    );
    alone.start();
    alone.settle();
    let heard = alone.hears();
    assert!(Alone::token(&heard, &partition(0)) > token);
}

#[test]
fn whatever_is_late_of_an_earlier_session_does_nothing() {
    let mut alone = Alone::acquired(1);
    let old = alone.epoch();
    alone.session = alone.zookeeper.open(alone.now);
    alone.say(Event::SessionEnded { epoch: old });
    alone.start();
    alone.settle();
    alone.hears();
    let before = format!("{:?}", alone.member);
    let answer = || Answer::LocksListed { children: Vec::new(), own: Vec::new() };
    for id in (0..40).map(RequestId) {
        alone.say(Event::Answered { epoch: old, id, answer: answer() });
        alone.say(Event::Failed { epoch: old, id });
        alone.say(Event::WatchFired { epoch: old, id });
    }
    alone.say(Event::Suspended { epoch: old });
    alone.say(Event::Reconnected { epoch: old });
    alone.say(Event::SessionEnded { epoch: old });
    assert_eq!(format!("{:?}", alone.member), before);
    assert_eq!(alone.hears(), []);
}

#[test]
fn while_suspended_nothing_is_sent_and_nothing_given_up() {
    let mut alone = Alone::acquired(1);
    let epoch = alone.epoch();
    alone.asked.clear();
    alone.hears();
    alone.say(Event::Suspended { epoch });
    alone.say(Event::PartitionsChanged { partitions: partitions(2) });
    assert_eq!(alone.member.next_deadline(), None);
    assert_eq!((alone.asked.len(), alone.hears()), (0, vec![Notice::Suspended, Notice::Unsettled]));
    alone.say(Event::Reconnected { epoch });
    let heard = alone.hears();
    assert!(
        matches!(heard[..], [Notice::Reconnected, Notice::Assigned { .. }, Notice::Settled { .. }]),
        "{heard:?}"
    );
}

#[test]
fn after_a_disconnection_a_held_lock_that_is_gone_is_lost_and_the_session_is_given_up() {
    let mut alone = Alone::acquired(2);
    let heard = alone.hears();
    let epoch = alone.epoch();
    alone.say(Event::Suspended { epoch });
    let path = alone.zookeeper.paths().find(|path| path.contains("/locks/t-0/")).unwrap().to_owned();
    alone.zookeeper.delete(&path);
    alone.say(Event::Reconnected { epoch });
    let (lost, kept) = (Alone::token(&heard, &partition(0)), Alone::token(&heard, &partition(1)));
    let heard = alone.hears();
    assert_eq!(heard[2], Notice::Lost { partition: partition(0), token: Some(lost) });
    assert_eq!(
        heard[3..],
        [Notice::Unsettled, Notice::Revoked { partition: partition(1), token: Some(kept) }]
    );
    assert_eq!(alone.epoch(), epoch);
    alone.say(Event::Released { partition: partition(1), token: kept });
    assert_eq!(alone.hears(), [Notice::SessionLost]);
}

#[test]
fn a_lost_answer_to_a_creation_is_settled_by_listing() {
    let mut alone = Alone::new(1, false);
    alone.start();
    let create = |actions: Vec<Action>| match &actions[..] {
        [Action::Send { epoch, id, request }] => (*epoch, *id, request.clone()),
        other => panic!("{other:?}"),
    };
    alone.now += COOLDOWN;
    let (epoch, id, request) = create(alone.member.handle(alone.now, Event::DeadlineReached));
    assert!(matches!(request, Request::CreateLock { .. }));
    // It took effect, and nobody knows.
    alone.zookeeper.perform(alone.session, FOLDER, id, &request);
    alone.say(Event::Failed { epoch, id });
    assert_eq!(alone.lock_nodes(), 1);
    alone.now = alone.member.next_deadline().unwrap();
    alone.say(Event::DeadlineReached);
    Alone::token(&alone.hears(), &partition(0));
    assert_eq!(alone.lock_nodes(), 1);
}

#[test]
fn a_member_in_a_sibling_folder_keeps_an_item_from_us_until_it_is_gone() {
    let mut alone = Alone::new(1, true);
    alone.start();
    let python = alone.zookeeper.open(alone.now);
    // The later lock node wins nothing against a member that will not look at ours.
    alone.now += COOLDOWN;
    alone.other(python, "/g/b", &Request::CreateLock { partition: partition(0), prefix: python_prefix() });
    alone.say(Event::DeadlineReached);
    let heard = alone.hears();
    let Some(Notice::Blocked { by, .. }) = heard.last() else { panic!("{heard:?}") };
    assert!(by.starts_with("/g/b/locks/t-0/0f9a3c0a"), "{by}");
    alone.settle();
    assert_eq!(alone.hears(), []);
    alone.other_closes(python);
    alone.now = alone.member.next_deadline().unwrap();
    alone.say(Event::DeadlineReached);
    assert!(matches!(alone.hears()[..], [Notice::Assigned { .. }, Notice::Settled { .. }]));
}

#[test]
fn somebody_before_us_in_line_is_told_after_a_while_and_who_is_in_the_party_at_once() {
    let mut alone = Alone::new(2, false);
    let other = alone.zookeeper.open(alone.now);
    alone.other(other, FOLDER, &Request::CreateLock { partition: partition(0), prefix: python_prefix() });
    alone.start();
    assert_eq!(alone.members(), Some(1), "before it has settled");
    alone.settle();
    assert!(matches!(alone.hears()[..], [Notice::Joined { .. }, Notice::Assigned { .. }]));
    alone.now = alone.member.next_deadline().unwrap();
    alone.say(Event::DeadlineReached);
    assert_eq!(alone.hears(), [Notice::Waiting { partition: partition(0), by: String::new() }]);
    assert_eq!(alone.member.next_deadline(), None, "said once");
    // A party that changes meanwhile does not end it.
    let third = alone.other_joins("host-2");
    assert_eq!(alone.members(), Some(2));
    alone.settle();
    assert!(!alone.hears().iter().any(|notice| matches!(notice, Notice::NoLongerWaiting { .. })));
    alone.other_closes(third);
    alone.settle();
    alone.hears();
    alone.other_closes(other);
    Alone::token(&alone.hears(), &partition(0));
}

#[test]
fn who_waits_for_what_is_not_its_own_any_more_says_that_it_does_not() {
    let mut alone = Alone::new(1, false);
    let other = alone.zookeeper.open(alone.now);
    alone.other(other, FOLDER, &Request::CreateLock { partition: partition(0), prefix: python_prefix() });
    alone.start();
    alone.settle();
    alone.settle();
    assert!(matches!(alone.hears()[..], [Notice::Joined { .. }, Notice::Waiting { .. }]));
    alone.say(Event::PartitionsChanged { partitions: BTreeSet::new() });
    assert_eq!(alone.hears()[0], Notice::NoLongerWaiting { partition: partition(0) });
    assert_eq!(alone.lock_nodes(), 1);
}
