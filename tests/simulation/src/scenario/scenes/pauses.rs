//! Pauses and counters are remembered for the supervisor's life, whatever becomes of tenures.

use kafkavisor_supervisor_core::Operation;

use crate::plan::Plan;
use crate::scenario::Scenario;
use crate::scenario::stage::Stage;
use crate::world::Checked;

fn paused(s: &mut Stage) -> Checked {
    let pause = s.ask(0, 0, Operation::Pause);
    s.until_done(pause)?;
    s.until("it is paused", |w| w.state(0, 0) == "paused" && w.worker_of(0).is_none())
}

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "a_pause_over_a_lost_session",
        proves: "It holds when the partition comes back, until the operator resumes",
        marks: &["pause_outlives_a_tenure", "launched_into_a_pause", "lost_without_a_worker", "resumed"],
        group: || Plan::calm(1, 1),
        steps: |s| {
            s.begin(&[0], 3)?;
            paused(s)?;
            s.end_session(0)?;
            s.until("it is lost", |w| !w.has(0, 0))?;
            s.until("it is paused again", |w| w.state(0, 0) == "paused")?;
            s.produce(0, 1);
            s.pass(10)?;
            s.expect("nothing is delivered", |w| w.starts_of(0).len() == 1)?;
            let resume = s.ask(0, 0, Operation::Resume);
            s.until_done(resume)?;
            s.until("everything is handled", |w| w.done(0))
        },
    },
    Scenario {
        name: "a_pause_and_then_another_owner",
        proves: "It ends where another member has owned the partition meanwhile",
        marks: &["pause_ends_with_another_owner", "page_is_made_anew"],
        group: || Plan::calm(2, 1),
        steps: |s| {
            s.begin(&[0], 3)?;
            paused(s)?;
            s.cut_off(0, 30)?;
            s.start(1)?;
            s.produce(0, 1);
            s.until("the other has handled it", |w| w.has(1, 0) && w.done(0))?;
            s.pass(30)?;
            s.stop(1, kafkavisor_supervisor_core::Stop::Signalled)?;
            s.until("it is back", |w| w.has(0, 0))?;
            s.produce(0, 1);
            s.until("it is handled, as nothing is paused", |w| w.done(0))
        },
    },
    Scenario {
        name: "a_pause_taken_back_while_the_partition_is_away",
        proves: "Who resumes need not wait until it is back",
        marks: &["resumed_while_away"],
        group: || Plan::calm(1, 1),
        steps: |s| {
            s.begin(&[0], 3)?;
            paused(s)?;
            s.cut_off(0, 20)?;
            s.until("it is lost", |w| !w.has(0, 0))?;
            let resume = s.ask(0, 0, Operation::Resume);
            s.until_done(resume)?;
            s.produce(0, 1);
            s.until("it is handled when the partition is back", |w| w.done(0))
        },
    },
    Scenario {
        name: "a_restart_of_what_is_paused",
        proves: "It is refused: it would deliver",
        marks: &["restart_refused_while_paused_or_parked"],
        group: || Plan::calm(1, 1),
        steps: |s| {
            s.begin(&[0], 3)?;
            paused(s)?;
            let restart = s.ask(0, 0, Operation::Restart);
            s.until_not_done(restart)?;
            s.expect("it is paused", |w| w.state(0, 0) == "paused")
        },
    },
    Scenario {
        name: "counters_over_a_lost_session",
        proves: "What was counted never falls while the supervisor lives",
        marks: &["lost_with_a_worker", "page_is_gone_on_from"],
        group: || Plan::calm(1, 1),
        steps: |s| {
            s.begin(&[0], 5)?;
            s.expect("five are counted", |w| w.messages_total(0, 0) == 5)?;
            s.end_session(0)?;
            s.until("its worker is gone", |w| w.worker_of(0).is_none())?;
            s.produce(0, 2);
            let mut fell = false;
            s.until("everything is handled", |w| {
                fell |= w.messages_total(0, 0) < 5;
                w.done(0)
            })?;
            s.expect("seven are counted, and never less than five", |w| w.messages_total(0, 0) == 7 && !fell)
        },
    },
    Scenario {
        name: "counters_of_a_partition_that_leaves_and_comes_back",
        proves: "It brings them back no lower",
        marks: &["page_is_made_anew"],
        group: || Plan::calm(2, 2),
        steps: |s| {
            s.begin(&[0], 5)?;
            s.start(1)?;
            s.until("one is the other's", |w| {
                (w.has(1, 0) || w.has(1, 1)) && w.worker_of(0).is_some() && w.worker_of(1).is_some()
            })?;
            (0..2).for_each(|partition| s.produce(partition, 2));
            s.until("everything is handled", crate::world::World::all_done)?;
            s.stop(1, kafkavisor_supervisor_core::Stop::Asked)?;
            s.until("both are back", |w| !w.runs(1) && w.state(0, 0) == "ready" && w.state(0, 1) == "ready")?;
            s.expect("five are counted of the one that was away, seven of the other", |w| {
                w.messages_total(0, 0) + w.messages_total(0, 1) == 12
            })
        },
    },
];
