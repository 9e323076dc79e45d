//! What a parent leaves its children: an instance is set right at its start whatever it was started under, and its handlers
//! get a clean process.

use std::os::unix::fs::PermissionsExt;

use kafkavisor_tests::handlers;
use kafkavisor_tests::instance::{Builder, Instance};
use kafkavisor_tests::message::numbered;
use kafkavisor_tests::processes;
use kafkavisor_tests::topic::Topic;
use kafkavisor_tests::waiting::until;
use nix::sys::signal::Signal;

/// Everything is blocked, what can be is ignored, standard input is closed, and somebody's descriptors are open.
const BURDENED: &str = "exec env --block-signal \
    --ignore-signal=HUP,INT,QUIT,USR1,USR2,PIPE,ALRM,TERM,CHLD,TSTP,TTIN,TTOU \"$@\" 7</dev/null 9>>inherited <&-";

/// Writes down which descriptors the shell has, and which signals it hands on (it blocks and ignores some for itself).
const LOOK: &str = "ls /proc/$$/fd >fds; grep -E '^Sig(Blk|Ign)' /proc/self/status >signals";

/// Writes down what its own process has before it becomes the handler.
fn curious() -> [String; 3] {
    bash(&format!("{LOOK}; exec {}", handlers::rust()))
}

/// Unlike sh, bash opens nothing of its own for this.
fn bash(script: &str) -> [String; 3] {
    ["bash", "-c", script].map(str::to_owned)
}

fn written(instance: &Instance, file: &str) -> String {
    until(&format!("{file} is written"), || {
        let text = std::fs::read_to_string(instance.folder().join(file)).ok()?;
        text.ends_with('\n').then_some(text)
    })
}

/// Blocked and ignored signals of a process, as sets of bits.
fn signals(status: &str) -> (u64, u64) {
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("the field");
        u64::from_str_radix(line.trim(), 16).expect("a set of bits")
    };
    (field("SigBlk:"), field("SigIgn:"))
}

fn bits(signals: &[Signal]) -> u64 {
    signals.iter().map(|signal| 1 << (*signal as i32 - 1)).sum()
}

fn assert_clean(instance: &Instance, descriptors: &str) {
    assert_eq!(written(instance, "fds"), descriptors, "descriptors of the handler");
    assert_eq!(signals(&written(instance, "signals")), (0, 0), "blocked and ignored in the handler");
}

#[test]
fn a_handler_gets_a_clean_process() {
    for (protocol, descriptors) in [("jsonl", "0\n1\n2\n"), ("binary", "0\n1\n2\n3\n4\n")] {
        let topic = Topic::new(1);
        topic.produce(&numbered(1, 5));
        let instance = Builder::of(&topic).set("handler.protocol", protocol).handler(curious()).start();
        instance.wait_consumed(&topic, 1);
        assert_clean(&instance, descriptors);
        instance.stop();
    }
}

#[test]
fn a_command_of_exec_gets_a_clean_process() {
    let topic = Topic::new(1);
    topic.produce(&numbered(1, 5));
    let script = bash(&format!("{LOOK}; cat >/dev/null"));
    let instance = Builder::of(&topic).set("handler.protocol", "exec").handler(script).start();
    instance.wait_consumed(&topic, 1);
    assert_clean(&instance, "0\n1\n2\n");
    instance.stop();
}

#[test]
fn what_it_was_started_under_does_not_matter() {
    let topic = Topic::new(1);
    topic.produce(&numbered(1, 5));
    let instance = Builder::of(&topic).handler(curious()).under(BURDENED).start();
    let status = instance.wait_consumed(&topic, 1);
    assert_clean(&instance, "0\n1\n2\n");

    let worker = status.partition(0).worker_pid.unwrap();
    let guardian = processes::guardian(instance.pid()).expect("the guardian");
    for pid in [guardian, worker] {
        let open = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
        let paths = open.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
        let inherited: Vec<_> = paths.filter(|path| path.ends_with("inherited")).collect();
        assert!(inherited.is_empty(), "process {pid} holds what only its ancestors were given");
        let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let left = bits(&[Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGUSR1]);
        assert_eq!(signals(&text).1 & left, left, "process {pid} leaves these to the supervisor");
    }

    processes::signal(worker, Signal::SIGKILL);
    instance.wait_for("its end is noticed", |status| {
        status.is_ready(1) && status.partition(0).restarts_total == 1
    });
    // HUP is what `nohup` ignores: here it is a wish.
    instance.signal(Signal::SIGHUP);
    instance.wait_for_log("reading the configuration again");
    instance.stop();
}

#[test]
fn a_configuration_that_is_a_descriptor_can_be_read() {
    let topic = Topic::new(1);
    topic.produce(&numbered(1, 5));
    let instance = Builder::of(&topic)
        .handler([handlers::shell()])
        .arguments(["run", "-c", "/dev/fd/9"])
        .under("exec \"$@\" 9<kafkavisor.yaml")
        .start();
    instance.wait_consumed(&topic, 1);
    instance.stop();
}

/// The folder it was started in is gone, and the mask for new files lets nobody read them.
#[test]
fn neither_its_folder_nor_a_mask_for_files_matters() {
    let topic = Topic::new(1);
    topic.produce(&numbered(1, 5));
    let under =
        "f=$PWD; mkdir gone; cd gone; rmdir ../gone; umask 0177; exec \"$1\" run -c \"$f/kafkavisor.yaml\"";
    let instance = Builder::of(&topic).handler([handlers::shell()]).under(under).start();
    instance.wait_consumed(&topic, 1);
    let run = instance.folder().join("run");
    assert_eq!(std::fs::metadata(&run).unwrap().permissions().mode() & 0o777, 0o700);
    instance.stop();
}
