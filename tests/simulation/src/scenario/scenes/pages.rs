//! Status pages of before: gone on from where they are still true, and never where somebody else has spoken since.

use std::time::Duration;

use kafkavisor::ids::Offset;
use kafkavisor_supervisor_core::{Operation, Stop};

use crate::plan::Plan;
use crate::scenario::Scenario;
use crate::scenario::stage::Stage;
use crate::world::Checked;

fn group(members: usize) -> Plan {
    Plan { commit_interval: Duration::from_secs(5), ..Plan::calm(members, 1) }
}

/// A member has five messages committed and ten acknowledged when it is killed.
fn killed_ahead_of_its_commits(s: &mut Stage, member: usize) -> Checked {
    s.begin(&[member], 5)?;
    s.produce(0, 5);
    s.until("ten are acknowledged", |w| w.partitions[0].unsettled() == 10 && w.in_flight(0) == 0)?;
    s.expect("five are committed", |w| w.committed(0) == Some(5))?;
    s.kill(member)
}

fn begins_at(s: &mut Stage, offset: i64) -> Checked {
    s.until("a worker is there", |w| w.worker_of(0).is_some())?;
    s.expect("it begins where it must", |w| w.starts_of(0).last().is_some_and(|start| start.offset == offset))
}

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "a_killed_supervisor",
        proves: "The next one goes on after the last acknowledged message",
        marks: &["page_is_gone_on_from"],
        group: || group(1),
        steps: |s| {
            killed_ahead_of_its_commits(s, 0)?;
            s.start(0)?;
            begins_at(s, 10)
        },
    },
    Scenario {
        name: "another_hosts_page",
        proves: "What another instance of the group's name has committed is not taken for our own: an operator's seek holds",
        marks: &["page_is_made_anew", "operators_word_is_confirmed"],
        group: || group(2),
        steps: |s| {
            killed_ahead_of_its_commits(s, 1)?;
            s.start(0)?;
            s.until("the other has handled everything", |w| w.has(0, 0) && w.done(0))?;
            let pause = s.ask(0, 0, Operation::Pause);
            s.until_done(pause)?;
            let seek = s.ask(0, 0, Operation::Seek(Offset(5)));
            s.until_done(seek)?;
            s.stop(0, Stop::Signalled)?;
            s.until("the other is gone", |w| !w.runs(0))?;
            s.start(1)?;
            begins_at(s, 5)
        },
    },
    Scenario {
        name: "a_topic_made_again_while_nobody_runs",
        proves: "The page of the old topic is not gone on from",
        marks: &["page_is_made_anew", "start_is_committed_first"],
        group: || group(1),
        steps: |s| {
            killed_ahead_of_its_commits(s, 0)?;
            s.make_again(true);
            s.produce(0, 20);
            s.start(0)?;
            begins_at(s, 0)
        },
    },
    Scenario {
        name: "an_offset_set_back_while_nobody_runs",
        proves: "Whoever sets the group's offset with another tool is followed",
        marks: &["page_is_made_anew"],
        group: || group(1),
        steps: |s| {
            killed_ahead_of_its_commits(s, 0)?;
            s.pass(2)?;
            s.set_committed(0, 5);
            s.start(0)?;
            begins_at(s, 5)
        },
    },
];
