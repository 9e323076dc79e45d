//! Histories made by hand: a good one, and for each invariant one that violates it, and the like that does not.

use super::index::SECOND;
use super::{Verdict, check, check_deploy};
use crate::history::{Doing, Entry, Event, Handler, PythonDoing};
use crate::schedule::Kind;

/// A history in the making: what is said happens a tenth of a second after what was said before.
#[derive(Default)]
struct Story {
    now: u64,
    entries: Vec<Entry>,
}

/// The handler of a supervisor's life, under a token.
fn handler(instance: &str, life: u64, token: u64) -> Handler {
    Handler { instance: instance.to_owned(), life, partition: 0, token }
}

impl Story {
    /// Ten messages are produced and in the log.
    fn begin() -> Self {
        let mut story = Self { now: SECOND, entries: Vec::new() };
        story.say(Event::Began { seed: 1, partitions: 1 });
        for offset in 0..10 {
            let number = u64::try_from(offset).unwrap();
            story.say(Event::Produced { partition: 0, offset, number });
            story.say(Event::Logged { partition: 0, offset, number });
        }
        story
    }

    fn say(&mut self, event: Event) -> &mut Self {
        self.now += SECOND / 10;
        self.entries.push(Entry { at: self.now, event });
        self
    }

    fn wait(&mut self, seconds: u64) -> &mut Self {
        self.now += seconds * SECOND;
        self
    }

    fn does(&mut self, who: &Handler, does: Doing) -> &mut Self {
        self.say(Event::Handler { who: who.clone(), does })
    }

    fn starts(&mut self, who: &Handler) -> &mut Self {
        self.does(who, Doing::Started)
    }

    fn gets(&mut self, who: &Handler, offsets: impl IntoIterator<Item = i64>) -> &mut Self {
        for offset in offsets {
            self.does(who, Doing::Delivered { offset, number: u64::try_from(offset).unwrap() });
        }
        self
    }

    fn acknowledges(&mut self, who: &Handler, offset: i64) -> &mut Self {
        self.does(who, Doing::Acknowledging { offset })
    }

    /// Drains, as a handler does at a rebalance or a stop.
    fn finishes(&mut self, who: &Handler) -> &mut Self {
        self.does(who, Doing::Stopping { reason: "rebalance".to_owned() }).does(who, Doing::Ended)
    }

    fn commits(&mut self, offset: i64) -> &mut Self {
        self.say(Event::Committed { partition: 0, offset })
    }

    fn fault(&mut self, number: usize, kind: Kind, target: &str) -> &mut Self {
        self.say(Event::Fault { number, kind, target: target.to_owned() })
    }

    fn healed(&mut self, number: usize) -> &mut Self {
        self.say(Event::Healed { number })
    }

    fn python(&mut self, does: PythonDoing) -> &mut Self {
        self.say(Event::Python { member: "p".to_owned(), does })
    }

    fn end(&mut self) -> Verdict {
        self.say(Event::FaultsEnded).say(Event::Drained);
        check(&self.entries)
    }

    /// Faults of chaos explain it; what happens in a deploy does not.
    #[track_caller]
    fn holds_but_not_in_a_deploy(&mut self) {
        self.holds();
        let verdict = check_deploy(&self.entries);
        assert!(!verdict.violations.is_empty(), "{verdict}");
        assert!(verdict.violations.iter().all(|found| found.invariant == "S5 deploys"), "{verdict}");
    }

    #[track_caller]
    fn holds(&mut self) {
        let verdict = self.end();
        assert!(verdict.violations.is_empty(), "{verdict}");
    }

    #[track_caller]
    fn violates(&mut self, invariant: &str) {
        let verdict = self.end();
        let found: Vec<&str> = verdict.violations.iter().map(|violation| violation.invariant).collect();
        assert!(
            !found.is_empty() && found.iter().all(|one| *one == invariant),
            "not only {invariant}: {verdict}"
        );
        assert!(verdict.to_string().contains("VIOLATED"), "{verdict}");
    }
}

/// Two owners; the first is killed in the middle.
fn takeover(story: &mut Story) -> (Handler, Handler) {
    let (one, two) = (handler("s1.1", 1, 10), handler("s2.1", 2, 20));
    story.starts(&one).gets(&one, 0..6).acknowledges(&one, 4).commits(3);
    story.fault(0, Kind::KillSupervisor, "s1.1").wait(6);
    (one, two)
}

#[test]
fn a_takeover_after_a_crash_may_repeat_what_was_not_committed() {
    let mut story = Story::begin();
    let (_, two) = takeover(&mut story);
    story.starts(&two).gets(&two, 3..10).acknowledges(&two, 9).commits(10).healed(0).holds();
}

