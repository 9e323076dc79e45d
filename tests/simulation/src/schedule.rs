//! One schedule: faults, then their end, rest, and a stop of everybody.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kafkavisor::ids::TopicPartition;
use kafkavisor_supervisor_core::{Partition as Owned, Stop};

use crate::figures::Figures;
use crate::machine::{Time, millis, nanos};
use crate::operator::Operator;
use crate::trace::Detail;
use crate::violation::{Invariant, Violation};
use crate::world::{Checked, World};

/// How a schedule ended.
#[derive(Debug)]
pub struct Outcome {
    /// The seed it is of.
    pub seed: u64,
    /// What happened, in numbers.
    pub figures: Figures,
    /// The last step.
    pub step: u64,
    /// The invariant that was found broken.
    pub violation: Option<Violation>,
    /// What was written down.
    pub trace: Vec<String>,
}

/// Runs the schedule of this seed.
pub fn run(seed: u64, detail: Detail) -> Outcome {
    let mut world = World::new(seed, detail);
    let violation = world.live().err();
    let mut figures = std::mem::take(&mut world.figures);
    figures.schedules = 1;
    figures.steps = world.steps;
    figures.time = world.now;
    Outcome { seed, figures, step: world.steps, violation, trace: world.trace.into_lines() }
}

impl World {
    fn live(&mut self) -> Checked {
        let until = self.plan.until;
        while self.step(until)? {}
        self.come_to_rest()
    }

    /// Faults end, lag returns to 0, everybody stops, and nothing is left over.
    pub(crate) fn come_to_rest(&mut self) -> Checked {
        self.heal()?;
        let healed = self.now;
        self.run_until(Self::patience, "lag is not 0, or a partition is not owned once", Self::at_rest)?;
        self.figures.healed = self.now - healed;
        self.operator = Operator::default();
        for process in 0..self.processes.len() {
            self.processes[process].wanted = false;
            self.stop_process(process, Stop::Signalled)?;
        }
        let stopped = |world: &mut Self| world.processes.iter().all(|process| !process.runs());
        self.run_until(|_| millis(60_000), "not everybody has stopped", stopped)?;
        let session = nanos(self.plan.session_timeout);
        self.run_until(
            |_| session * 2,
            "a stopped group leaves nodes in ZooKeeper",
            |world| world.zookeeper.paths().next().is_none(),
        )?;
        self.all_committed()
    }

    /// How long the way back to rest may take: a session to expire, the longest backoff, what a former owner's late commit
    /// has set back to be committed again.
    fn patience(&self) -> Time {
        let late = self.figures.faults.keys().any(|kind| kind.starts_with("late "));
        let session = nanos(self.plan.session_timeout) * 10;
        session + millis(80_000) + if late { millis(320_000) } else { 0 }
    }

    fn run_until(
        &mut self,
        within: impl Fn(&Self) -> Time,
        what: &str,
        mut done: impl FnMut(&mut Self) -> bool,
    ) -> Checked {
        let begin = self.now;
        while !done(self) {
            let next = self.now + millis(20);
            while self.step(next)? {}
            let within = within(self);
            if self.now - begin > within {
                let detail = format!("{what} after {:?}: {}", Duration::from_nanos(within), self.describe());
                return Err(Violation::new(Invariant::Liveness, detail));
            }
        }
        Ok(())
    }

    /// Everything acknowledged and committed, every partition with one worker.
    fn at_rest(&mut self) -> bool {
        let python = |pid: &i32| *pid < 0;
        let done = |partition: &mut crate::partition::Partition| {
            let committed = partition.committed.as_ref().map_or(-1, |committed| committed.offset.0);
            let end = if partition.live.iter().any(python) { partition.last() } else { partition.end };
            partition.live.len() == 1 && partition.unsettled() == partition.end && committed >= end
        };
        // What is late may still set an offset back, and so may an operator's word.
        let answered = |process: &crate::process::Process| {
            process
                .supervisor_ref()
                .is_none_or(|supervisor| supervisor.tickets.is_empty() && supervisor.asked.is_empty())
        };
        self.processes.iter().all(answered) && self.kafka.quiet() && self.partitions.iter_mut().all(done)
    }

    /// After a graceful stop nothing is left to be repeated.
    fn all_committed(&mut self) -> Checked {
        for partition in &mut self.partitions {
            let (unsettled, last) = (partition.unsettled(), partition.last());
            let committed = partition.committed.as_ref().map_or(0, |committed| committed.offset.0);
            if committed < unsettled.min(last) {
                let detail =
                    format!("{}: stopped at rest with {committed} committed of {last}", partition.partition);
                return Err(Violation::new(Invariant::Duplicates, detail));
            }
        }
        Ok(())
    }

    /// What is known of everything, for whoever looks for the cause.
    pub(crate) fn describe(&mut self) -> String {
        let mut parts = Vec::new();
        for partition in &mut self.partitions {
            let committed = partition.committed.as_ref().map(|committed| committed.offset.0);
            let (unsettled, end) = (partition.unsettled(), partition.end);
            let (partition, live) = (&partition.partition, &partition.live);
            parts.push(format!(
                "{partition}: unsettled {unsettled}, end {end}, committed {committed:?}, live {live:?}"
            ));
        }
        for process in &mut self.processes {
            let name = process.name.clone();
            let Some(supervisor) = process.supervisor() else { continue };
            let state = |(key, owned): (&TopicPartition, &Owned)| {
                format!("{name} {key}: {} {:?} {:?}", owned.state(), owned.phase(), owned.tenure.place)
            };
            parts.extend(
                supervisor
                    .core()
                    .into_iter()
                    .flat_map(kafkavisor_supervisor_core::Core::partitions)
                    .map(state),
            );
        }
        parts.push(format!("ZooKeeper: {:?}", self.zookeeper.paths().collect::<Vec<_>>()));
        parts.join("; ")
    }
}

/// Runs the schedules from `first` on, on all processors; the first that breaks an invariant ends them. `progress` is told
/// how many are done.
pub fn run_many(first: u64, count: u64, progress: impl Fn(u64) + Sync) -> Result<Figures, Box<Outcome>> {
    let (next, done) = (AtomicU64::new(first), AtomicU64::new(0));
    let broken: Mutex<Option<Box<Outcome>>> = Mutex::new(None);
    let total = Mutex::new(Figures::default());
    let work = || {
        let mut figures = Figures::default();
        while !is_some(&broken) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first.saturating_add(count) {
                break;
            }
            let outcome = run(seed, Detail::None);
            figures.add(&outcome.figures);
            if outcome.violation.is_some() {
                keep(&broken, outcome);
            }
            progress(done.fetch_add(1, Ordering::Relaxed) + 1);
        }
        if let Ok(mut total) = total.lock() {
            total.add(&figures);
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    match broken.into_inner() {
        Ok(Some(outcome)) => Err(outcome),
        Ok(None) | Err(_) => Ok(total.into_inner().unwrap_or_default()),
    }
}

fn is_some(broken: &Mutex<Option<Box<Outcome>>>) -> bool {
    broken.lock().is_ok_and(|broken| broken.is_some())
}

/// The lowest seed is the one to look at.
fn keep(broken: &Mutex<Option<Box<Outcome>>>, outcome: Outcome) {
    if let Ok(mut broken) = broken.lock()
        && broken.as_ref().is_none_or(|known| outcome.seed < known.seed)
    {
        *broken = Some(Box::new(outcome));
    }
}
