//! `kafkavisor-deploy PROGRAMS FOLDER` rolls a group from the programs in PROGRAMS to those beside this one and back, and judges.
//! `script/upgrade` builds both and brings the servers up.

use std::panic;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use kafkavisor_chaos::checker::{Violation, check_deploy};
use kafkavisor_chaos::history::read;
use kafkavisor_chaos::run::{Deployed, Options, deploy};
use nix::sys::signal::Signal;

fn main() -> ExitCode {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [before, folder] = arguments.as_slice() else {
        eprintln!("usage: kafkavisor-deploy PROGRAMS FOLDER");
        return ExitCode::from(64);
    };
    let interrupted = Arc::<AtomicBool>::default();
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        signal_hook::flag::register(signal as i32, Arc::clone(&interrupted)).expect("signals can be heard");
    }
    let options =
        Options { seed: 0, length: Duration::ZERO, secure: false, folder: folder.clone(), interrupted };
    // What is waited for in vain is a panic; supervisors end with it.
    panic::set_hook(Box::new(|panic| {
        println!("it did not come to an end: {panic}");
    }));
    match panic::catch_unwind(|| deploy(&options, before)) {
        Ok(Some(deployed)) => judge(&deployed),
        Ok(None) => ExitCode::from(130),
        Err(_) => ExitCode::FAILURE,
    }
}

fn judge(Deployed { history, complaints }: &Deployed) -> ExitCode {
    let read = read(history);
    let mut verdict = check_deploy(&read.entries);
    let complaint = |what: &String| Violation { invariant: "deploy", at: 0, what: what.clone() };
    verdict.violations.extend(complaints.iter().map(complaint));
    print!("{verdict}");
    if verdict.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