#[test]
fn in_a_deploy_a_kill_explains_a_repeat() {
    let mut story = Story::begin();
    let (_, two) = takeover(&mut story);
    story.starts(&two).gets(&two, 3..10).acknowledges(&two, 9).commits(10).healed(0).holds();
    let verdict = check_deploy(&story.entries);
    assert!(verdict.violations.is_empty(), "{verdict}");
}

#[test]
fn in_a_deploy_nothing_else_explains_one() {
    let (one, two) = (handler("s1.1", 1, 10), handler("s2.1", 2, 20));
    let mut not_finished = Story::begin();
    not_finished.starts(&one).gets(&one, 0..6).acknowledges(&one, 4).finishes(&one).commits(5);
    not_finished.starts(&two).gets(&two, 5..10).acknowledges(&two, 9).commits(10).holds_but_not_in_a_deploy();
    let mut another_was_killed = Story::begin();
    another_was_killed.starts(&one).gets(&one, 0..6).acknowledges(&one, 4).commits(3);
    another_was_killed.fault(0, Kind::KillSupervisor, "s3.1").wait(6).starts(&two).gets(&two, 3..10);
    another_was_killed.acknowledges(&two, 9).commits(10).healed(0).holds_but_not_in_a_deploy();
    let mut long_before = Story::begin();
    long_before.starts(&one).gets(&one, 0..6).acknowledges(&one, 5).commits(1).wait(9);
    long_before.fault(0, Kind::KillSupervisor, "s1.1").wait(6).starts(&two).gets(&two, 1..10);
    long_before.acknowledges(&two, 9).commits(10).healed(0).holds_but_not_in_a_deploy();
}

#[test]
fn a_message_that_nobody_acknowledged_is_lost() {
    let one = handler("s1.1", 1, 10);
    Story::begin()
        .starts(&one)
        .gets(&one, 0..10)
        .acknowledges(&one, 8)
        .commits(9)
        .violates("S3 nothing lost");
}

#[test]
fn a_confirmed_message_that_the_log_does_not_have_is_lost() {
    let (mut story, one) = (Story::begin(), handler("s1.1", 1, 10));
    story.say(Event::Produced { partition: 0, offset: 10, number: 10 });
    story.starts(&one).gets(&one, 0..10).acknowledges(&one, 9).violates("S3 nothing lost");
}

#[test]
fn a_message_that_is_not_in_the_log_is_invented() {
    let (mut story, one) = (Story::begin(), handler("s1.1", 1, 10));
    story.starts(&one).gets(&one, 0..9).does(&one, Doing::Delivered { offset: 9, number: 77 });
    story.acknowledges(&one, 9).violates("S3 nothing lost");
}

#[test]
fn a_commit_must_not_pass_what_is_not_acknowledged() {
    let one = handler("s1.1", 1, 10);
    let mut story = Story::begin();
    story.starts(&one).gets(&one, 0..10).acknowledges(&one, 3).commits(5);
    story.acknowledges(&one, 9).violates("S2 commits");
}

#[test]
fn a_commit_must_not_go_back_without_a_reason() {
    let one = handler("s1.1", 1, 10);
    let mut story = Story::begin();
    story.starts(&one).gets(&one, 0..10).acknowledges(&one, 9).commits(8).commits(6).commits(10);
    story.violates("S2 commits");
}

#[test]
fn a_late_request_of_a_former_owner_is_no_violation_once_it_is_made_good() {
    let mut story = Story::begin();
    let (_, two) = takeover(&mut story);
    story.starts(&two).gets(&two, 3..10).acknowledges(&two, 6).commits(7).commits(5);
    story.acknowledges(&two, 9).commits(10).holds();
}

#[test]
fn a_late_request_that_is_never_made_good_is_one() {
    let mut story = Story::begin();
    let (_, two) = takeover(&mut story);
    story.starts(&two).gets(&two, 3..10).acknowledges(&two, 9).commits(10).commits(5).violates("S2 commits");
}

#[test]
fn a_gap_in_a_life_is_out_of_order() {
    let one = handler("s1.1", 1, 10);
    let mut story = Story::begin();
    story.starts(&one).gets(&one, [0, 1, 2, 4, 5, 6, 7, 8, 9]).acknowledges(&one, 9);
    let verdict = story.end();
    let found: Vec<&str> = verdict.violations.iter().map(|violation| violation.invariant).collect();
    assert_eq!(found, ["S4 order", "S3 nothing lost"], "{verdict}");
}

