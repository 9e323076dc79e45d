//! A rolling deploy: the group goes from one version to another and back, one supervisor after the other, while messages flow.
//! Nothing else is wrong, and handlers behave, so that `checker::check_deploy` can ask for more than after faults.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use kafkavisor::clock;
use kafkavisor_tests::status::Partition;
use kafkavisor_tests::waiting::until_within;
use nix::sys::signal::Signal::SIGSTOP;

use super::command;
use super::course::{JOIN_WITHIN, LEAVE_WITHIN, Options, all_share, build, commit_all, drain};
use super::faults::signal_all;
use super::load::{Load, create_topic, read_log};
use super::supervisor::{Supervisor, programs};
use super::watch::Watch;
use super::world::{PARTITIONS, World, calm_path};
use crate::history::{Event, Writer};
use crate::schedule::Kind;

/// What was in the log at the end of a step is committed by then.
const COMMIT_WITHIN: Duration = Duration::from_secs(60);
/// An operator's word is carried out by then.
const CARRIED_OUT_WITHIN: Duration = Duration::from_secs(30);

/// Messages of a partition that are acknowledged and not committed: less than come in a commit interval.
const OWED: i64 = 15;

/// Messages in flight at a kill, and how long they are waited for: a handler's timeout is 3 s.
const HELD: u64 = 3;
const HELD_WITHIN: Duration = Duration::from_secs(2);

/// What came of it.
#[derive(Debug)]
pub struct Deployed {
    /// The history's file, to be judged.
    pub history: PathBuf,
    /// What is wrong and stands in no history.
    pub complaints: Vec<String>,
}

/// Rolls from the programs in the folder `before` to those that were built with this one, and back. None where it was interrupted.
pub fn deploy(options: &Options, before: &Path) -> Option<Deployed> {
    let world = build(options);
    File::create(calm_path(&world.folder)).expect("handlers are told to behave");
    create_topic(&world);
    let earlier = Version { name: "the earlier one", programs: before.to_owned() };
    let present = Version { name: "today's", programs: programs() };
    let mut deploy = Deploy::new(&world);
    deploy.roll(&earlier, &present);
    if world.is_interrupted() {
        return None;
    }
    let Deploy { complaints, .. } = deploy;
    Some(Deployed { history: world.history_path(), complaints })
}

/// One of the two.
struct Version {
    name: &'static str,
    programs: PathBuf,
}

/// How a supervisor is made room of.
enum End<'a> {
    Term,
    /// With the command of this version.
    Stop(&'a Version),
    Kill,
}

struct Deploy<'a> {
    world: &'a Arc<World>,
    history: Writer,
    began: Instant,
    steps: usize,
    complaints: Vec<String>,
}

impl<'a> Deploy<'a> {
    fn new(world: &'a Arc<World>) -> Self {
        let history = world.history();
        Self { world, history, began: clock::now(), steps: 0, complaints: Vec::new() }
    }

    fn roll(&mut self, earlier: &Version, present: &Version) {
        let world = self.world;
        let [one, two, three] = world.supervisors.as_slice() else { unreachable!("three supervisors") };
        self.start(one, earlier);
        self.history.write(Event::Began { seed: 0, partitions: PARTITIONS });
        let (load, watch) = (Load::start(world), Watch::start(world));
        self.settle();
        // Alone, so that it has every partition again, and meets the pages that the other version has left.
        self.replace(one, present, &End::Kill);
        self.replace(one, earlier, &End::Kill);
        self.start(two, earlier);
        self.start(three, earlier);
        for (from, to) in [(earlier, present), (present, earlier)] {
            self.replace(one, to, &End::Term);
            self.talk(to, two);
            self.talk(from, one);
            self.replace(two, to, &End::Stop(to));
            self.replace(three, to, &End::Kill);
        }
        self.history.write(Event::FaultsEnded);
        load.stop();
        drain(world, &self.history);
        watch.stop();
        thread::scope(|scope| {
            for supervisor in &world.supervisors {
                scope.spawn(|| supervisor.leave(LEAVE_WITHIN));
            }
        });
        read_log(world);
    }

    fn start(&mut self, supervisor: &Supervisor, version: &Version) {
        if self.world.is_interrupted() {
            return;
        }
        supervisor.install(&version.programs);
        supervisor.start();
        self.settle();
        self.say(&format!("{} has started as {}", supervisor.instance(), version.name));
    }

