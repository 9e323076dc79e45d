//! Descent decides who ends with an instance: everything below a worker, whatever it did to hide; nobody else, however close.

use std::time::Duration;

use kafkavisor_tests::handlers;
use kafkavisor_tests::instance::{Builder, Instance};
use kafkavisor_tests::message::numbered;
use kafkavisor_tests::processes;
use kafkavisor_tests::topic::Topic;
use kafkavisor_tests::waiting::{until, until_within};
use nix::sys::signal::Signal;
use nix::unistd::geteuid;

/// One second is promised; a busy machine gets more.
const SOON: Duration = Duration::from_secs(5);

/// The pid that a process has written into a file of its instance's folder.
fn written(instance: &Instance, file: &str) -> i32 {
    until(&format!("{file} is written"), || {
        std::fs::read_to_string(instance.folder().join(file)).ok()?.trim().parse().ok()
    })
}

fn wait_gone(what: &str, pid: i32) {
    until_within(SOON, &format!("{what} is gone"), || (!processes::is_alive(pid)).then_some(()));
}

/// A partition's only worker is killed; waits for the next one.
fn kill_worker(instance: &Instance) {
    let before = instance.wait_ready(1).partition(0).worker_pid.unwrap();
    processes::signal(before, Signal::SIGKILL);
    instance.wait_for("it has a successor", |status| {
        status.is_ready(1) && status.partition(0).worker_pid != Some(before)
    });
}

/// Strangers of all kinds: children of the shell that became the supervisor, what these leave, and a reader of its log.
struct Strangers(Vec<i32>);

impl Strangers {
    const SHELL: &str = "exec bash -c '
        unset E2E_INSTANCE
        setsid sleep 1000 & echo $! >child
        (setsid sleep 1000 & echo $! >orphan; until [ -e orphaned ]; do sleep 0.1; done) &
        export E2E_INSTANCE=$0
        exec \"$@\" 2> >(unset E2E_INSTANCE; echo $BASHPID >reader; exec tee -a log >/dev/null 2>&1)
    ' \"$E2E_INSTANCE\" \"$@\"";

    fn of(instance: &Instance) -> Self {
        std::fs::write(instance.folder().join("orphaned"), "").unwrap();
        let pids: Vec<_> = ["child", "orphan", "reader"].iter().map(|file| written(instance, file)).collect();
        for pid in &pids {
            let ours = || processes::children(instance.pid()).iter().any(|(child, _)| child == pid);
            until("it is the supervisor's child", || ours().then_some(()));
        }
        Self(pids)
    }

    #[track_caller]
    fn assert_untouched(&self) {
        let dead: Vec<_> = self.0.iter().filter(|pid| !processes::is_alive(**pid)).collect();
        assert!(dead.is_empty(), "killed: {dead:?} of {:?} (child, orphan, reader)", self.0);
    }
}

impl Drop for Strangers {
    fn drop(&mut self) {
        for pid in &self.0 {
            // The reader has ended with what it read.
            let _gone = processes::try_signal(*pid, Signal::SIGKILL);
        }
    }
}

#[test]
fn a_workers_end_touches_no_stranger() {
    let topic = Topic::new(1);
    let instance = Builder::of(&topic).handler([handlers::shell()]).under(Strangers::SHELL).start();
    instance.wait_ready(1);
    let strangers = Strangers::of(&instance);
    kill_worker(&instance);
    topic.produce(&numbered(1, 5));
    instance.wait_consumed(&topic, 1);
    strangers.assert_untouched();
    instance.wait_for_log("worker was killed by SIGKILL");
    instance.stop();
}

#[test]
fn a_guardians_end_touches_no_stranger() {
    let topic = Topic::new(1);
    let instance = Builder::of(&topic).handler([handlers::shell()]).under(Strangers::SHELL).start();
    let before = instance.wait_ready(1);
    let strangers = Strangers::of(&instance);
    // Strangers are known a moment after they come.
    kill_worker(&instance);
    kill_worker(&instance);
    processes::signal(processes::guardian(instance.pid()).expect("the guardian"), Signal::SIGKILL);
    instance.wait_for("another worker", |status| {
        status.is_ready(1) && status.partition(0).restarts_total == before.partition(0).restarts_total + 3
    });
    strangers.assert_untouched();
    instance.stop();
}