#[test]
fn a_repeat_within_a_life_is_out_of_order() {
    let one = handler("s1.1", 1, 10);
    let mut story = Story::begin();
    story
        .starts(&one)
        .gets(&one, [0, 1, 2, 2, 3, 4, 5, 6, 7, 8, 9])
        .acknowledges(&one, 9)
        .violates("S4 order");
}

#[test]
fn a_life_that_begins_behind_what_is_not_acknowledged_is_out_of_order() {
    let (one, two, three) = (handler("s1.1", 1, 10), handler("s1.1", 2, 10), handler("s1.1", 3, 10));
    let mut story = Story::begin();
    story.starts(&one).gets(&one, 0..5).acknowledges(&one, 2);
    story.starts(&two).gets(&two, 5..10).acknowledges(&two, 9);
    story.starts(&three).gets(&three, 3..10).acknowledges(&three, 9);
    let verdict = story.end();
    assert_eq!(verdict.violations[0].invariant, "S4 order", "{verdict}");
}

#[test]
fn two_owners_at_once_overlap() {
    let mut story = Story::begin();
    let (one, two) = takeover(&mut story);
    story.starts(&two).does(&one, Doing::Working).gets(&two, 3..10).acknowledges(&two, 9).healed(0);
    story.violates("S1 no overlap");
}

#[test]
fn two_handlers_of_one_owner_at_once_overlap() {
    let (one, two) = (handler("s1.1", 1, 10), handler("s1.1", 2, 10));
    let mut story = Story::begin();
    story.starts(&one).gets(&one, 0..5).acknowledges(&one, 4).fault(0, Kind::KillWorker, "s1.1").healed(0);
    story.starts(&two).does(&one, Doing::Working).gets(&two, 5..10).acknowledges(&two, 9);
    story.violates("S1 no overlap");
}

#[test]
fn a_handler_beside_a_python_member_overlaps() {
    let one = handler("s1.1", 1, 10);
    let mut story = Story::begin();
    story.starts(&one).gets(&one, 0..5).python(PythonDoing::Acquired { held: vec![(0, 20)] });
    story.gets(&one, 5..10).acknowledges(&one, 9).violates("S1 no overlap");
}

/// The first owner's machine is frozen until the second one works.
fn frozen(target: &str, second_token: u64) -> Story {
    let (one, two) = (handler("s1.1", 1, 10), handler("s2.1", 2, second_token));
    let mut story = Story::begin();
    story.starts(&one).gets(&one, 0..5).fault(0, Kind::FreezeMachine, target).wait(7);
    story.starts(&two).gets(&two, 0..9).healed(0).acknowledges(&one, 4);
    story.gets(&two, [9]).acknowledges(&two, 9);
    story
}

#[test]
fn an_overlap_with_a_frozen_machine_is_counted_apart() {
    let verdict = frozen("s1.1", 20).end();
    assert!(verdict.violations.is_empty(), "{verdict}");
    assert!(
        verdict.to_string().contains("1, longest 1.10 s; the fencing token refuses 1 acknowledgements"),
        "{verdict}"
    );
}

#[test]
fn what_a_frozen_machine_had_acknowledged_is_repeated_from_the_last_commit_before_the_takeover() {
    let (one, two) = (handler("s1.1", 1, 10), handler("s2.1", 2, 20));
    let mut story = Story::begin();
    story.starts(&one).gets(&one, 0..5).acknowledges(&one, 4).fault(0, Kind::FreezeMachine, "s1.1").wait(7);
    story.starts(&two).gets(&two, 0..10).acknowledges(&two, 9).commits(10).healed(0);
    let verdict = story.does(&one, Doing::Working).end();
    assert!(verdict.violations.is_empty(), "{verdict}");
    let told = verdict.to_string();
    assert!(told.contains("5 acknowledged but not committed at a takeover\n"), "{told}");
}

#[test]
fn an_overlap_beside_another_machine_that_is_frozen_is_not() {
    frozen("s3.1", 20).violates("S1 no overlap");
}

#[test]
fn a_token_that_does_not_grow_fences_nobody() {
    frozen("s1.1", 9).violates("S1 fencing");
}

#[test]
fn a_frozen_python_member_is_counted_apart() {
    let one = handler("s1.1", 1, 20);
    let mut story = Story::begin();
    story.python(PythonDoing::Acquired { held: vec![(0, 10)] }).starts(&one).gets(&one, 0..10);
    story.acknowledges(&one, 9).python(PythonDoing::Released).holds();
}

