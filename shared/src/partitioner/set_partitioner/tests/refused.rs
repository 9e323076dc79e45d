//! Requests that are refused for want of a right: nothing is made of them, others go on, and the end needs no right.

use super::alone::{Alone, COOLDOWN};
use super::partition;
use crate::partitioner::messages::{Action, Epoch, Event, Notice, Request, RequestId};

/// What is sent by these actions, and what is said.
fn sent(actions: Vec<Action>) -> (Vec<(Epoch, RequestId, Request)>, Vec<Action>) {
    let (mut sent, mut other) = (Vec::new(), Vec::new());
    for action in actions {
        match action {
            Action::Send { epoch, id, request } => sent.push((epoch, id, request)),
            said @ (Action::OpenSession { .. } | Action::CloseSession { .. } | Action::Notify(_)) => {
                other.push(said);
            }
        }
    }
    (sent, other)
}

#[test]
fn what_is_refused_is_asked_for_again_and_keeps_nothing_else_waiting() {
    let mut alone = Alone::new(2, false);
    alone.start();
    alone.now += COOLDOWN;
    let (asked, _) = sent(alone.member.handle(alone.now, Event::DeadlineReached));
    let [(epoch, first, create), (_, second, other)] = asked.as_slice() else { panic!("{asked:?}") };
    let (again, said) = sent(alone.member.handle(alone.now, Event::Refused { epoch: *epoch, id: *first }));
    assert!(said.is_empty(), "{said:?}");
    // At once, as the shell has waited: and with no need to look whether anything was made.
    assert!(matches!(again.as_slice(), [(_, _, request)] if request == create), "{again:?}");
    let answer = alone.zookeeper.perform(alone.session, super::alone::FOLDER, *second, other);
    alone.say(Event::Answered { epoch: *epoch, id: *second, answer });
    Alone::token(&alone.hears(), &partition(1));
}

#[test]
fn a_member_leaves_though_it_may_delete_nothing() {
    let mut alone = Alone::acquired(1);
    let token = Alone::token(&alone.hears(), &partition(0));
    alone.say(Event::LeaveRequested);
    let released = Event::Released { partition: partition(0), token };
    let (asked, _) = sent(alone.member.handle(alone.now, released));
    let [(epoch, id, Request::DeleteLock { .. })] = asked.as_slice() else { panic!("{asked:?}") };
    let (asked, _) = sent(alone.member.handle(alone.now, Event::Refused { epoch: *epoch, id: *id }));
    let [(_, id, Request::LeaveParty { .. })] = asked.as_slice() else { panic!("{asked:?}") };
    let (asked, said) = sent(alone.member.handle(alone.now, Event::Refused { epoch: *epoch, id: *id }));
    assert_eq!((asked, said), (Vec::new(), vec![Action::CloseSession { epoch: *epoch }]));
    alone.say(Event::SessionEnded { epoch: *epoch });
    assert!(alone.hears().contains(&Notice::Left));
}

#[test]
fn a_lock_that_was_given_up_and_never_made_is_forgotten() {
    let mut alone = Alone::new(1, false);
    alone.start();
    alone.now += COOLDOWN;
    let (asked, _) = sent(alone.member.handle(alone.now, Event::DeadlineReached));
    let [(epoch, id, Request::CreateLock { .. })] = asked.as_slice() else { panic!("{asked:?}") };
    alone.say(Event::PartitionsChanged { partitions: super::partitions(0) });
    assert!(alone.member.has_lock(&partition(0)), "it may still be made");
    alone.say(Event::Refused { epoch: *epoch, id: *id });
    assert!(!alone.member.has_lock(&partition(0)));
}
