//! `kafkavisor demo`: a mock Kafka inside this process, a real supervisor beside it, a handler, and one worker killed on the way.

use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use kafkavisor::clock::now;
use kafkavisor::handler;
use nix::poll::{PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rdkafka::ClientConfig;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use signal_hook::consts::{SIGINT, SIGTERM};

use super::find;
use super::table::{Style, grouped, room, table};
use crate::cli::DemoArgs;
use crate::exit::{Exit, Failure};
use crate::observe::status::{Partition, Status};
use crate::shell::runtime_directory::socket_in;

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

/// The supervisor, ended with the demo.
struct Supervisor {
    child: Child,
    socket: PathBuf,
    log: PathBuf,
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        if let (Ok(None), Ok(pid)) = (self.child.try_wait(), i32::try_from(self.child.id())) {
            let _gone = kill(Pid::from_raw(pid), Signal::SIGTERM);
            let _gone = self.child.wait();
        }
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
    for signal in [SIGINT, SIGTERM] {
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
    let supervisor = start(&cluster.bootstrap_servers(), &folder.0, &args.handler)?;
    let demo = Demo { style, live, interrupted, supervisor, drawn_at: now(), drawn_lines: 0 };
    let producer = Load::start(&cluster.bootstrap_servers())?;
    demo.play(Duration::from_secs(args.seconds), producer)
}

fn start(brokers: &str, folder: &Path, handler: &[String]) -> Result<Supervisor, Failure> {
    let bug = |error: std::io::Error| Failure::bug(format!("demo: the supervisor can't be started: {error}"));
    let ours = std::env::current_exe().map_err(bug)?;
    let log = folder.join("log");
    let mut command = Command::new(&ours);
    command.args(["run", "--name", "demo", "-g", "demo", "-b", brokers, "--from", "earliest"]);
    command.arg("--partitions").arg(format!("{TOPIC}:0-{}", PARTITIONS - 1)).arg("--");
    if handler.is_empty() {
        command.arg(&ours).arg("sample-handler");
    } else {
        command.args(handler);
    }
    command.env("RUNTIME_DIRECTORY", folder).env_remove("NOTIFY_SOCKET");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log).map_err(bug)?);
    let child = command.spawn().map_err(bug)?;
    Ok(Supervisor { child, socket: socket_in(folder), log })
}

/// Produces in the background until stopped.
struct Load {
    stop: Arc<AtomicBool>,
    produced: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl Load {
    fn start(brokers: &str) -> Result<Self, Failure> {
        let bug = |error: &dyn std::fmt::Display| {
            Failure::bug(format!("demo: the producer can't be started: {error}"))
        };
        let producer: BaseProducer =
            ClientConfig::new().set("bootstrap.servers", brokers).create().map_err(|error| bug(&error))?;
        let stop = Arc::new(AtomicBool::new(false));
        let produced = Arc::new(AtomicU64::new(0));
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&produced));
        let work = move || produce(&producer, &stopped, &counted);
        let thread =
            thread::Builder::new().name("load".to_owned()).spawn(work).map_err(|error| bug(&error))?;
        Ok(Self { stop, produced, thread })
    }

    fn finish(self) -> u64 {
        self.stop.store(true, Ordering::Release);
        let _panicked = self.thread.join();
        self.produced.load(Ordering::Acquire)
    }
}

fn produce(producer: &BaseProducer, stop: &AtomicBool, produced: &AtomicU64) {
    let began = now();
    let mut count = 0u64;
    while !stop.load(Ordering::Acquire) {
        let due =
            u64::try_from(now().saturating_duration_since(began).as_millis()).unwrap_or(0) * RATE / 1000;
        while count < due {
            let (key, payload) =
                (format!("order-{count}"), format!("{{\"order\":{count},\"amount\":{}}}", count * 7 % 100));
            let partition = i32::try_from(count % u64::from(PARTITIONS.unsigned_abs())).unwrap_or(0);
            let record = BaseRecord::to(TOPIC).partition(partition).key(&key).payload(&payload);
            if producer.send(record).is_err() {
                break;
            }
            count += 1;
        }
        producer.poll(Duration::from_millis(10));
    }
    let _late_messages_are_not_counted = producer.flush(WITHIN);
    produced.store(count, Ordering::Release);
}

impl Demo {
    fn play(mut self, length: Duration, load: Load) -> Result<Exit, Failure> {
        let began = now();
        self.until("all partitions are ready", |status| {
            all(status, |p| p.state == "ready" && p.messages_total > 0)
        })?;
        self.say(&format!(
            "{PARTITIONS} workers ready after {:.1} s",
            now().saturating_duration_since(began).as_secs_f64()
        ))?;
        self.look_until(began + length / 2)?;
        let recovery = if self.is_interrupted() { None } else { Some(self.kill_one()?) };
        self.look_until(began + length)?;
        let produced = load.finish();
        let done = self.until("everything is acknowledged and committed", |status| {
            let acknowledged: u64 = status.partitions.iter().map(|p| p.messages_total).sum();
            acknowledged >= produced && all(status, |p| p.lag == Some(0))
        })?;
        self.draw(&done, true)?;
        self.stop()?;
        self.summary(&done, produced, recovery)
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
    fn in_vain(&self, what: &str, ended: bool) -> Failure {
        let last = find::status(&self.supervisor.socket)
            .ok()
            .and_then(|status| status.partitions.into_iter().find_map(|partition| partition.last_exit));
        if let Some(last) = last {
            return Failure::failed(format!("waited in vain until {what}: {last}"));
        }
        let log = fs::read_to_string(&self.supervisor.log).unwrap_or_default();
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

    /// Kills a worker and waits for its successor's first acknowledgement.
    fn kill_one(&mut self) -> Result<Duration, Failure> {
        let status = self.until("a worker runs", |status| victim(status).is_some())?;
        let Some((partition, pid)) = victim(&status) else { return Ok(Duration::ZERO) };
        let (name, number) = (format!("{}:{}", partition.topic, partition.partition), partition.partition);
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
             Next: kafkavisor run -b BROKERS -z ZOOKEEPER -g GROUP -t TOPIC -- ./your-handler\n",
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

fn victim(status: &Status) -> Option<(&Partition, i32)> {
    let second = status.partitions.iter().find(|p| p.partition == 1)?;
    Some((second, second.worker_pid?))
}

fn pause(time: Duration) {
    let _a_moment = poll(&mut [], PollTimeout::try_from(time).unwrap_or(PollTimeout::ZERO));
}
