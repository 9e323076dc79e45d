//! `kafkavisor demo`: a mock Kafka inside this process, a real supervisor beside it, a handler, and one worker killed on the way.

mod load;
mod supervisor;

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kafkavisor::clock::now;
use kafkavisor::handler;
use kafkavisor::text::named;
use kafkavisor_link::control::Request;
use nix::poll::{PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rdkafka::mocking::MockCluster;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use self::load::Load;
use self::supervisor::Supervisor;
use super::find;
use super::table::{Style, grouped, room, table};
use crate::cli::DemoArgs;
use crate::exit::{Exit, Failure};
use crate::observe::status::{Partition, Status};

const TOPIC: &str = "orders";
const PARTITIONS: i32 = 3;
/// Messages a second.
const RATE: u64 = 300;
/// Longest that starting, recovering or finishing may take.
const WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How often a terminal's table is drawn.
const DRAW_EVERY: Duration = Duration::from_millis(500);

/// The handler of the demo, when none is given.
pub(super) fn sample_handler() -> Result<Exit, Failure> {
    handler::run(|_message| Ok(())).map_err(|error| Failure::bug(error.to_string()))?;
    Ok(Exit::Clean)
}

/// The folder of this demo, gone with it.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _gone_or_not = fs::remove_dir_all(&self.0);
    }
}

struct Demo {
    style: Style,
    live: bool,
    interrupted: Arc<AtomicBool>,
    supervisor: Supervisor,
    drawn_at: Instant,
    drawn_lines: usize,
}

pub(super) fn run(args: &DemoArgs) -> Result<Exit, Failure> {
    let bug = |what: &str, error: &dyn std::fmt::Display| Failure::bug(format!("demo: {what}: {error}"));
    if !args.handler.is_empty() {
        crate::checks::resolved(&args.handler).map_err(Failure::configuration)?;
    }
    let cluster = MockCluster::new(1).map_err(|error| bug("the mock Kafka can't be started", &error))?;
    cluster.create_topic(TOPIC, PARTITIONS, 1).map_err(|error| bug("the topic can't be made", &error))?;
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&interrupted))
            .map_err(|error| bug("signals", &error))?;
    }
    let folder = Folder(std::env::temp_dir().join(format!("kafkavisor-demo-{}", std::process::id())));
    DirBuilder::new()
        .mode(0o700)
        .create(&folder.0)
        .map_err(|error| bug("its folder can't be made", &error))?;
    let style = Style::of_stdout();
    let live = std::io::IsTerminal::is_terminal(&std::io::stdout());
    super::print(&format!(
        "{}\nA mock Kafka with topic {TOPIC} ({PARTITIONS} partitions, {RATE} messages a second), one worker and one handler for each.\n\n",
        style.bold("kafkavisor demo")
    ))?;
    let supervisor = Supervisor::start(&cluster.bootstrap_servers(), &folder.0, args)?;
    let demo = Demo { style, live, interrupted, supervisor, drawn_at: now(), drawn_lines: 0 };
    let producer = Load::start(&cluster.bootstrap_servers())?;
    demo.play(Duration::from_secs(args.seconds), args.http.is_some(), producer)
}

impl Demo {
    fn play(mut self, length: Duration, goes_on: bool, load: Load) -> Result<Exit, Failure> {
        let began = now();
        self.until("all partitions are ready", |status| {
            all(status, |p| p.state == "ready" && p.messages_total > 0)
        })?;
        self.say(&format!(
            "{PARTITIONS} workers ready after {:.1} s",
            now().saturating_duration_since(began).as_secs_f64()
        ))?;
        let recovery = if goes_on {
            self.tell_where()?;
            self.go_on(length)?
        } else {
            self.look_until(began + length / 2)?;
            let recovery = if self.is_interrupted() { None } else { Some(self.kill_one(1)?) };
            self.look_until(began + length)?;
            recovery
        };
        // From here on a signal cuts it short.
        self.interrupted.store(false, Ordering::Release);
        let produced = load.finish();
        // What somebody who tries things has paused.
        let _nothing_was_paused =
            find::asked(&self.supervisor.socket, &Request::Resume { partitions: vec![] });
        let done = self.until("everything is acknowledged and committed", |status| {
            let acknowledged: u64 = status.partitions.iter().map(|p| p.messages_total).sum();
            acknowledged >= produced && all(status, |p| p.lag == Some(0))
        })?;
        self.draw(&done, true)?;
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
        self.say(&format!("the page is at {address}"))?;
        self.say(&format!("or: kafkavisor status --watch --socket {socket}"))?;
        self.say("it goes on until Ctrl-C")
    }

    /// Until it is stopped: a worker after the other is killed. Gives how long the last took to come back.
    fn go_on(&mut self, every: Duration) -> Result<Option<Duration>, Failure> {
        let mut recovery = None;
        for number in (0..PARTITIONS).cycle() {
            self.look_until(now() + every)?;
            if self.is_interrupted() {
                break;
            }
            let status = find::status(&self.supervisor.socket)?;
            if victim(&status, number).is_none() {
                continue;
            }
            match self.kill_one(number) {
                Err(_) if self.is_interrupted() => break,
                took => recovery = Some(took?),
            }
        }
        Ok(recovery)
    }

    fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Acquire)
    }

    fn say(&mut self, what: &str) -> Result<(), Failure> {
        self.drawn_lines = 0;
        super::print(&format!("{} {what}\n", self.style.bold("→")))
    }

    fn draw(&mut self, status: &Status, always: bool) -> Result<(), Failure> {
        let time = now();
        if !always && (!self.live || time.saturating_duration_since(self.drawn_at) < DRAW_EVERY) {
            return Ok(());
        }
        self.drawn_at = time;
        let text = table(status, self.style, room());
        let back = if self.live && self.drawn_lines > 0 {
            format!("\x1b[{}A\x1b[J", self.drawn_lines)
        } else {
            String::new()
        };
        self.drawn_lines = text.lines().count();
        super::print(&format!("{back}{text}"))
    }

    /// Looks until `condition` holds.
    fn until(&mut self, what: &str, condition: impl Fn(&Status) -> bool) -> Result<Status, Failure> {
        let deadline = now() + WITHIN;
        loop {
            if let Ok(status) = find::status(&self.supervisor.socket) {
                if condition(&status) {
                    return Ok(status);
                }
                self.draw(&status, false)?;
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
        if self.supervisor.child.try_wait().is_ok_and(|status| {
            status.is_some_and(|status| status.code() == Some(Exit::Configuration as i32))
        }) {
            // A busy port, for one.
            let said = log.trim_end().trim_start_matches("kafkavisor: ");
            return Failure::configuration(format!("demo: {said}"));
        }
        let why = if ended { "the supervisor ended" } else { "it took too long" };
        Failure::bug(format!("demo: waiting until {what}: {why}. Its log:\n{log}"))
    }

    fn look_until(&mut self, end: Instant) -> Result<(), Failure> {
        if !self.live {
            let status = find::status(&self.supervisor.socket)?;
            self.draw(&status, true)?;
        }
        while now() < end && !self.is_interrupted() {
            let status = find::status(&self.supervisor.socket)?;
            self.draw(&status, false)?;
            pause(LOOK_EVERY);
        }
        Ok(())
    }

    /// Kills the worker of partition `number` and waits for its successor's first acknowledgement.
    fn kill_one(&mut self, number: i32) -> Result<Duration, Failure> {
        let status = self.until("a worker runs", |status| victim(status, number).is_some())?;
        let Some((partition, pid)) = victim(&status, number) else { return Ok(Duration::ZERO) };
        let name = format!("{}:{}", partition.topic, partition.partition);
        self.say(&format!("killing the worker of {name} (pid {pid}) with SIGKILL"))?;
        let killed = now();
        kill(Pid::from_raw(pid), Signal::SIGKILL)
            .map_err(|error| Failure::bug(format!("demo: the worker can't be killed: {error}")))?;
        let before_messages = partition.messages_total;
        let status = self.until("the worker is back", |status| {
            status.partitions.iter().any(|p| {
                p.partition == number
                    && p.worker_pid.is_some_and(|new| new != pid)
                    && p.messages_total > before_messages
            })
        })?;
        let took = now().saturating_duration_since(killed);
        let new =
            status.partitions.iter().find(|p| p.partition == number).and_then(|p| p.worker_pid).unwrap_or(0);
        self.say(&format!(
            "{name} has a new worker (pid {new}) and handles messages again after {:.2} s; the others never noticed",
            took.as_secs_f64()
        ))?;
        Ok(took)
    }

    fn stop(&mut self) -> Result<(), Failure> {
        let pid = i32::try_from(self.supervisor.child.id()).unwrap_or(0);
        kill(Pid::from_raw(pid), Signal::SIGTERM).map_err(|error| Failure::bug(format!("demo: {error}")))?;
        let status = self.supervisor.child.wait().map_err(|error| Failure::bug(format!("demo: {error}")))?;
        self.say(&format!("stopped: drained, committed, {status}"))
    }

    fn summary(&self, status: &Status, produced: u64, recovery: Option<Duration>) -> Result<Exit, Failure> {
        let acknowledged: u64 = status.partitions.iter().map(|p| p.messages_total).sum();
        let restarts: u64 = status.partitions.iter().map(|p| p.restarts_total).sum();
        let count = |number: u64| grouped(i64::try_from(number).unwrap_or(i64::MAX));
        let recovery =
            recovery.map_or_else(String::new, |took| format!(", back after {:.2} s", took.as_secs_f64()));
        super::print(&format!(
            "\n{}\n  produced      {}\n  acknowledged  {}\n  lag           0\n  restarts      {restarts}{recovery}\n\n\
             Next: kafkavisor run -b BROKERS -z ZOOKEEPER -g GROUP -t TOPIC --http 127.0.0.1:9464 -- ./your-handler\n\
             \x20     kafkavisor status --watch; kafkavisor events --follow\n",
            self.style.bold("Summary"),
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

/// What nobody has paused, for one.
fn victim(status: &Status, number: i32) -> Option<(&Partition, i32)> {
    let one = status.partitions.iter().find(|p| p.partition == number && p.state == "ready")?;
    Some((one, one.worker_pid?))
}

fn pause(time: Duration) {
    let _a_moment = poll(&mut [], PollTimeout::try_from(time).unwrap_or(PollTimeout::ZERO));
}
