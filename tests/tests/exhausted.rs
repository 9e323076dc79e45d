//! Disks that are full, descriptors that run out and readers that do not read: named, and survived.

use std::fs::{self, OpenOptions};
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::Command;
use std::time::Duration;

use kafkavisor_tests::checks::History;
use kafkavisor_tests::environment::{brokers, kafkavisor};
use kafkavisor_tests::instance::Builder;
use kafkavisor_tests::message::numbered;
use kafkavisor_tests::recorder::Recorder;
use kafkavisor_tests::records::Records;
use kafkavisor_tests::topic::Topic;
use kafkavisor_tests::waiting::{throughout, until};
use nix::sys::signal::Signal;

/// A small `/dev/shm` that nobody else sees, full, as the runtime directory's place.
fn on_a_full_disk() -> String {
    let root = nix::unistd::geteuid().is_root();
    let own = if root { "" } else { "--map-root-user" };
    format!(
        // The socket is where the test finds it.
        "mkdir -p run; sed -i \"s#SOCKET#$PWD/run/control.sock#\" kafkavisor.yaml; exec unshare --mount --propagation unchanged {own} sh -c '
            mount --make-rprivate /dev && mount -t tmpfs -o size=16k tmpfs /dev/shm || exit 9
            mkdir -m 0700 /dev/shm/run; dd if=/dev/zero of=/dev/shm/filler bs=1k 2>/dev/null
            export RUNTIME_DIRECTORY=/dev/shm/run; exec \"$@\"' sh \"$@\""
    )
}

#[test]
fn a_full_runtime_directory_is_named_and_survived() {
    let (topic, records) = (Topic::new(2), Records::new());
    topic.produce(&numbered(2, 20));
    let instance = Builder::of(&topic)
        .set("admin", serde_json::json!({"socket": "SOCKET"}))
        .set("restart", serde_json::json!({"initial": "100ms", "max": "500ms"}))
        .recorder(&Recorder::new(&records))
        .under(&on_a_full_disk())
        .start();
    instance.wait_for_log("No space left on device");
    let status = instance.wait_for("both wait", |status| {
        status.partitions.len() == 2 && status.partitions.iter().all(|p| p.last_exit.is_some())
    });
    let why = status.partition(0).last_exit.clone().unwrap_or_default();
    assert!(why.contains("No space left"), "status says why: {why}");
    fs::remove_file(format!("/proc/{}/root/dev/shm/filler", instance.pid())).unwrap();
    instance.wait_consumed(&topic, 2);
    instance.stop();
    History::of(&records, &topic).assert_exactly_once();
}

#[test]
fn a_log_on_a_full_disk_holds_nothing_up() {
    let (topic, records) = (Topic::new(2), Records::new());
    topic.produce(&numbered(2, 20));
    let instance =
        Builder::of(&topic).recorder(&Recorder::new(&records)).under("exec \"$@\" 2>/dev/full").start();
    instance.wait_consumed(&topic, 2);
    instance.stop();
    History::of(&records, &topic).assert_exactly_once();
}

#[test]
fn a_log_file_that_may_grow_no_more_holds_nothing_up() {
    let (topic, records) = (Topic::new(1), Records::new());
    topic.produce(&numbered(1, 20));
    let much = "head -c 600000 /dev/zero | tr '\\0' x | fold -w 1000 >&2;";
    let instance = Builder::of(&topic)
        .shell(&format!("{much} {}", Recorder::new(&records).shell()))
        .under("ulimit -f 400; exec \"$@\" 2>limited.log")
        .start();
    instance.wait_consumed(&topic, 1);
    let log = fs::metadata(instance.folder().join("limited.log")).unwrap();
    assert_eq!(log.len() % 1024, 0, "it is as large as it may become: {}", log.len());
    instance.stop();
    History::of(&records, &topic).assert_exactly_once();
}

#[test]
fn a_log_that_nobody_reads_holds_nothing_up() {
    let (topic, records) = (Topic::new(2), Records::new());
    let recorder = Recorder::new(&records);
    // More than may wait for a reader (4096 lines, and 64 KiB in the pipe), in a few seconds.
    let flood = "while :; do i=0; while [ $i -lt 200 ]; do echo \"line $i of many that nobody reads\"; i=$((i + 1)); done; \
                 sleep 0.1; done >&2 & ";
    // A pipe with a reader that never reads.
    let instance = Builder::of(&topic)
        .shell(&format!("{flood} exec {}", recorder.shell()))
        .under("mkfifo unread; exec \"$@\" 2<>unread")
        .start();
    instance.wait_ready(2);
    (0..200).for_each(|_| instance.signal(Signal::SIGUSR1));
    topic.produce(&numbered(2, 20));
    instance.wait_consumed(&topic, 2);
    throughout(Duration::from_secs(8), "it answers", || instance.status().is_some());
    // Whoever reads at last is told what he has missed.
    let mut unread = OpenOptions::new()
        .read(true)
        .custom_flags(nix::libc::O_NONBLOCK)
        .open(instance.folder().join("unread"))
        .unwrap();
    let mut heard = Vec::new();
    until("it is said how many lines were dropped", || {
        let _nothing_more_for_now = unread.read_to_end(&mut heard);
        String::from_utf8_lossy(&heard).contains(" log lines were dropped").then_some(())
    });
    instance.stop();
    History::of(&records, &topic).assert_exactly_once();
}

#[test]
fn with_too_few_descriptors_whatever_talks_to_kafka_says_so() {
    let brokers = brokers();
    let commands = [
        ("lag", "-g g"),
        ("members", "-g g"),
        ("dead-letters list", "-t t"),
        ("try", "-t t:0 -- cat"),
        ("run", "-g g --partitions t:0 -- cat"),
    ];
    for ((command, more), limit) in commands.into_iter().flat_map(|one| [8, 20, 63].map(|limit| (one, limit)))
    {
        let script = format!("ulimit -n {limit}; exec \"$0\" {command} -b {brokers} {more}");
        let output = Command::new("sh").arg("-c").arg(script).arg(kafkavisor()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        let words =
            format!("the limit of open files is {limit}: raise `ulimit -n` or LimitNOFILE=, 64 at least");
        assert!(output.status.code() == Some(78) && said.contains(&words), "{command} {limit}: {said}");
    }
}