/// A handler that hides a process: in a session of its own, without a descriptor, without an environment.
fn hiding() -> String {
    let hide = "env -i PATH=\"$PATH\" setsid sh -c 'echo $$ >>hidden; exec sleep 120 <&- >&- 2>&-' & ";
    format!("{hide} exec {}", handlers::shell())
}

fn hidden(instance: &Instance, number: usize) -> i32 {
    until(&format!("hidden process {number} runs"), || {
        let text = std::fs::read_to_string(instance.folder().join("hidden")).ok()?;
        text.lines().nth(number)?.parse().ok()
    })
}

#[test]
fn what_has_no_environment_ends_with_its_worker_and_with_the_supervisor() {
    let topic = Topic::new(1);
    let instance = Builder::of(&topic).shell(&hiding()).start();
    let status = instance.wait_ready(1);
    let first = hidden(&instance, 0);
    processes::signal(status.partition(0).worker_pid.unwrap(), Signal::SIGKILL);
    let second = hidden(&instance, 1);
    assert!(!processes::is_alive(first), "it has met its successor");
    instance.wait_ready(1);
    instance.signal(Signal::SIGKILL);
    wait_gone("the second", second);
    instance.assert_gone();
}

#[test]
fn what_has_no_environment_ends_with_the_guardian() {
    let topic = Topic::new(1);
    let instance = Builder::of(&topic).shell(&hiding()).start();
    instance.wait_ready(1);
    let first = hidden(&instance, 0);
    processes::signal(processes::guardian(instance.pid()).expect("the guardian"), Signal::SIGKILL);
    let second = hidden(&instance, 1);
    assert!(!processes::is_alive(first), "it has met its successor");
    instance.wait_ready(1);
    instance.stop();
    wait_gone("the second", second);
}

/// What sudo does, from below: here the supervisor is root and has no right to kill other users' processes.
#[test]
fn what_may_not_be_killed_is_named_and_delays_a_successor_two_seconds_at_most() {
    if !geteuid().is_root() {
        // Nobody else can make a process another user's without a program of root's.
        return;
    }
    let topic = Topic::new(2);
    let script = format!(
        "if [ $KAFKAVISOR_PARTITION = 0 ]; then
            setpriv --reuid=65534 --regid=65534 --clear-groups setsid sleep 1000 & echo $! >>unkillable
        fi
        exec {}",
        handlers::shell()
    );
    let instance =
        Builder::of(&topic).shell(&script).under("exec setpriv --bounding-set=-kill \"$@\"").start();
    let status = instance.wait_ready(2);
    let unkillable = written(&instance, "unkillable");
    let began = kafkavisor::clock::now();
    for partition in 0..2 {
        processes::signal(status.partition(partition).worker_pid.unwrap(), Signal::SIGKILL);
    }
    let after = instance.wait_for("both have successors", |status| {
        status.is_ready(2) && status.partitions.iter().all(|partition| partition.restarts_total == 1)
    });
    assert!(began.elapsed() < Duration::from_secs(5), "2 s and a start, it took {:?}", began.elapsed());
    assert!(processes::is_alive(unkillable), "or this test proves nothing");
    let named = format!("sleep (pid {unkillable}, user 65534)");
    instance.wait_for_log(&named);
    assert!(after.partition(0).left_behind.contains(&named), "{after:#?}");
    let table = String::from_utf8(instance.ask("status", &[]).stdout).unwrap();
    assert!(table.contains(&named), "{table}");

    // It had its time: nobody waits for it again.
    let began = kafkavisor::clock::now();
    processes::signal(after.partition(1).worker_pid.unwrap(), Signal::SIGKILL);
    instance.wait_for("the other has a successor again", |status| status.partition(1).restarts_total == 2);
    instance.wait_ready(2);
    assert!(began.elapsed() < Duration::from_secs(2), "it took {:?}", began.elapsed());

    processes::signal(unkillable, Signal::SIGKILL);
    instance.wait_for("it is named no more", |status| !status.partition(0).left_behind.contains(&named));
    instance.signal(Signal::SIGTERM);
    assert_eq!(instance.wait_exit(Duration::from_secs(20)), 0);
    let text = std::fs::read_to_string(instance.folder().join("unkillable")).unwrap();
    for pid in text.lines().skip(1) {
        processes::signal(pid.parse().unwrap(), Signal::SIGKILL);
    }
}