    /// One version in the place of another.
    fn replace(&mut self, supervisor: &Supervisor, version: &Version, end: &End<'_>) {
        if self.world.is_interrupted() {
            return;
        }
        self.steps += 1;
        let (number, target) = (self.steps, supervisor.instance());
        let kind = if matches!(end, End::Kill) { Kind::KillSupervisor } else { Kind::Leave };
        self.owe(supervisor);
        self.history.write(Event::Fault { number, kind, target: target.clone() });
        let how = match end {
            End::Kill => {
                self.hold(supervisor);
                supervisor.kill();
                format!("was killed and left {} pages", supervisor.pages())
            }
            End::Term => {
                supervisor.leave(LEAVE_WITHIN);
                "has left".to_owned()
            }
            End::Stop(by) => {
                supervisor.leave_when(LEAVE_WITHIN, || drop(self.asked(by, supervisor, &["stop"])));
                format!("was stopped by a command of {}", by.name)
            }
        };
        supervisor.install(&version.programs);
        supervisor.start();
        self.settle();
        self.history.write(Event::Healed { number });
        self.say(&format!("{target} {how}; {} has started as {}", supervisor.instance(), version.name));
    }

    /// Commands of one version, asked of the other's supervisor.
    fn talk(&mut self, by: &Version, supervisor: &Supervisor) {
        if self.world.is_interrupted() {
            return;
        }
        let Some(partition) = supervisor.status().and_then(|status| status.partitions.into_iter().next())
        else {
            return self.complain(format!("{} says of no partition that it has it", supervisor.instance()));
        };
        let (number, name) = (partition.partition, format!("{}:{}", partition.topic, partition.partition));
        let table = self.asked(by, supervisor, &["status"]);
        if !table.contains(&name) {
            self.complain(format!("status of {} does not show {name}: {table}", supervisor.instance()));
        }
        self.asked(by, supervisor, &["pause", &name]);
        self.becomes(supervisor, number, "paused");
        self.asked(by, supervisor, &["resume", &name]);
        self.becomes(supervisor, number, "ready");
        self.asked(by, supervisor, &["restart", &name]);
        self.settle();
        let (instance, by) = (supervisor.instance(), by.name);
        self.say(&format!("{instance} was asked by commands of {by}: status, pause, resume, restart"));
    }

    /// What a command prints, which has to succeed.
    fn asked(&mut self, by: &Version, supervisor: &Supervisor, words: &[&str]) -> String {
        let mut asked = supervisor.command(&by.programs, words[0]);
        asked.args(&words[1..]);
        command::output(&mut asked, CARRIED_OUT_WITHIN).unwrap_or_else(|| {
            let (instance, by) = (supervisor.instance(), by.name);
            self.complain(format!("{words:?} of {by} did not succeed at {instance}"));
            String::new()
        })
    }

    fn becomes(&mut self, supervisor: &Supervisor, partition: i32, state: &str) {
        let is_there = || supervisor.status().is_some_and(|status| status.state_of(partition) == state);
        until_within(CARRIED_OUT_WITHIN, &format!("partition {partition} is {state}"), || {
            (self.world.is_interrupted() || is_there()).then_some(())
        });
    }

    /// Until those that run share all partitions and have committed what there was.
    fn settle(&mut self) {
        let (world, running) = (self.world, self.world.supervisors.iter().filter(|one| one.pid().is_some()));
        let running = running.count();
        until_within(JOIN_WITHIN, "those that run share the partitions", || {
            world.supervisors.iter().for_each(must_live);
            (world.is_interrupted() || all_share(world, running)).then_some(())
        });
        let behind = commit_all(world, COMMIT_WITHIN);
        if !behind.is_empty() && !world.is_interrupted() {
            self.complain(format!("not within {COMMIT_WITHIN:?}: partition, committed, end: {behind:?}"));
        }
    }

    /// Until it owes commits for what its handlers have done: only then a page, and what a drain commits, count for something.
    fn owe(&self, supervisor: &Supervisor) {
        let owes = |partition: &Partition| {
            partition.acknowledged.zip(partition.committed).is_some_and(|(done, known)| done >= known + OWED)
        };
        until_within(CARRIED_OUT_WITHIN, "much is acknowledged that is not committed", || {
            let owing = || supervisor.status().is_some_and(|status| status.partitions.iter().all(owes));
            (self.world.is_interrupted() || owing()).then_some(())
        });
    }

    /// Stops its handlers until each has something that is not acknowledged: what is in flight at a kill has to come again. No
    /// longer than it takes to be taken for hung.
    fn hold(&self, supervisor: &Supervisor) {
        signal_all(&supervisor.of_handlers(), SIGSTOP);
        let holds = || {
            let status = supervisor.status();
            status.is_some_and(|status| status.partitions.iter().all(|partition| partition.in_flight >= HELD))
        };
        let end = clock::now() + HELD_WITHIN;
        while !holds() && clock::now() < end {
            self.world.pass(Duration::from_millis(20));
        }
    }

    fn complain(&mut self, what: String) {
        self.say(&what);
        self.complaints.push(what);
    }

    fn say(&self, what: &str) {
        if self.world.is_interrupted() {
            return;
        }
        println!("{:>6.1} s  {what}", self.began.elapsed().as_secs_f64());
    }
}

/// Nothing is wrong that a supervisor may end for.
fn must_live(supervisor: &Supervisor) {
    if let Some(code) = supervisor.ended_by_itself() {
        panic!("{} has ended by itself with {code}:\n{}", supervisor.instance(), supervisor.last_words());
    }
}
