//! Processes of an instance, found by what they carry in their environment, whoever their parent is.

use std::fs;
use std::net::{Shutdown, TcpStream};
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rustix::process::{PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

/// The variable that every process of an instance inherits; its value is the instance's folder.
pub const MARK: &str = "E2E_INSTANCE";

/// The living processes that carry the mark of `folder`, zombies not among them.
pub fn marked_with(folder: &Path) -> Vec<i32> {
    let mark = format!("{MARK}={}", folder.display()).into_bytes();
    let carries = |pid: &i32| {
        fs::read(format!("/proc/{pid}/environ"))
            .is_ok_and(|environment| environment.split(|byte| *byte == 0).any(|variable| variable == mark))
    };
    all().into_iter().filter(carries).collect()
}

fn all() -> Vec<i32> {
    let entries = fs::read_dir("/proc").expect("/proc is there");
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
}

/// Whether the process is there and no zombie.
pub fn is_alive(pid: i32) -> bool {
    stat(pid).is_some_and(|fields| fields[0] != "Z")
}

/// Whether it is stopped, by SIGSTOP or the like.
pub fn is_stopped(pid: i32) -> bool {
    stat(pid).is_some_and(|fields| fields[0] == "T")
}

/// Whether a signal has come to it that it does not take yet.
pub fn awaits(pid: i32, signal: Signal) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let pending = status.lines().find_map(|line| line.strip_prefix("ShdPnd:"));
    let mask = pending.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok()).unwrap_or(0);
    mask & (1 << (signal as i32 - 1)) != 0
}

/// Processor time that a process has used, in clock ticks (a hundredth of a second).
pub fn ticks(pid: i32) -> u64 {
    let fields = stat(pid).expect("the process is there");
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// The children of a process, zombies included, and whether each is one.
pub fn children(pid: i32) -> Vec<(i32, bool)> {
    let parent = pid.to_string();
    let child = |pid: i32| {
        let fields = stat(pid)?;
        (fields[1] == parent).then(|| (pid, fields[0] == "Z"))
    };
    all().into_iter().filter_map(child).collect()
}

/// The guardian of a supervisor: its child, and the parent of its workers.
pub fn guardian(supervisor: i32) -> Option<i32> {
    named(supervisor, "kafkavisor-guardian").next()
}

/// The workers of a supervisor.
pub fn workers(supervisor: i32) -> Vec<i32> {
    guardian(supervisor).into_iter().flat_map(|guardian| named(guardian, "kafkavisor-worker: ")).collect()
}

fn named(parent: i32, name: &str) -> impl Iterator<Item = i32> {
    let is_named = move |pid: &i32| {
        fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|c| c.starts_with(name.as_bytes()))
    };
    children(parent).into_iter().map(|(pid, _)| pid).filter(is_named)
}

/// How many descriptors a process has open.
pub fn descriptors(pid: i32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).expect("the process is there").count()
}

/// The fields of `/proc/PID/stat` behind the name: state, parent, ...
fn stat(pid: i32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let behind_name = text.rsplit_once(')')?.1;
    Some(behind_name.split_whitespace().map(str::to_owned).collect())
}

/// Sends a signal to a process of this test's own.
pub fn signal(pid: i32, signal: Signal) {
    kill(Pid::from_raw(pid), signal).unwrap_or_else(|error| panic!("can't send {signal} to {pid}: {error}"));
}

/// Sends a signal to a process that may be gone meanwhile; says whether it was there.
pub fn try_signal(pid: i32, signal: Signal) -> bool {
    kill(Pid::from_raw(pid), signal).is_ok()
}

/// Cuts the TCP connections that a process has to this server, `HOST:PORT`, as a network would, and says how many they were: its own
/// sockets are shut down, through another descriptor of each.
pub fn cut_connections(pid: i32, server: &str) -> usize {
    let process = pidfd_open(rustix::process::Pid::from_raw(pid).unwrap(), PidfdFlags::empty());
    let process = process.expect("the process is there");
    let is_to_server = |connection: &TcpStream| {
        connection
            .peer_addr()
            .is_ok_and(|address| address.port().to_string() == server.rsplit(':').next().unwrap())
    };
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).expect("its descriptors");
    let sockets = descriptors.filter_map(|entry| {
        let entry = entry.ok()?;
        let is_socket = fs::read_link(entry.path()).ok()?.to_str()?.starts_with("socket:");
        let number = entry.file_name().to_str()?.parse().ok()?;
        is_socket.then(|| pidfd_getfd(&process, number, PidfdGetfdFlags::empty()).ok())?
    });
    let connections = sockets.map(TcpStream::from).filter(is_to_server);
    connections.filter(|connection| connection.shutdown(Shutdown::Both).is_ok()).count()
}
