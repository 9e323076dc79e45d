//! `kafkavisor demo`: a mock Kafka inside this process, a real supervisor beside it, a handler, a message that it rejects, and one
//! worker killed on the way.

mod load;
mod sample;
mod screen;
mod supervisor;
mod trouble;

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kafkavisor::clock::now;
use kafkavisor::text::named;
use kafkavisor_link::control::Request;
use nix::poll::{PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rdkafka::mocking::MockCluster;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use self::load::Load;
pub(super) use self::sample::handler as sample_handler;
use self::screen::Screen;
use self::supervisor::Supervisor;
use super::find;
use super::table::grouped;
use crate::cli::DemoArgs;
use crate::exit::{Exit, Failure};
use crate::observe::status::{Partition, Status};

const TOPIC: &str = "orders";
const PARTITIONS: i32 = 3;
/// Where dead letters go.
const DEAD: &str = "orders.dead";
/// Messages a second.
const RATE: u64 = 300;
/// Longest that starting, recovering or finishing may take.
const WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The folder of this demo, gone with it.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _gone_or_not = fs::remove_dir_all(&self.0);
    }
}

struct Demo {
    screen: Screen,
    interrupted: Arc<AtomicBool>,
    supervisor: Supervisor,
    load: Load,
    brokers: String,
    /// A handler of somebody's own need not reject what ours does.
    spoils: bool,
}

pub(super) fn run(args: &DemoArgs) -> Result<Exit, Failure> {
    let bug = |what: &str, error: &dyn std::fmt::Display| Failure::bug(format!("demo: {what}: {error}"));
    if !args.handler.is_empty() {
        crate::checks::resolved(&args.handler)
            .map_err(|error| Failure::configuration(format!("HANDLER: {error}")))?;
    }
    let cluster = MockCluster::new(1).map_err(|error| bug("the mock Kafka can't be started", &error))?;
    for (topic, partitions) in [(TOPIC, PARTITIONS), (DEAD, 1)] {
        cluster.create_topic(topic, partitions, 1).map_err(|error| bug("a topic can't be made", &error))?;
    }
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&interrupted))
            .map_err(|error| bug("signals", &error))?;
    }
    let folder = Folder(std::env::temp_dir().join(format!("kafkavisor-demo-{}", std::process::id())));
    DirBuilder::new().mode(0o700).create(&folder.0).map_err(|error| {
        let folder = named(folder.0.display());
        Failure::configuration(format!("demo: {folder} can't be made: {error}: set TMPDIR"))
    })?;
    let screen = Screen::new();
    super::print(&format!(
        "{}\nA mock Kafka with topic {TOPIC} ({PARTITIONS} partitions, {RATE} messages a second), one worker and one handler for each.\n\n",
        screen.style.bold("kafkavisor demo")
    ))?;
    let brokers = cluster.bootstrap_servers();
    let supervisor = Supervisor::start(&brokers, &folder.0, args)?;
    let load = Load::start(&brokers)?;
    let spoils = args.handler.is_empty();
    let demo = Demo { screen, interrupted, supervisor, load, brokers, spoils };
    demo.play(Duration::from_secs(args.seconds), args.http.is_some())
}

impl Demo {
    fn play(mut self, length: Duration, goes_on: bool) -> Result<Exit, Failure> {
        let began = now();
        let status = self.until("all partitions are ready", |status| {
            all(status, |p| p.state == "ready" && p.messages_total > 0)
        })?;
        self.screen.say(&format!(
            "{PARTITIONS} workers ready after {:.1} s",
            now().saturating_duration_since(began).as_secs_f64()
        ))?;
        if goes_on {
            self.tell_where()?;
        }
        self.screen.draw(&status)?;
        let recovery = if goes_on { self.go_on(length)? } else { self.show_once(began, length)? };
        // From here on a signal cuts it short.
        self.interrupted.store(false, Ordering::Release);
        let produced = self.load.finish();
        // What somebody who tries things has paused.
        let _nothing_was_paused =
            find::asked(&self.supervisor.socket, &Request::Resume { partitions: vec![] });
        let done = self.until("everything is acknowledged and committed", |status| {
            let acknowledged: u64 = status.partitions.iter().map(|p| p.messages_total).sum();
            acknowledged >= produced && all(status, |p| p.lag == Some(0))
        })?;
        self.screen.draw(&done)?;
        self.stop()?;
        self.summary(&done, produced, recovery)
    }

    /// Where it can be looked at.
    fn tell_where(&mut self) -> Result<(), Failure> {
        const SAID: &str = "HTTP at ";
        let log = fs::read_to_string(&self.supervisor.log).unwrap_or_default();
        let address = log.split_once(SAID).and_then(|(_, rest)| rest.lines().next());
        let address = address.ok_or_else(|| Failure::bug("demo: the page is nowhere".to_owned()))?;
        let socket = named(self.supervisor.socket.display());
        self.screen.say(&format!("the page is at {address}"))?;
        self.screen.say(&format!("or: kafkavisor status --watch --socket {socket}"))?;
        if self.spoils {
            self.screen.say(&format!("and: kafkavisor dead-letters list -b {} -t {DEAD}", self.brokers))?;
        }
        self.screen.say("it goes on until Ctrl-C")
    }

    fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Acquire)
    }

    /// What took until then, but for what a signal has cut short.
    fn unless_interrupted<T>(&self, took: Result<T, Failure>) -> Result<Option<T>, Failure> {
        if self.is_interrupted() { Ok(took.ok()) } else { took.map(Some) }
    }

    /// Looks until `condition` holds.
    fn until(&mut self, what: &str, condition: impl Fn(&Status) -> bool) -> Result<Status, Failure> {
        let deadline = now() + WITHIN;
        loop {
            if let Ok(status) = find::status(&self.supervisor.socket) {
                if condition(&status) {
                    return Ok(status);
                }
                self.screen.redraw(&status)?;
            }
            if self.is_interrupted() {
                return Err(Failure::failed(format!("interrupted before {what}")));
            }
            let ended = matches!(self.supervisor.child.try_wait(), Ok(Some(_)));
            if ended || now() >= deadline {
                return Err(self.in_vain(what, ended));
            }
            pause(LOOK_EVERY);
        }
    }

    /// Mostly the handler's doing, which status knows best.
    fn in_vain(&mut self, what: &str, ended: bool) -> Failure {
        let last = find::status(&self.supervisor.socket)
            .ok()
            .and_then(|status| status.partitions.into_iter().find_map(|partition| partition.last_exit));
        if let Some(last) = last {
            return Failure::failed(format!("waited in vain until {what}: {last}"));
        }
        let log = fs::read_to_string(&self.supervisor.log).unwrap_or_default();
        let code = self.supervisor.child.try_wait().ok().flatten().and_then(|status| status.code());
        // A busy port, or no address at all.
        for (exit, failure) in
            [(Exit::Configuration, Failure::configuration as fn(_) -> _), (Exit::Usage, Failure::usage)]
        {
            if code == Some(exit as i32) {
                return failure(format!("demo: {}", log.trim_end().trim_start_matches("kafkavisor: ")));
            }
        }
        if ended {
            return Failure::bug(format!(
                "demo: waiting until {what}: the supervisor ended. Its log:\n{log}"
            ));
        }
        let within = WITHIN.as_secs();
        Failure::failed(format!(
            "demo: waited {within} s in vain until {what}: does the handler acknowledge its messages? The log:\n{log}"
        ))
    }

    fn look_until(&mut self, end: Instant) -> Result<(), Failure> {
        while now() < end && !self.is_interrupted() {
            let status = find::status(&self.supervisor.socket)?;
            self.screen.redraw(&status)?;
            pause(LOOK_EVERY);
        }
        Ok(())
    }

    fn stop(&mut self) -> Result<(), Failure> {
        let pid = i32::try_from(self.supervisor.child.id()).unwrap_or(0);
        kill(Pid::from_raw(pid), Signal::SIGTERM).map_err(|error| Failure::bug(format!("demo: {error}")))?;
        let status = self.supervisor.child.wait().map_err(|error| Failure::bug(format!("demo: {error}")))?;
        self.screen.say(&format!("stopped: drained, committed, {status}"))
    }

    fn summary(&self, status: &Status, produced: u64, recovery: Option<Duration>) -> Result<Exit, Failure> {
        let acknowledged: u64 = status.partitions.iter().map(|p| p.messages_total).sum();
        let restarts: u64 = status.partitions.iter().map(|p| p.restarts_total).sum();
        let dead: u64 = status.partitions.iter().map(|p| p.dead_lettered_total).sum();
        let count = |number: u64| grouped(i64::try_from(number).unwrap_or(i64::MAX));
        let recovery =
            recovery.map_or_else(String::new, |took| format!(", back after {:.2} s", took.as_secs_f64()));
        super::print(&format!(
            "\n{}\n  produced      {}\n  acknowledged  {}\n  lag           0\n  dead letters  {dead}\n  restarts      {restarts}{recovery}\n\n\
             Next: kafkavisor run -b BROKERS -z ZOOKEEPER -g GROUP -t TOPIC --http 127.0.0.1:9464 -- ./your-handler\n\
             \x20     kafkavisor status --watch; kafkavisor events --follow\n",
            self.screen.style.bold("Summary"),
            count(produced),
            count(acknowledged),
        ))?;
        if acknowledged < produced {
            return Err(Failure::bug(format!("demo: {} messages were lost", produced - acknowledged)));
        }
        Ok(Exit::Clean)
    }
}

fn all(status: &Status, condition: impl Fn(&Partition) -> bool) -> bool {
    status.partitions.len() == PARTITIONS.unsigned_abs() as usize && status.partitions.iter().all(condition)
}

fn pause(time: Duration) {
    let _a_moment = poll(&mut [], PollTimeout::try_from(time).unwrap_or(PollTimeout::ZERO));
}
