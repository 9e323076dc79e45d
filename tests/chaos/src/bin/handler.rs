//! The chaos suite's handler (`jsonl`): says each thing in the history before it does it, and misbehaves at random.
//!
//! `kafkavisor-chaos-handler HISTORY SEED CALM`: it behaves while the file CALM is there.
//! `kafkavisor-chaos-handler HISTORY child HANDLER`: what it forks: detached, deaf for TERM, and never done.

use std::fs::File;
use std::io::{BufRead as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use kafkavisor::clock::Boottime;
use kafkavisor_chaos::history::{Doing, Event, Handler, Writer};
use kafkavisor_tests::waiting::work_for;
use nix::sys::signal::{Signal, raise};
use serde_json::Value;

/// One message in so many makes it misbehave.
const MISBEHAVES_ONCE_IN: u32 = 500;
/// Between two signs of life, whatever else a process does.
const SIGN_OF_LIFE: Duration = Duration::from_millis(100);
/// Longest life of a process that is never done: nothing stays for ever, even if all that is tested here fails.
const AT_MOST: Duration = Duration::from_secs(60);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [history, second, third] = arguments.as_slice() else { panic!("three arguments") };
    let writer = Writer::open(Path::new(history));
    if second == "child" {
        let who = serde_json::from_str(third).expect("a handler as JSON");
        let _ = nix::unistd::setsid();
        never_end(&Voice { writer, who });
        return;
    }
    let seed: u64 = second.parse().expect("a seed");
    let who = from_environment();
    let random = fastrand::Rng::with_seed(seed ^ who.life);
    let voice = Arc::new(Voice { writer, who });
    voice.say(Doing::Started);
    let beside = Arc::clone(&voice);
    std::thread::spawn(move || {
        loop {
            work_for(SIGN_OF_LIFE);
            beside.say(Doing::Working);
        }
    });
    let mut serving = Serving {
        batch: 0,
        history: PathBuf::from(history),
        calm: PathBuf::from(third),
        voice,
        random,
        pending: None,
        held: 0,
        mute: false,
    };
    serving.batch = serving.random.usize(1..=8);
    serving.serve();
}

fn from_environment() -> Handler {
    let variable =
        |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is in the environment"));
    Handler {
        instance: variable("CHAOS_INSTANCE"),
        // JSON numbers are exact up to 2^53.
        life: (Boottime::now().0 ^ (u64::from(std::process::id()) << 32)) & ((1 << 53) - 1),
        partition: variable("KAFKAVISOR_PARTITION").parse().expect("a partition"),
        token: variable("KAFKAVISOR_FENCING_TOKEN").parse().expect("a fencing token"),
    }
}

struct Voice {
    writer: Writer,
    who: Handler,
}

impl Voice {
    fn say(&self, does: Doing) {
        self.writer.write(Event::Handler { who: self.who.clone(), does });
    }
}

/// Ignores what can be ignored.
fn be_deaf() {
    for signal in [Signal::SIGTERM, Signal::SIGABRT, Signal::SIGINT, Signal::SIGHUP] {
        signal_hook::flag::register(signal as i32, Arc::<AtomicBool>::default())
            .expect("signals can be ignored");
    }
}

/// Deaf and alive.
fn never_end(voice: &Voice) {
    be_deaf();
    let end = Boottime::now().after(AT_MOST);
    while Boottime::now() < end {
        voice.say(Doing::Working);
        work_for(SIGN_OF_LIFE);
    }
}

struct Serving {
    history: PathBuf,
    calm: PathBuf,
    voice: Arc<Voice>,
    random: fastrand::Rng,
    /// The last message not acknowledged.
    pending: Option<i64>,
    held: usize,
    /// It acknowledges when it holds so many.
    batch: usize,
    /// It has closed its standard output.
    mute: bool,
}

impl Serving {
    fn serve(&mut self) {
        for line in std::io::stdin().lock().lines() {
            // The worker may be killed while it writes.
            let Some(request) = line.ok().and_then(|line| serde_json::from_str::<Value>(&line).ok()) else {
                return;
            };
            match request["type"].as_str().expect("a type") {
                "message" => self.work(&request),
                "flush" => self.acknowledge(),
                "stop" => {
                    let reason = request["reason"].as_str().expect("a reason").to_owned();
                    self.voice.say(Doing::Stopping { reason });
                    self.acknowledge();
                    self.voice.say(Doing::Ended);
                    return;
                }
                _ => {}
            }
        }
    }

    fn work(&mut self, message: &Value) {
        let offset = message["offset"].as_i64().expect("an offset");
        let value = message["value"].as_str().expect("text");
        let number = value.split(' ').next().and_then(|number| number.parse().ok()).expect("a number");
        self.voice.say(Doing::Delivered { offset, number });
        if self.random.u32(..MISBEHAVES_ONCE_IN) == 0 && !self.calm.exists() {
            self.misbehave(offset);
        }
        work_for(Duration::from_micros(self.random.u64(..6_000)));
        self.pending = Some(offset);
        self.held += 1;
        if self.held >= self.batch {
            self.acknowledge();
        }
    }

    fn acknowledge(&mut self) {
        let Some(offset) = self.pending.take() else { return };
        self.held = 0;
        if self.mute {
            return;
        }
        self.voice.say(Doing::Acknowledging { offset });
        answer(format!("{{\"ack\":{offset}}}\n").as_bytes());
    }

    fn misbehave(&mut self, offset: i64) {
        let ways = ["exit", "die", "hang", "close", "fork", "nonsense", "lie", "slow", "noise", "try_later"];
        let how = ways[self.random.usize(..ways.len())];
        self.voice.say(Doing::Misbehaving { how: how.to_owned() });
        match how {
            "exit" => std::process::exit(1),
            "try_later" => std::process::exit(75),
            "die" => raise(Signal::SIGSEGV).expect("it dies"),
            "hang" => {
                be_deaf();
                work_for(AT_MOST);
                std::process::exit(1);
            }
            "close" => {
                let nowhere = File::options().write(true).open("/dev/null").expect("/dev/null opens");
                nix::unistd::dup2_stdout(nowhere).expect("standard output is closed");
                self.mute = true;
            }
            "fork" => self.fork(),
            "nonsense" => answer(b"\xff\xfe\0{\"ack\":\n{\"ack\":1,\"and\":2}\n[]\n\n{\"acks\":3}\n"),
            "lie" => answer(format!("{{\"ack\":{}}}\n", offset + 1_000_000).as_bytes()),
            "slow" => {
                for _ in 0..self.random.u32(2..12) {
                    work_for(Duration::from_millis(250));
                    answer(format!("{{\"busy\":{offset}}}\n").as_bytes());
                }
            }
            "noise" => (0..3_000).for_each(|line| eprintln!("line {line} of a handler that says too much")),
            other => unreachable!("no such way: {other}"),
        }
    }

    /// Leaves a process of its own behind, in a session of its own, with nothing of the worker open.
    #[expect(
        clippy::zombie_processes,
        reason = "a handler that does not look after its children is what is wanted"
    )]
    fn fork(&self) {
        let own = std::env::current_exe().expect("it knows its own path");
        let who = serde_json::to_string(&self.voice.who).expect("a handler is JSON");
        Command::new(own)
            .arg(&self.history)
            .args(["child", &who])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it forks");
    }
}

/// A worker that is gone reads no answers; then the end is near anyway.
fn answer(bytes: &[u8]) {
    let mut out = std::io::stdout().lock();
    if out.write_all(bytes).and_then(|()| out.flush()).is_err() {
        std::process::exit(1);
    }
}
