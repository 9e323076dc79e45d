//! Which fault comes when: a pure function of the seed.
//!
//! Faults come in two lanes that run beside each other, one for the group's own processes and network, one for the
//! servers. Within a lane one fault is healed before the next begins. Between rounds there are calm times in which members
//! only join and leave: there no message may be repeated.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What can be done to the group and its servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// SIGKILL of a supervisor; started again when healed.
    KillSupervisor,
    /// SIGSTOP of a supervisor alone.
    StopSupervisor,
    /// SIGKILL of a worker.
    KillWorker,
    /// SIGSTOP of a worker.
    StopWorker,
    /// SIGKILL of a handler.
    KillHandler,
    /// SIGSTOP of a handler.
    StopHandler,
    /// SIGKILL of a guardian, with which all its workers die.
    KillGuardian,
    /// SIGSTOP of everything that a supervisor has, itself included: what a frozen machine looks like.
    FreezeMachine,
    /// SIGSTOP of all workers, then SIGKILL of their supervisor.
    KillSupervisorOfStoppedWorkers,
    /// SIGKILL of a supervisor and its workers together.
    KillSupervisorAndWorkers,
    /// A supervisor's connections to ZooKeeper are closed and refused.
    CutZookeeper,
    /// Nothing goes through between a supervisor and ZooKeeper, and nobody is told.
    FreezeZookeeper,
    /// Everything between a supervisor and ZooKeeper takes longer.
    DelayZookeeper,
    /// TERM for a supervisor; started again when healed.
    Leave,
    /// A Python member joins, and leaves when healed.
    PythonJoins,
    /// A Python member joins and is stopped for a time.
    PythonFreezes,
    /// A Python member joins and is killed.
    PythonDies,
    /// SIGKILL of a broker.
    KillBroker,
    /// TERM for a broker.
    RestartBroker,
    /// SIGSTOP of a broker.
    PauseBroker,
    /// SIGKILL of a ZooKeeper server.
    KillZookeeper,
    /// TERM for a ZooKeeper server.
    RestartZookeeper,
    /// SIGSTOP of a ZooKeeper server.
    PauseZookeeper,
}

use Kind::{
    CutZookeeper, DelayZookeeper, FreezeMachine, FreezeZookeeper, KillBroker, KillGuardian, KillHandler,
    KillSupervisor, KillSupervisorAndWorkers, KillSupervisorOfStoppedWorkers, KillWorker, KillZookeeper,
    Leave, PauseBroker, PauseZookeeper, PythonDies, PythonFreezes, PythonJoins, RestartBroker,
    RestartZookeeper, StopHandler, StopSupervisor, StopWorker,
};

impl Kind {
    /// Nobody is hurt: what was delivered is finished and committed before it moves.
    pub fn is_graceful(self) -> bool {
        matches!(self, Leave | PythonJoins)
    }

    /// Processes and network of the group.
    const GROUP: [(Self, Range); 17] = [
        (KillSupervisor, (500, 9_000)),
        (StopSupervisor, (500, 12_000)),
        (KillWorker, (0, 0)),
        (KillWorker, (0, 0)),
        (StopWorker, (500, 8_000)),
        (KillHandler, (0, 0)),
        (StopHandler, (500, 6_000)),
        (KillGuardian, (0, 0)),
        (FreezeMachine, (4_000, 12_000)),
        (KillSupervisorOfStoppedWorkers, (500, 9_000)),
        (KillSupervisorAndWorkers, (500, 9_000)),
        (CutZookeeper, (500, 12_000)),
        (FreezeZookeeper, (500, 12_000)),
        (DelayZookeeper, (2_000, 8_000)),
        (Leave, (1_000, 8_000)),
        (PythonFreezes, (4_000, 12_000)),
        (PythonDies, (2_000, 5_000)),
    ];

    /// Members that come and go in an orderly way.
    const CALM: [(Self, Range); 3] =
        [(Leave, (3_000, 5_000)), (PythonJoins, (5_000, 8_000)), (Leave, (2_000, 4_000))];

    /// Servers.
    const SERVERS: [(Self, Range); 6] = [
        (KillBroker, (500, 8_000)),
        (RestartBroker, (500, 4_000)),
        (PauseBroker, (500, 12_000)),
        (KillZookeeper, (500, 8_000)),
        (RestartZookeeper, (500, 4_000)),
        (PauseZookeeper, (500, 12_000)),
    ];
}

/// Shortest and longest, in milliseconds.
type Range = (u64, u64);

