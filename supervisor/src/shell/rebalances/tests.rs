//! What is held back, for how long, and what is told of it.

use crossbeam_channel::{Receiver, unbounded};
use kafkavisor::clock::now;

use super::*;

const WITHIN: Duration = Duration::from_secs(10);

/// One who attends, and a time that passes when it is told to.
struct Fixture {
    rebalances: Rebalances,
    time: Instant,
    told: Receiver<Rebalance>,
}

const US: Attendant = Attendant(1);

fn key(text: &str) -> TopicPartition {
    text.parse().unwrap()
}

fn assigned(text: &str) -> Notice {
    Notice::Assigned { partition: key(text), token: None }
}

fn revoked(text: &str) -> Notice {
    Notice::Revoked { partition: key(text), token: None }
}

impl Fixture {
    /// It has `t:0` and `t:1`, has settled, and one attends who knows that.
    fn new() -> Self {
        let (tell, told) = unbounded();
        let mut fixture = Self { rebalances: Rebalances::default(), time: now(), told };
        for notice in [assigned("t:0"), assigned("t:1"), Notice::Settled { members: 1 }] {
            assert!(fixture.notice(notice));
        }
        fixture.rebalances.attending(Attending::Comes { who: US, tell });
        assert_eq!(fixture.due(0), []);
        assert_eq!(fixture.told(), ["assigned t:0 t:1"]);
        fixture
    }

    /// Whether it goes on at once.
    fn notice(&mut self, notice: Notice) -> bool {
        self.rebalances.noticed(notice, self.time, false).is_some()
    }

    /// After so many milliseconds.
    fn due(&mut self, milliseconds: u64) -> Vec<Notice> {
        self.time += Duration::from_millis(milliseconds);
        self.rebalances.due(self.time, WITHIN, false)
    }

    fn told(&self) -> Vec<String> {
        let words = |told: Rebalance| match told {
            Rebalance::Revoking { revoking, id, .. } => format!("revoking {} ({id})", revoking.join(" ")),
            Rebalance::Assigned { assigned, .. } => format!("assigned {}", assigned.join(" ")),
        };
        self.told.try_iter().map(words).collect()
    }

    fn done(&mut self, id: u64) {
        self.rebalances.attending(Attending::Done { who: US, id });
    }
}

#[test]
fn where_nobody_attends_nothing_waits() {
    let mut rebalances = Rebalances::default();
    for notice in [assigned("t:0"), Notice::Settled { members: 1 }, revoked("t:0"), Notice::Left] {
        assert_eq!(rebalances.noticed(notice.clone(), now(), false), Some(notice));
        assert_eq!(rebalances.due(now(), WITHIN, false), []);
    }
    assert_eq!(rebalances.deadline(), None);
}

#[test]
fn what_is_revoked_waits_until_it_is_done_and_what_one_rebalance_takes_is_told_together() {
    let mut fixture = Fixture::new();
    assert!(fixture.notice(Notice::Unsettled));
    let told_at = fixture.time + GATHERED_WITHIN;
    assert!(!fixture.notice(revoked("t:1")) && !fixture.notice(revoked("t:0")));
    assert!(fixture.notice(Notice::Settled { members: 2 }));
    assert_eq!(fixture.due(1), []);
    assert_eq!(fixture.told(), [""; 0], "more may follow");
    assert_eq!(fixture.rebalances.deadline(), Some(told_at));
    assert_eq!(fixture.due(20), []);
    assert_eq!(fixture.told(), ["revoking t:0 t:1 (1)", "assigned "], "in this order");
    fixture.done(7);
    assert_eq!(fixture.due(5000), [], "another one was meant");
    fixture.done(1);
    assert_eq!(fixture.due(0), [revoked("t:0"), revoked("t:1")]);
    assert_eq!(fixture.rebalances.deadline(), None);
    assert_eq!(fixture.due(0), []);
}

#[test]
fn it_waits_no_longer_than_it_may_take() {
    let mut fixture = Fixture::new();
    assert!(!fixture.notice(revoked("t:0")));
    assert_eq!(fixture.due(20), []);
    assert_eq!(fixture.rebalances.deadline(), Some(fixture.time + WITHIN));
    assert_eq!(fixture.due(9999), []);
    assert_eq!(fixture.due(1), [revoked("t:0")]);
    fixture.done(1);
    assert_eq!(fixture.due(0), [], "it comes too late");
}

#[test]
fn who_goes_holds_nothing_any_more() {
    for told in [true, false] {
        let mut fixture = Fixture::new();
        assert!(!fixture.notice(revoked("t:0")));
        if told {
            assert_eq!(fixture.due(20), []);
        }
        fixture.rebalances.attending(Attending::Goes { who: US });
        assert_eq!(fixture.due(20), [revoked("t:0")]);
    }
}

#[test]
fn all_who_attend_are_waited_for() {
    let mut fixture = Fixture::new();
    let (tell, other) = unbounded();
    fixture.rebalances.attending(Attending::Comes { who: Attendant(2), tell });
    assert_eq!(fixture.due(0), []);
    assert_eq!((other.try_iter().count(), fixture.told().len()), (1, 0), "who has come hears how it is");
    assert!(!fixture.notice(revoked("t:0")));
    assert_eq!(fixture.due(20), []);
    fixture.done(1);
    assert_eq!(fixture.due(0), []);
    fixture.rebalances.attending(Attending::Done { who: Attendant(2), id: 1 });
    assert_eq!(fixture.due(0), [revoked("t:0")]);
}

#[test]
fn what_is_lost_is_lost_at_once_and_comes_back_as_new() {
    let mut fixture = Fixture::new();
    assert!(!fixture.notice(revoked("t:0")));
    assert_eq!(fixture.due(20), []);
    assert!(fixture.notice(Notice::Lost { partition: key("t:0"), token: None }));
    assert!(fixture.notice(Notice::Lost { partition: key("t:1"), token: None }));
    assert!(fixture.notice(Notice::SessionLost));
    fixture.done(1);
    assert_eq!(fixture.due(0), [], "the revocation is gone with it");
    fixture.told();
    assert!(fixture.notice(assigned("t:0")));
    assert_eq!((fixture.due(0), fixture.told()), (vec![], vec![]), "not before it has settled");
    assert!(fixture.notice(Notice::Settled { members: 1 }));
    assert_eq!(fixture.due(0), []);
    assert_eq!(fixture.told(), ["assigned t:0"]);
}

#[test]
fn a_rebalance_that_takes_and_gives_back_is_told_of() {
    let mut fixture = Fixture::new();
    assert!(!fixture.notice(revoked("t:0")));
    assert!(!fixture.notice(assigned("t:0")), "in their order");
    assert_eq!(fixture.due(20), []);
    fixture.done(1);
    assert_eq!(fixture.due(0), [revoked("t:0"), assigned("t:0")]);
    assert_eq!(fixture.told(), ["revoking t:0 (1)", "assigned t:1", "assigned t:0 t:1"]);
    assert!(fixture.notice(Notice::Settled { members: 1 }));
    assert_eq!(fixture.due(0), []);
    assert_eq!(fixture.told(), [""; 0], "nothing new");
}

#[test]
fn whoever_stops_is_not_held_up() {
    let mut fixture = Fixture::new();
    assert!(!fixture.notice(revoked("t:0")));
    assert_eq!(fixture.rebalances.due(fixture.time, WITHIN, true), [revoked("t:0")]);
    let last = fixture.rebalances.noticed(revoked("t:1"), fixture.time, true);
    assert_eq!(last, Some(revoked("t:1")));
}
