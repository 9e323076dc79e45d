//! Outages, broken deployments, and messages that kill their handlers.

use kafkavisor::config::{Poison, PoisonAction};
use kafkavisor_supervisor_core::{Operation, Stop};

use crate::partition::Fate;
use crate::plan::Plan;
use crate::scenario::Scenario;

fn group(partitions: i32, attempts: u32, action: PoisonAction) -> Plan {
    let poison = Poison { attempts, action, topic: None, max_per_minute: 60 };
    Plan { poison, ..Plan::calm(1, partitions) }
}

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "an_outage_of_all_handlers",
        proves: "Where the handlers of two partitions die of every message, no message is given up",
        marks: &["poison_withheld_in_an_outage", "crash_loop", "message_may_be_tried_again"],
        group: || group(2, 3, PoisonAction::Skip),
        steps: |s| {
            s.begin(&[0], 3)?;
            s.outage(true);
            s.produce(0, 2);
            s.produce(1, 2);
            s.until("both are in a crash loop", |w| {
                w.state(0, 0) == "crash_loop" && w.state(0, 1) == "crash_loop"
            })?;
            s.pass(120)?;
            s.expect("nothing is skipped", |w| w.skipped(0) + w.skipped(1) == 0)?;
            s.outage(false);
            s.until("everything is handled", crate::world::World::all_done)
        },
    },
    Scenario {
        name: "an_outage_of_the_only_handler",
        proves: "With one partition one message is given up, and no other before something is acknowledged again",
        marks: &["message_given_up_and_skipped", "poison_withheld_after_one_was_given_up"],
        group: || group(1, 3, PoisonAction::Skip),
        steps: |s| {
            s.begin(&[0], 3)?;
            s.outage(true);
            s.produce(0, 4);
            s.until("it is in a crash loop", |w| w.state(0, 0) == "crash_loop")?;
            s.pass(120)?;
            s.expect("one message is skipped", |w| w.skipped(0) == 1)?;
            s.outage(false);
            s.until("the others are handled", |w| w.done(0))?;
            s.expect("still only one is skipped", |w| w.skipped(0) == 1)
        },
    },
    Scenario {
        name: "an_outage_and_a_lost_session",
        proves: "That the last message was given up is remembered though the partition was lost and came back",
        marks: &["poison_withheld_after_one_was_given_up", "lost_without_a_worker"],
        group: || group(1, 3, PoisonAction::Skip),
        steps: |s| {
            s.begin(&[0], 3)?;
            s.outage(true);
            s.produce(0, 4);
            s.until("one message is given up", |w| w.skipped(0) == 1)?;
            s.until("it is in a crash loop", |w| w.state(0, 0) == "crash_loop")?;
            s.until("no worker runs", |w| w.worker_of(0).is_none())?;
            s.end_session(0)?;
            s.pass(120)?;
            s.expect("no other is", |w| w.skipped(0) == 1)?;
            s.outage(false);
            s.until("the others are handled", |w| w.done(0))
        },
    },
    Scenario {
        name: "an_outage_and_restarts_of_the_supervisor",
        proves: "That the last message was given up is remembered though the supervisor was killed, or stopped, and started again",
        marks: &["message_given_up_and_skipped", "poison_withheld_for_an_unproved_deployment"],
        group: || group(1, 3, PoisonAction::Skip),
        steps: |s| {
            s.begin(&[0], 3)?;
            s.outage(true);
            s.produce(0, 5);
            s.until("one message is given up", |w| w.skipped(0) == 1)?;
            for killed in [true, false, true] {
                s.until("it is in a crash loop", |w| w.state(0, 0) == "crash_loop")?;
                if killed {
                    s.kill(0)?;
                } else {
                    s.stop(0, Stop::Asked)?;
                }
                s.until("it is gone", |w| !w.runs(0))?;
                s.pass(12)?;
                s.start(0)?;
                s.pass(120)?;
                s.expect("no other is", |w| w.skipped(0) == 1)?;
            }
            s.outage(false);
            s.until("the others are handled", |w| w.done(0))?;
            s.produce_poison(0);
            s.until("and what kills then is poison again", |w| w.skipped(0) == 2)
        },
    },
    Scenario {
        name: "a_start_within_an_outage",
        proves: "A deployment that has acknowledged nothing yet gives nothing up",
        marks: &["poison_withheld_for_an_unproved_deployment"],
        group: || group(1, 1, PoisonAction::Skip),
        steps: |s| {
            s.outage(true);
            s.produce(0, 2);
            s.start(0)?;
            s.until("it is in a crash loop", |w| w.state(0, 0) == "crash_loop")?;
            s.pass(60)?;
            s.expect("nothing is skipped", |w| w.skipped(0) == 0)?;
            s.outage(false);
            s.until("everything is handled", |w| w.done(0))
        },
    },
    Scenario {
        name: "a_reload_to_a_command_that_never_works",
        proves: "Its canary's message is not given up, though one attempt is all it has",
        marks: &["roll_stops", "poison_withheld_for_an_unproved_deployment"],
        group: || group(1, 1, PoisonAction::Skip),
        steps: |s| {
            s.begin(&[0], 3)?;
            s.reload(0, true);
            s.until("the canary runs", |w| w.runs_with(0) == Some(1))?;
            s.produce(0, 1);
            s.until("the roll has stopped", |w| w.roll_has_stopped(0))?;
            s.until("the message is settled", |w| w.done(0))?;
            s.expect("it was handled by what worked before", |w| w.fate(0, 3) == Some(Fate::Done))
        },
    },
    Scenario {
        name: "three_reloads_to_a_command_that_never_works",
        proves: "What canaries die of is not given up after as many reloads as a message has attempts",
        marks: &["roll_stops", "poison_withheld_for_an_unproved_deployment"],
        group: || group(1, 3, PoisonAction::Skip),
        steps: |s| {
            s.begin(&[0], 3)?;
            s.hold(0);
            s.produce(0, 1);
            for config in 1..=3 {
                s.until("the message is in flight with what works", |w| {
                    w.in_flight(0) == 1 && w.runs_with(0) == Some(0)
                })?;
                s.reload(0, true);
                s.until("it is in flight with the canary", |w| {
                    w.in_flight(0) == 1 && w.runs_with(0) == Some(config)
                })?;
                s.go_on(0);
                s.until("the canary is dead", |w| w.worker_of(0).is_none())?;
                s.hold(0);
                s.until("the roll has stopped", |w| w.roll_has_stopped(0))?;
            }
            s.go_on(0);
            s.until("the message is settled", |w| w.done(0))?;
            s.expect("it was handled by what worked before", |w| w.fate(0, 3) == Some(Fate::Done))
        },
    },
    Scenario {
        name: "a_poison_message_is_skipped",
        proves: "The message that kills handlers is passed over, and no other with it",
        marks: &["message_given_up_and_skipped", "handler_died_of_itself"],
        group: || group(2, 3, PoisonAction::Skip),
        steps: |s| {
            s.begin(&[0], 3)?;
            s.produce(0, 1);
            s.produce_poison(0);
            s.produce(0, 2);
            s.until("everything is settled", |w| w.done(0))?;
            s.expect("the poison is skipped", |w| w.fate(0, 4) == Some(Fate::Skipped))?;
            s.expect("nothing else is", |w| w.skipped(0) == 1)
        },
    },
    Scenario {
        name: "a_poison_message_is_dead_lettered",
        proves: "It goes to the dead-letter topic before the next handler starts",
        marks: &["message_given_up_and_dead_lettered", "dead_letter_before_the_handler"],
        group: || group(1, 2, PoisonAction::DeadLetter),
        steps: |s| {
            s.begin(&[0], 3)?;
            s.produce_poison(0);
            s.produce(0, 1);
            s.until("everything is settled", |w| w.done(0))?;
            s.expect("the poison is a dead letter", |w| w.fate(0, 3) == Some(Fate::Skipped))
        },
    },
    Scenario {
        name: "a_poison_message_parks",
        proves: "It parks its partition until an operator skips it",
        marks: &["message_given_up_and_parked", "skip_passes_over", "operators_word_is_confirmed"],
        group: || group(1, 2, PoisonAction::Park),
        steps: |s| {
            s.begin(&[0], 3)?;
            s.produce_poison(0);
            s.produce(0, 1);
            s.until("it is parked", |w| w.state(0, 0) == "parked")?;
            let skip = s.ask(0, 0, Operation::Skip);
            s.until_done(skip)?;
            s.until("everything is settled", |w| w.done(0))?;
            s.expect("one message is skipped", |w| w.skipped(0) == 1)
        },
    },
    Scenario {
        name: "too_much_poison_parks",
        proves: "Past the rate the next poison parks its partition",
        marks: &["poison_parks_past_the_rate", "message_given_up_and_parked"],
        group: || Plan {
            poison: Poison { attempts: 1, action: PoisonAction::Skip, topic: None, max_per_minute: 1 },
            ..Plan::calm(1, 1)
        },
        steps: |s| {
            s.begin(&[0], 3)?;
            s.produce_poison(0);
            s.produce(0, 1);
            s.produce_poison(0);
            s.until("it is parked", |w| w.state(0, 0) == "parked")?;
            s.expect("one message is skipped", |w| w.skipped(0) == 1)
        },
    },
    Scenario {
        name: "a_message_that_takes_the_supervisor_down",
        proves: "It is counted like any other, and judged at the next start",
        marks: &["page_is_gone_on_from", "death_of_the_supervisor_counts_for_its_message"],
        group: || group(1, 2, PoisonAction::Skip),
        steps: |s| {
            s.begin(&[0], 3)?;
            s.hold(0);
            s.produce(0, 1);
            for _ in 0..2 {
                s.until("the message is in flight", |w| w.in_flight(0) == 1)?;
                s.kill(0)?;
                s.pass(6)?;
                s.start(0)?;
            }
            s.until("it is settled", |w| w.done(0))?;
            s.expect("it is skipped", |w| w.fate(0, 3) == Some(Fate::Skipped))
        },
    },
    Scenario {
        name: "a_message_that_takes_its_worker_down",
        proves: "A worker killed from outside with one message in flight counts for that message",
        marks: &["killed_worker_counts_for_its_message", "message_given_up_and_skipped"],
        group: || group(1, 2, PoisonAction::Skip),
        steps: |s| {
            s.begin(&[0], 3)?;
            s.hold(0);
            s.produce(0, 1);
            for _ in 0..2 {
                s.until("the message is in flight", |w| w.in_flight(0) == 1)?;
                s.kill_worker(0)?;
                s.until("another worker is there, or none is wanted", |w| w.worker_of(0).is_some())?;
            }
            s.until("it is settled", |w| w.done(0))?;
            s.expect("it is skipped", |w| w.fate(0, 3) == Some(Fate::Skipped))
        },
    },
    Scenario {
        name: "a_worker_killed_with_several_in_flight",
        proves: "No one message is to blame: they come again one by one",
        marks: &["crash_isolates_and_counts_for_none"],
        group: || group(1, 1, PoisonAction::Skip),
        steps: |s| {
            s.begin(&[0], 20)?;
            s.hold(0);
            s.produce(0, 4);
            s.until("several are in flight", |w| w.in_flight(0) > 1)?;
            s.kill_worker(0)?;
            s.go_on(0);
            s.until("they are handled", |w| w.done(0))?;
            s.expect("nothing is skipped", |w| w.skipped(0) == 0)
        },
    },
];