/// One fault to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planned {
    /// Not before this time of the run; later where the one before it took longer.
    pub at: Duration,
    /// What.
    pub kind: Kind,
    /// Which of those that there are, to be taken modulo their number.
    pub target: usize,
    /// How long until it is healed.
    pub lasts: Duration,
}

/// The faults of a run, in two lanes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// Processes, network, members.
    pub group: Vec<Planned>,
    /// Brokers and ZooKeeper servers.
    pub servers: Vec<Planned>,
}

/// A round of faults, and the calm time behind it.
const ROUND: Duration = Duration::from_secs(60);
/// From then on the servers have faults too. Before, a takeover is not held up by them, and so shows what it can do wrong.
const SERVERS_TOO: Duration = Duration::from_secs(20);
const CALM: Duration = Duration::from_secs(30);
/// Before the first join or leave of a calm time, for what the faults have left behind.
const SETTLE: Duration = Duration::from_secs(14);

impl Schedule {
    /// For a run of this length.
    pub fn new(seed: u64, length: Duration) -> Self {
        let mut schedule = Self { group: Vec::new(), servers: Vec::new() };
        let mut random = fastrand::Rng::with_seed(seed);
        let mut round = Duration::ZERO;
        while round < length {
            let end = (round + ROUND).min(length);
            fill(&mut schedule.group, &mut random, &Kind::GROUP, round..end, 500..3_000);
            fill(&mut schedule.servers, &mut random, &Kind::SERVERS, round + SERVERS_TOO..end, 1_000..6_000);
            let calm = (end + SETTLE)..(end + CALM).min(length);
            fill(&mut schedule.group, &mut random, &Kind::CALM, calm, 1_000..3_000);
            round = end + CALM;
        }
        schedule
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all: Vec<&Planned> = self.group.iter().chain(&self.servers).collect();
        all.sort_by_key(|planned| planned.at);
        for Planned { at, kind, lasts, .. } in all {
            writeln!(f, "{:8.2} s  {kind:?} for {:.2} s", at.as_secs_f64(), lasts.as_secs_f64())?;
        }
        Ok(())
    }
}

fn fill(
    lane: &mut Vec<Planned>,
    random: &mut fastrand::Rng,
    kinds: &[(Kind, Range)],
    within: std::ops::Range<Duration>,
    pause: std::ops::Range<u64>,
) {
    let mut at = within.start;
    // Each kind comes once before any comes again.
    let mut left = Vec::new();
    loop {
        at += Duration::from_millis(random.u64(pause.clone()));
        if left.is_empty() {
            left = kinds.to_vec();
        }
        let (kind, (shortest, longest)) = left.swap_remove(random.usize(..left.len()));
        let lasts = Duration::from_millis(random.u64(shortest..=longest));
        if at + lasts > within.end {
            return;
        }
        lane.push(Planned { at, kind, target: random.usize(..1_000), lasts });
        at += lasts;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: Duration = Duration::from_secs(300);

    #[test]
    fn a_seed_always_gives_the_same_schedule() {
        assert_eq!(Schedule::new(7, LENGTH), Schedule::new(7, LENGTH));
        assert_ne!(Schedule::new(7, LENGTH), Schedule::new(8, LENGTH));
    }

    #[test]
    fn within_a_lane_one_fault_is_healed_before_the_next() {
        for seed in 0..200 {
            let schedule = Schedule::new(seed, LENGTH);
            for lane in [&schedule.group, &schedule.servers] {
                assert!(lane.windows(2).all(|pair| pair[0].at + pair[0].lasts <= pair[1].at), "seed {seed}");
                assert!(lane.iter().all(|fault| fault.at + fault.lasts <= LENGTH), "seed {seed}");
            }
        }
    }

    #[test]
    fn calm_times_know_no_harm() {
        for seed in 0..200 {
            let schedule = Schedule::new(seed, LENGTH);
            let calm = |at: Duration| {
                let in_round = Duration::from_nanos(
                    u64::try_from(at.as_nanos() % (ROUND + CALM).as_nanos()).expect("it fits"),
                );
                in_round >= ROUND
            };
            let harm =
                schedule.group.iter().chain(&schedule.servers).find(|f| calm(f.at) && !f.kind.is_graceful());
            assert_eq!(harm, None, "seed {seed}");
        }
    }

    #[test]
    fn every_kind_comes_in_a_long_run() {
        let schedule = Schedule::new(1, Duration::from_secs(3_600));
        for (kind, _) in Kind::GROUP.iter().chain(&Kind::CALM).chain(&Kind::SERVERS) {
            assert!(
                schedule.group.iter().chain(&schedule.servers).any(|fault| fault.kind == *kind),
                "{kind:?}"
            );
        }
    }
}
