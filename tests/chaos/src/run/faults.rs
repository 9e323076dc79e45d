//! Performs a schedule: each fault begins, lasts, and is healed, whatever happens.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use kafkavisor::clock;
use kafkavisor_tests::processes;
use kafkavisor_tests::waiting::pause;
use nix::sys::signal::Signal::{SIGCONT, SIGKILL, SIGSTOP};

use super::proxy::Network;
use super::python::Member;
use super::supervisor::Supervisor;
use super::world::World;
use crate::history::{Event, Writer};
use crate::schedule::{Kind, Planned};

/// A drain may wait for a Kafka that is away.
const LEAVES_WITHIN: Duration = Duration::from_secs(60);
/// A member has partitions by then, unless ZooKeeper is away too.
const HOLDS_WITHIN: Duration = Duration::from_secs(10);

/// Performs one lane, beginning with fault number `number`, in steps of 2, so that two lanes don't meet.
pub(super) fn perform(world: &World, lane: &[Planned], began: Instant, mut number: usize) {
    let (history, _alarm) = (world.history(), Alarm(world));
    for planned in lane {
        world.pass((began + planned.at).saturating_duration_since(clock::now()));
        if world.is_interrupted() {
            return;
        }
        Fault { world, history: &history, planned: *planned, number }.perform();
        number += 2;
    }
}

/// A fault that can't be performed ends the whole run, not only its lane.
struct Alarm<'a>(&'a World);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.interrupt();
        }
    }
}

struct Fault<'a> {
    world: &'a World,
    history: &'a Writer,
    planned: Planned,
    number: usize,
}

