//! Nobody outlives: whatever is killed or stopped, in whatever order, nothing of the instance is left, not even what a handler
//! started with setsid and without a descriptor; and nobody else's process is touched.

use std::process::{Child, Command};
use std::time::Duration;

use kafkavisor_tests::instance::{Builder, Instance};
use kafkavisor_tests::message::numbered;
use kafkavisor_tests::processes;
use kafkavisor_tests::recorder::Recorder;
use kafkavisor_tests::records::Records;
use kafkavisor_tests::topic::Topic;
use kafkavisor_tests::waiting::{until, until_within};
use nix::sys::signal::Signal;

/// A grandchild in a session of its own, that holds nothing of its parents, no environment either.
const HIDING: &str = "env -i PATH=\"$PATH\" setsid sh -c 'echo $$ >\"hiding-$0\"; \
                      exec sleep 1000 <&- >&- 2>&- 3>&- 4>&- 5>&-' $KAFKAVISOR_PARTITION & ";

/// Somebody else's process, of the same user and with the same name.
struct Bystander(Child);

impl Bystander {
    fn new() -> Self {
        Self(Command::new("setsid").args(["sleep", "1000"]).spawn().unwrap())
    }

    #[track_caller]
    fn assert_untouched(&mut self) {
        assert_eq!(self.0.try_wait().unwrap(), None, "somebody else's process was killed");
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        let _gone_already = self.0.kill();
        let _reaped = self.0.wait();
    }
}

fn hiding(instance: &Instance, partition: i32) -> i32 {
    until("the grandchild runs", || {
        let path = instance.folder().join(format!("hiding-{partition}"));
        std::fs::read_to_string(path).ok()?.trim().parse().ok()
    })
}

/// Starts two partitions, does something to supervisor and workers, and sees that nothing is left.
fn nothing_is_left_after(end: impl FnOnce(&Instance, &[i32])) {
    let (topic, records) = (Topic::new(2), Records::new());
    let mut bystander = Bystander::new();
    let script = format!("{HIDING} exec {}", Recorder::new(&records).shell());
    let instance = Builder::of(&topic).shell(&script).start();
    let status = instance.wait_ready(2);
    let grandchildren = [hiding(&instance, 0), hiding(&instance, 1)];
    assert!(grandchildren.iter().all(|pid| processes::is_alive(*pid)));
    let workers: Vec<_> = status.partitions.iter().map(|p| p.worker_pid.unwrap()).collect();
    end(&instance, &workers);
    instance.assert_gone();
    until_within(Duration::from_secs(5), "its grandchildren are gone", || {
        grandchildren.iter().all(|pid| !processes::is_alive(*pid)).then_some(())
    });
    bystander.assert_untouched();
}

#[test]
fn the_supervisor_is_killed() {
    nothing_is_left_after(|instance, _| instance.signal(Signal::SIGKILL));
}

#[test]
fn the_supervisor_and_its_workers_are_killed_together() {
    nothing_is_left_after(|instance, workers| {
        instance.signal(Signal::SIGSTOP);
        workers.iter().for_each(|pid| processes::signal(*pid, Signal::SIGKILL));
        instance.signal(Signal::SIGKILL);
    });
}

#[test]
fn the_supervisor_is_killed_while_its_workers_are_stopped() {
    nothing_is_left_after(|instance, workers| {
        workers.iter().for_each(|pid| processes::signal(*pid, Signal::SIGSTOP));
        instance.signal(Signal::SIGKILL);
    });
}

#[test]
fn it_stops_in_order() {
    nothing_is_left_after(|instance, _| instance.signal(Signal::SIGTERM));
}

#[test]
fn a_killed_worker_leaves_nothing_behind_before_its_successor_starts() {
    let (topic, records) = (Topic::new(1), Records::new());
    let mut bystander = Bystander::new();
    topic.produce(&numbered(1, 5));
    let check = "[ -e hiding-0 ] && kill -0 \"$(cat hiding-0)\" 2>/dev/null && : >outlived; ";
    let script = format!("{check}{HIDING} exec {}", Recorder::new(&records).shell());
    let instance = Builder::of(&topic).shell(&script).start();
    for restarts in 0..3 {
        let status =
            instance.wait_for("the next worker", |status| status.is_ready(1) && status.is_drained(1));
        let grandchild = hiding(&instance, 0);
        processes::signal(status.partition(0).worker_pid.unwrap(), Signal::SIGKILL);
        instance.wait_for("it is started again", |status| status.partition(0).restarts_total > restarts);
        until("its grandchild is gone", || (!processes::is_alive(grandchild)).then_some(()));
    }
    instance.wait_ready(1);
    assert!(!instance.folder().join("outlived").exists(), "a successor has met its predecessor's grandchild");
    bystander.assert_untouched();
    instance.stop();
}
