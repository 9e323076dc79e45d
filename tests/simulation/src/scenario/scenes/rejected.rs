//! Messages that handlers refuse, dead letters, and an operator's skip.

use std::time::Duration;

use kafkavisor::config::{Poison, PoisonAction};
use kafkavisor_supervisor_core::{Operation, Stop};

use crate::partition::Fate;
use crate::plan::Plan;
use crate::scenario::Scenario;

fn group(attempts: u32, action: PoisonAction) -> Plan {
    let poison = Poison { attempts, action, topic: None, max_per_minute: 60 };
    Plan { poison, ..Plan::calm(1, 1) }
}

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "a_refused_message_is_skipped",
        proves: "The first refusal decides, and the others go on",
        marks: &["rejected_message_is_judged", "fate_is_to_be_skipped"],
        group: || group(3, PoisonAction::Skip),
        steps: |s| {
            s.begin(&[0], 3)?;
            s.produce_refused(0);
            s.produce(0, 2);
            s.until("everything is settled", |w| w.done(0))?;
            s.expect("the refused one is skipped", |w| w.fate(0, 3) == Some(Fate::Skipped))
        },
    },
    Scenario {
        name: "a_refused_message_is_dead_lettered_though_the_instance_stops",
        proves: "A stop waits for the fate of what was refused",
        marks: &[
            "fate_is_the_dead_letter_topic",
            "fates_are_open_when_the_handler_is_gone",
            "last_fate_is_settled",
        ],
        group: || group(3, PoisonAction::DeadLetter),
        steps: |s| {
            s.begin(&[0], 3)?;
            s.produce_refused(0);
            s.until("it is refused", |w| w.partitions[0].log[3].refused)?;
            s.stop(0, Stop::Signalled)?;
            s.until("the supervisor is gone", |w| !w.runs(0))?;
            s.expect("it is a dead letter", |w| w.fate(0, 3) == Some(Fate::Skipped))?;
            s.expect("it is committed", |w| w.committed(0) == Some(4))
        },
    },
    Scenario {
        name: "a_refused_message_parks",
        proves: "It parks, and comes again when the operator resumes",
        marks: &["fate_is_to_park", "worker_parked", "resumed"],
        group: || group(3, PoisonAction::Park),
        steps: |s| {
            s.begin(&[0], 3)?;
            s.produce_refused(0);
            s.until("it is parked", |w| w.state(0, 0) == "parked")?;
            let restart = s.ask(0, 0, Operation::Restart);
            s.until_not_done(restart)?;
            let resume = s.ask(0, 0, Operation::Resume);
            s.until_done(resume)?;
            s.until("it is parked again", |w| w.starts_of(0).len() == 2 && w.state(0, 0) == "parked")
        },
    },
    Scenario {
        name: "a_restart_of_a_worker_that_parks",
        proves: "It was about to park, and is parked, not started again",
        marks: &["fate_is_to_park", "replaced_worker_had_parked_or_lost_its_start"],
        group: || group(3, PoisonAction::Park),
        steps: |s| {
            s.begin(&[0], 20)?;
            s.produce_refused(0);
            s.produce(0, 3);
            s.until("it is refused", |w| w.partitions[0].log[20].refused)?;
            s.hold(0);
            s.until("its worker ends", |w| w.is_ending(0))?;
            let restart = s.ask(0, 0, Operation::Restart);
            s.until_done(restart)?;
            s.go_on(0);
            s.until("it is parked", |w| w.state(0, 0) == "parked")
        },
    },
    Scenario {
        name: "a_stop_while_a_dead_letter_is_not_confirmed",
        proves: "It is waited for as long as the drain may last, and what is not confirmed is not passed over",
        marks: &["fates_are_open_when_the_handler_is_gone", "fates_stay_open"],
        group: || group(3, PoisonAction::DeadLetter),
        steps: |s| {
            s.begin(&[0], 3)?;
            s.dead_letters_wait();
            s.produce_refused(0);
            s.until("it is refused", |w| w.partitions[0].log[3].refused)?;
            s.stop(0, Stop::Signalled)?;
            s.until("the supervisor is gone", |w| !w.runs(0))?;
            s.expect("the drain was cut short", |w| w.processes[0].cut_short == Some(true))?;
            s.expect("nothing is passed over", |w| w.committed(0) == Some(3) && w.skipped(0) == 0)
        },
    },
    Scenario {
        name: "a_lease_that_ends_before_a_dead_letter_is_confirmed",
        proves: "The worker ends with its lease, and the message comes again",
        marks: &["lease_ends_while_fates_are_open"],
        group: || Plan { stop_timeout: Duration::from_secs(20), ..group(3, PoisonAction::DeadLetter) },
        steps: |s| {
            s.begin(&[0], 3)?;
            s.dead_letters_wait();
            s.produce_refused(0);
            s.until("it is refused", |w| w.partitions[0].log[3].refused)?;
            s.ask(0, 0, Operation::Restart);
            s.pass(1)?;
            s.cut_off(0, 3)?;
            s.until("its worker is gone", |w| w.worker_of(0).is_none())?;
            s.kafka_back()?;
            s.until("everything is settled", |w| w.done(0))
        },
    },
    Scenario {
        name: "a_dead_letter_that_cannot_be_produced",
        proves: "It parks its partition, and nothing is passed over",
        marks: &["dead_letter_failed", "worker_parked"],
        group: || group(3, PoisonAction::DeadLetter),
        steps: |s| {
            s.begin(&[0], 3)?;
            s.dead_letters_fail();
            s.produce_refused(0);
            s.until("it is parked", |w| w.state(0, 0) == "parked")?;
            s.expect("nothing is skipped", |w| w.skipped(0) == 0)
        },
    },
    Scenario {
        name: "an_operator_dead_letters_what_blocks",
        proves: "`skip` is answered when the dead letter is confirmed",
        marks: &["skip_dead_letters", "dead_letter_before_the_handler"],
        group: || group(100, PoisonAction::DeadLetter),
        steps: |s| {
            s.begin(&[0], 3)?;
            s.produce_poison(0);
            s.produce(0, 1);
            s.until("it is in a crash loop", |w| w.state(0, 0) == "crash_loop")?;
            let skip = s.ask(0, 0, Operation::Skip);
            s.until_done(skip)?;
            s.until("everything is settled", |w| w.done(0))?;
            s.expect("one message is skipped", |w| w.skipped(0) == 1)
        },
    },
    Scenario {
        name: "an_operators_dead_letter_that_cannot_be_produced",
        proves: "`skip` is answered with the failure, and the message comes again",
        marks: &["skip_dead_letters", "dead_letter_failed"],
        group: || group(100, PoisonAction::DeadLetter),
        steps: |s| {
            s.begin(&[0], 3)?;
            s.produce_poison(0);
            s.until("it is in a crash loop", |w| w.state(0, 0) == "crash_loop")?;
            s.dead_letters_fail();
            let skip = s.ask(0, 0, Operation::Skip);
            s.until_not_done(skip)?;
            s.expect("nothing is skipped", |w| w.skipped(0) == 0)
        },
    },
    Scenario {
        name: "a_skip_of_what_is_handled_after_all",
        proves: "`skip` drains first, and leaves alone what the handler finishes meanwhile: nothing after it comes again",
        marks: &["skip_passes_over", "skipped_in_vain"],
        group: || group(100, PoisonAction::Skip),
        steps: |s| {
            s.begin(&[0], 3)?;
            s.hold(0);
            s.produce(0, 1);
            s.until("it is in flight", |w| w.in_flight(0) == 1)?;
            s.pass(7)?;
            let skip = s.ask(0, 0, Operation::Skip);
            s.until("the worker drains", |w| w.state(0, 0) == "draining")?;
            s.go_on(0);
            s.until_done(skip)?;
            s.until("everything is settled", |w| w.done(0))?;
            s.expect("nothing is skipped", |w| w.skipped(0) == 0)
        },
    },
    Scenario {
        name: "nothing_to_skip",
        proves: "`skip` is refused where no message blocks, and while a dead letter would need a worker that is paused",
        marks: &["skip_refused_with_nothing_to_skip", "skip_refused_while_paused"],
        group: || group(100, PoisonAction::DeadLetter),
        steps: |s| {
            s.begin(&[0], 3)?;
            let skip = s.ask(0, 0, Operation::Skip);
            s.until_not_done(skip)?;
            s.produce_poison(0);
            s.until("it is in a crash loop", |w| w.state(0, 0) == "crash_loop")?;
            let pause = s.ask(0, 0, Operation::Pause);
            s.until_done(pause)?;
            s.until("it is paused", |w| w.state(0, 0) == "paused")?;
            let skip = s.ask(0, 0, Operation::Skip);
            s.until_not_done(skip)
        },
    },
];