impl Fault<'_> {
    fn perform(&self) {
        let supervisor = &self.world.supervisors[self.planned.target % self.world.supervisors.len()];
        match self.planned.kind {
            Kind::KillSupervisor => self.on_life(supervisor, || supervisor.kill(), || supervisor.start()),
            Kind::StopSupervisor => {
                self.on_life(supervisor, || supervisor.signal(SIGSTOP), || supervisor.signal(SIGCONT));
            }
            Kind::KillWorker => self.on_one(supervisor, &supervisor.workers(), &[SIGKILL]),
            Kind::StopWorker => self.on_one(supervisor, &supervisor.workers(), &[SIGSTOP, SIGCONT]),
            Kind::KillHandler => self.on_one(supervisor, &supervisor.handlers(), &[SIGKILL]),
            Kind::StopHandler => self.on_one(supervisor, &supervisor.handlers(), &[SIGSTOP, SIGCONT]),
            Kind::KillGuardian => {
                let guardian: Vec<i32> = supervisor.guardian().into_iter().collect();
                self.on_one(supervisor, &guardian, &[SIGKILL]);
            }
            Kind::FreezeMachine => self.freeze_machine(supervisor),
            Kind::KillSupervisorOfStoppedWorkers => self.on_life(
                supervisor,
                || {
                    signal_all(&supervisor.workers(), SIGSTOP);
                    supervisor.kill();
                },
                || supervisor.start(),
            ),
            Kind::KillSupervisorAndWorkers => self.on_life(
                supervisor,
                || {
                    signal_all(&supervisor.workers(), SIGKILL);
                    supervisor.kill();
                },
                || supervisor.start(),
            ),
            Kind::CutZookeeper => self.network(supervisor, Network::Cut),
            Kind::FreezeZookeeper => self.network(supervisor, Network::Frozen),
            Kind::DelayZookeeper => {
                let by = Duration::from_millis(20 + u64::try_from(self.planned.target).expect("small") % 200);
                self.network(supervisor, Network::Slow(by));
            }
            Kind::Leave => {
                self.on_life(supervisor, || supervisor.leave(LEAVES_WITHIN), || supervisor.start());
            }
            Kind::PythonJoins => self.python(|_| {}),
            Kind::PythonFreezes => self.python(|member| {
                self.until_it_holds(member);
                member.signal(SIGSTOP);
                self.world.pass(self.planned.lasts);
                member.signal(SIGCONT);
            }),
            Kind::PythonDies => self.python(|member| {
                self.until_it_holds(member);
                member.kill();
            }),
            Kind::KillBroker => self.server("kafka", "kill", "start"),
            Kind::RestartBroker => self.server("kafka", "stop", "start"),
            Kind::PauseBroker => self.server("kafka", "pause", "resume"),
            Kind::KillZookeeper => self.server("zookeeper", "kill", "start"),
            Kind::RestartZookeeper => self.server("zookeeper", "stop", "start"),
            Kind::PauseZookeeper => self.server("zookeeper", "pause", "resume"),
        }
    }

    fn during(&self, target: String, begin: impl FnOnce(), heal: impl FnOnce()) {
        self.history.write(Event::Fault { number: self.number, kind: self.planned.kind, target });
        begin();
        self.world.pass(self.planned.lasts);
        heal();
        self.history.write(Event::Healed { number: self.number });
    }

    fn on_life(&self, supervisor: &Supervisor, begin: impl FnOnce(), heal: impl FnOnce()) {
        self.during(supervisor.instance(), begin, heal);
    }

    /// The first signal for one of these processes, and the second when it is over.
    fn on_one(&self, supervisor: &Supervisor, pids: &[i32], signals: &[nix::sys::signal::Signal]) {
        // One that has no partition at present has no worker either.
        let Some(pid) = (!pids.is_empty()).then(|| pids[self.planned.target % pids.len()]) else { return };
        let send = |signal: Option<&nix::sys::signal::Signal>| {
            if let Some(signal) = signal
                && supervisor.marked().contains(&pid)
            {
                let _ = processes::try_signal(pid, *signal);
            }
        };
        self.during(supervisor.instance(), || send(signals.first()), || send(signals.get(1)));
    }

    /// The supervisor first, so that nobody starts anything while the others are stopped.
    fn freeze_machine(&self, supervisor: &Supervisor) {
        let stop = || {
            supervisor.signal(SIGSTOP);
            let mut stopped = BTreeSet::new();
            loop {
                let new: Vec<i32> =
                    supervisor.marked().into_iter().filter(|pid| !stopped.contains(pid)).collect();
                if new.is_empty() {
                    return;
                }
                signal_all(&new, SIGSTOP);
                stopped.extend(new);
            }
        };
        self.on_life(supervisor, stop, || signal_all(&supervisor.marked(), SIGCONT));
    }

    fn network(&self, supervisor: &Supervisor, network: Network) {
        self.on_life(supervisor, || supervisor.proxy.set(network), || supervisor.proxy.set(Network::Open));
    }

    fn python(&self, meanwhile: impl FnOnce(&mut Member)) {
        let name = format!("p{}", self.number);
        // Some sort before all supervisors' identifiers, some behind them.
        let name =
            if self.planned.target.is_multiple_of(2) { format!("z-{name}") } else { format!("!{name}") };
        self.history.write(Event::Fault {
            number: self.number,
            kind: self.planned.kind,
            target: name.clone(),
        });
        let mut member = Member::join(self.world, &name);
        meanwhile(&mut member);
        if self.planned.kind == Kind::PythonJoins {
            self.world.pass(self.planned.lasts);
        }
        member.leave(LEAVES_WITHIN);
        self.history.write(Event::Healed { number: self.number });
    }

    fn until_it_holds(&self, member: &Member) {
        let end = clock::now() + HOLDS_WITHIN;
        while !member.holds() && clock::now() < end && !self.world.is_interrupted() {
            pause(Duration::from_millis(20));
        }
    }

    fn server(&self, of: &str, begin: &str, heal: &str) {
        let servers = &self.world.cluster;
        let count = if of == "kafka" { servers.brokers.len() } else { servers.zookeepers.len() };
        let number = self.planned.target % count;
        let name = format!("{of}{}", number + 1);
        let role = if of == "kafka" { None } else { servers.role(number) };
        let target = role.map_or_else(|| name.clone(), |role| format!("{name}, the {role}"));
        let bring_back = || {
            // It may lose the race with ZooKeeper's memory of its last life, and be started once more.
            for _ in 0..5 {
                if servers.server(heal, &name) {
                    return;
                }
            }
            panic!("{name} does not come back");
        };
        let begin = || assert!(servers.server(begin, &name), "can't {begin} {name}");
        self.during(target, begin, bring_back);
    }
}

pub(super) fn signal_all(pids: &[i32], signal: nix::sys::signal::Signal) {
    for pid in pids {
        let _ = processes::try_signal(*pid, signal);
    }
}
