//! `run` performs a schedule and judges; `plan` shows that schedule; `check` judges a history again. `script/chaos` builds
//! it and brings the servers up.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use kafkavisor_chaos::checker::check;
use kafkavisor_chaos::history::read;
use kafkavisor_chaos::run::{Options, run};
use kafkavisor_chaos::schedule::Schedule;
use nix::sys::signal::Signal;

const USAGE: &str =
    "usage: kafkavisor-chaos run SEED SECONDS FOLDER [--secure] | plan SEED SECONDS | check HISTORY";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["check", history] => judge(Path::new(history)),
        ["run", seed, seconds, folder, secure @ ..] if matches!(secure, [] | ["--secure"]) => {
            let (Ok(seed), Ok(seconds)) = (seed.parse(), seconds.parse()) else { return usage() };
            start(seed, Duration::from_secs(seconds), PathBuf::from(folder), !secure.is_empty())
        }
        ["plan", seed, seconds] => {
            let (Ok(seed), Ok(seconds)) = (seed.parse(), seconds.parse()) else { return usage() };
            print!("{}", Schedule::new(seed, Duration::from_secs(seconds)));
            ExitCode::SUCCESS
        }
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::from(64)
}

fn start(seed: u64, length: Duration, folder: PathBuf, secure: bool) -> ExitCode {
    let interrupted = Arc::<AtomicBool>::default();
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        signal_hook::flag::register(signal as i32, Arc::clone(&interrupted)).expect("signals can be heard");
    }
    match run(&Options { seed, length, secure, folder, interrupted }) {
        Some(history) => judge(&history),
        None => ExitCode::from(130),
    }
}

fn judge(history: &Path) -> ExitCode {
    let read = read(history);
    let verdict = check(&read.entries);
    println!(
        "history                 {} events, {} torn by the end of who wrote them",
        read.entries.len(),
        read.torn
    );
    print!("{verdict}");
    if verdict.violations.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!("the history: {}", history.display());
    ExitCode::FAILURE
}