#[test]
fn an_owner_that_comes_later_has_the_greater_token() {
    let (one, two) = (handler("s1.1", 1, 10), handler("s2.1", 2, 10));
    let mut story = Story::begin();
    story.starts(&one).gets(&one, 0..5).acknowledges(&one, 4).finishes(&one);
    story.starts(&two).gets(&two, 5..10).acknowledges(&two, 9).violates("S1 fencing");
}

#[test]
fn after_a_graceful_handover_nothing_is_repeated() {
    let (one, two) = (handler("s1.1", 1, 10), handler("s2.1", 2, 20));
    let mut story = Story::begin();
    story.starts(&one).gets(&one, 0..5).acknowledges(&one, 4).fault(0, Kind::Leave, "s1.1").finishes(&one);
    story.starts(&two).gets(&two, 4..10).acknowledges(&two, 9).healed(0).violates("S5 duplicates");
}

#[test]
fn a_successor_under_the_same_owner_goes_on_after_what_was_acknowledged() {
    let (one, two) = (handler("s1.1", 1, 10), handler("s1.1", 2, 10));
    let mut story = Story::begin();
    story.starts(&one).gets(&one, 0..3).acknowledges(&one, 2).wait(2).gets(&one, 3..5).commits(1);
    story.fault(0, Kind::KillWorker, "s1.1").healed(0);
    story.starts(&two).gets(&two, 1..10).acknowledges(&two, 9).violates("S5 duplicates");
}

#[test]
fn what_was_in_flight_comes_again() {
    let (one, two) = (handler("s1.1", 1, 10), handler("s1.1", 2, 10));
    let mut story = Story::begin();
    story.starts(&one).gets(&one, 0..3).acknowledges(&one, 2).wait(2).gets(&one, 3..5).commits(1);
    story.fault(0, Kind::KillWorker, "s1.1").healed(0);
    story.starts(&two).gets(&two, 3..10).acknowledges(&two, 9).holds();
}

#[test]
fn nobody_begins_below_what_is_committed_without_a_reason() {
    let (one, two) = (handler("s1.1", 1, 10), handler("s2.1", 2, 20));
    let mut story = Story::begin();
    // It did not finish, and nothing had happened to it.
    story.starts(&one).gets(&one, 0..5).acknowledges(&one, 4).commits(5).does(&one, Doing::Working);
    story.starts(&two).gets(&two, 3..10).acknowledges(&two, 9).violates("S5 duplicates");
}

#[test]
fn a_supervisor_gives_up_at_its_start_only_after_its_connect_timeout() {
    let start = |seconds: u64| {
        let instance = "s2.1".to_owned();
        let mut story = afterwards(Event::Started { instance: instance.clone(), pid: 7 });
        story.wait(seconds).say(Event::Ended { instance, code: 69, asked: false });
        story
    };
    start(31).holds();
    start(1).violates("S8 stop");
    start(100).violates("S8 stop");
}

/// All is consumed, and then this happens.
fn afterwards(event: Event) -> Story {
    let one = handler("s1.1", 1, 10);
    let mut story = Story::begin();
    story.starts(&one).gets(&one, 0..10).acknowledges(&one, 9).commits(10).finishes(&one).wait(60).say(event);
    story
}

#[test]
fn what_outlives_its_supervisor_is_found() {
    let gone = |after_ms, left: &[&str]| Event::Gone {
        instance: "s1.1".to_owned(),
        after_ms,
        left: left.iter().map(|one| (*one).to_owned()).collect(),
    };
    afterwards(gone(120, &[])).holds();
    afterwards(gone(20_000, &["77 handler"])).violates("S9 nobody outlives");
    afterwards(gone(11_000, &[])).violates("S9 nobody outlives");
}

#[test]
fn a_supervisor_ends_when_it_is_asked_to_and_not_otherwise() {
    let ended = |code, asked| Event::Ended { instance: "s1.1".to_owned(), code, asked };
    afterwards(ended(0, true)).holds();
    afterwards(ended(137, true)).holds();
    afterwards(ended(75, true)).violates("S8 stop");
    afterwards(ended(70, true)).violates("S8 stop");
    afterwards(ended(70, false)).violates("S8 stop");
    afterwards(ended(69, false)).violates("S8 stop");
}

#[test]
fn lag_that_does_not_return_to_0_is_found() {
    afterwards(Event::NotDrained { behind: vec![(0, 9, 10)] }).violates("L1 lag 0");
    let mut story = afterwards(Event::FaultsEnded);
    assert_eq!(check(&story.entries).violations[0].invariant, "L1 lag 0", "no lag 0 in the history");
    story.holds();
}
