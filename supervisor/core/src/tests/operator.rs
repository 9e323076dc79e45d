//! What an operator asks for, and dead letters.

use kafkavisor_link::message::Letter;

use super::*;
use crate::Operation;

impl Fixture {
    fn operate(&mut self, operation: Operation) -> Result<Vec<Action>, String> {
        let (_, actions) = self.core.operate(self.now, &item(0), operation)?;
        Ok(self.perform(actions))
    }

    /// The drain that an operation began is over.
    fn drained(&mut self, progress: Progress) -> Vec<Action> {
        assert_eq!(self.state(0), "draining");
        self.exits(0, Some(STOPPED), Exit::Status(0), progress)
    }
}

#[test]
fn a_paused_partition_is_drained_and_waits_for_resume() {
    let mut fixture = Fixture::new(false, PoisonAction::Park);
    fixture.ready(0);
    fixture.operate(Operation::Pause).unwrap();
    assert_eq!(spawns(&fixture.drained(progress(12, 12))), []);
    assert_eq!(fixture.state(0), "paused");
    assert_eq!(spawns(&fixture.pass(600 * SECOND)), []);
    assert_eq!(spawns(&fixture.operate(Operation::Resume).unwrap()), [Offset(12)]);
    assert!(fixture.operate(Operation::Resume).is_err(), "it is ready");
    fixture.operate(Operation::Pause).unwrap();
    fixture.event(Event::Revoked { item: item(0), token: TOKEN });
    assert_eq!(fixture.state(0), "draining", "a paused partition can be given up");
}

#[test]
fn a_restart_is_a_drain_and_no_failure() {
    let mut fixture = Fixture::new(false, PoisonAction::Park);
    fixture.ready(0);
    let pid = fixture.pid(0);
    let actions = fixture.operate(Operation::Restart).unwrap();
    let (reason, within) = (StopReason::Restart, 10 * SECOND);
    assert!(actions.contains(&Action::StopWorker { item: item(0), pid, reason, within }));
    assert_eq!(spawns(&fixture.drained(progress(7, 7))), [Offset(7)], "at once");
    let restarts: Vec<_> = fixture.core.items()[&item(0)].restarts.clone().into_iter().collect();
    assert_eq!(restarts, [(crate::Reason::Requested, 1)]);
}

#[test]
fn a_parked_partition_is_tried_again_at_a_word() {
    let mut fixture = Fixture::new(false, PoisonAction::Park);
    fixture.ready(0);
    fixture.poison(0, 10);
    assert_eq!(fixture.state(0), "parked");
    assert!(fixture.operate(Operation::Pause).is_err());
    assert_eq!(spawns(&fixture.operate(Operation::Resume).unwrap()), [Offset(10)]);
}

#[test]
fn what_blocks_is_skipped_and_nothing_else() {
    let mut fixture = Fixture::new(false, PoisonAction::Park);
    fixture.ready(0);
    fixture.page(0, progress(10, 11));
    let refused = fixture.operate(Operation::Skip).unwrap_err();
    assert!(refused.contains("no message blocks it"), "{refused}");
    fixture.poison(0, 10);
    fixture.committed(0, 10, None);
    let actions = fixture.operate(Operation::Skip).unwrap();
    assert!(actions.contains(&Action::MovePage { item: item(0), next: Offset(11) }));
    assert_eq!(spawns(&actions), [Offset(11)]);
    assert_eq!(commit_of(&actions).unwrap()[&item(0)], Offset(11));
    assert!(fixture.operate(Operation::Skip).is_err(), "once");
}

#[test]
fn seek_goes_anywhere_and_the_groups_offset_with_it() {
    let mut fixture = Fixture::new(false, PoisonAction::Park);
    fixture.ready(0);
    fixture.page(0, progress(50, 50));
    fixture.pass(SECOND);
    fixture.operate(Operation::Seek(Offset(20))).unwrap();
    let actions = fixture.drained(progress(60, 60));
    assert_eq!(spawns(&actions), [Offset(20)]);
    // A commit of what was acknowledged before was on its way: it is not taken for one of what comes now.
    let actions = fixture.committed(0, 50, None);
    assert_eq!(commit_of(&actions).unwrap()[&item(0)], Offset(20));
    fixture.committed(0, 20, None);
    assert_eq!(fixture.core.items()[&item(0)].committed, Some(Offset(20)));
}

#[test]
fn seek_frees_a_partition_that_never_began() {
    let mut fixture = Fixture::new(false, PoisonAction::Park);
    let actions = fixture.event(Event::Assigned { item: item(0), token: Some(TOKEN) });
    let Some(Action::FindStart { request, .. }) = actions.first() else { panic!("{actions:?}") };
    let decision = Decision::Park("beyond the end".to_owned());
    fixture.event(Event::StartFound { item: item(0), request: *request, decision, page: None });
    let actions = fixture.operate(Operation::Seek(Offset(20))).unwrap();
    assert!(actions.contains(&Action::MakePage { item: item(0), start: Offset(20) }));
    assert_eq!(spawns(&actions), [Offset(20)]);
}

fn letters(actions: &[Action]) -> Vec<Letter> {
    let letter = |action: &Action| match action {
        Action::SpawnWorker(start) => start.letter.clone(),
        _ => None,
    };
    actions.iter().filter_map(letter).collect()
}

#[test]
fn poison_goes_to_the_dead_letter_topic_before_anything_else() {
    let mut fixture = Fixture::new(false, PoisonAction::DeadLetter);
    fixture.ready(0);
    fixture.poison(0, 10);
    let letter = Letter {
        offset: Offset(10),
        attempts: 3,
        error: "handler exited with status 1".to_owned(),
        stderr: "its last words".to_owned(),
    };
    assert_eq!(letters(&fixture.done), std::slice::from_ref(&letter));
    // Until it is confirmed the next worker has it too.
    fixture.exits(0, None, KILLED, progress(10, 10));
    assert_eq!(letters(&fixture.pass(60 * SECOND)), [letter]);
    assert_eq!(fixture.core.items()[&item(0)].dead_lettered, 0);
    let message = FromWorker::DeadLettered { offset: Offset(10) };
    let pid = fixture.pid(0);
    fixture.event(Event::WorkerSaid { item: item(0), pid, message });
    assert_eq!(fixture.core.items()[&item(0)].dead_lettered, 1);
    fixture.exits(0, None, KILLED, progress(11, 11));
    assert_eq!(letters(&fixture.pass(60 * SECOND)), []);
}

#[test]
fn skip_sends_a_dead_letter_where_there_is_a_topic_for_them() {
    let mut fixture = Fixture::new(false, PoisonAction::DeadLetter);
    fixture.ready(0);
    let parked = Ending::Parked { offset: Offset(4), error: "refused".to_owned() };
    fixture.exits(0, Some(parked), Exit::Status(1), progress(4, 5));
    let actions = fixture.operate(Operation::Skip).unwrap();
    assert_eq!(letters(&actions).first().map(|letter| letter.error.as_str()), Some("refused"));
    assert_eq!(spawns(&actions), [Offset(4)]);
}

#[test]
fn nothing_is_done_for_what_is_not_here_or_leaving() {
    let mut fixture = Fixture::new(false, PoisonAction::Park);
    assert!(fixture.operate(Operation::Restart).is_err());
    fixture.ready(0);
    fixture.event(Event::Revoked { item: item(0), token: TOKEN });
    assert!(fixture.operate(Operation::Restart).is_err());
}
