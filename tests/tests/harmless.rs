//! Handlers that misbehave harm nobody else: another partition of the same supervisor goes on, nothing piles up, and
//! everything ends with the supervisor.

use std::time::Duration;

use kafkavisor_tests::checks::History;
use kafkavisor_tests::handlers;
use kafkavisor_tests::instance::{Builder, Instance};
use kafkavisor_tests::message::{Message, numbered};
use kafkavisor_tests::processes;
use kafkavisor_tests::recorder::Recorder;
use kafkavisor_tests::records::Records;
use kafkavisor_tests::status::Status;
use kafkavisor_tests::topic::Topic;
use kafkavisor_tests::waiting::{throughout, until};
use nix::sys::signal::Signal;

/// How much memory a process may have while a handler floods it, in KiB.
const MOST_MEMORY: u64 = 120_000;

/// Partition 0's handler does `misbehaviour`, a line of shell; partition 1's is well-behaved and must be given all its
/// messages while `shown` comes to hold of partition 0; then all of it must end.
#[track_caller]
fn harms_nobody(misbehaviour: &str, shown: impl Fn(&Status) -> bool) -> Instance {
    harms_nobody_given(&[], misbehaviour, shown)
}

/// ... where partition 0 begins with these messages.
#[track_caller]
fn harms_nobody_given(first: &[Message], misbehaviour: &str, shown: impl Fn(&Status) -> bool) -> Instance {
    let (topic, records) = (Topic::new(2), Records::new());
    topic.produce(first);
    topic.produce(&numbered(2, 400));
    let script = format!(
        "if [ $KAFKAVISOR_PARTITION = 1 ]; then exec {}; fi; {misbehaviour}",
        Recorder::new(&records).shell()
    );
    let instance = Builder::of(&topic)
        .set("handler.timeout", "2s")
        .set("handler.start_timeout", "2s")
        .set("stop.timeout", "2s")
        .shell(&script)
        .start();
    instance.wait_for(&format!("{misbehaviour}: partition 0 shows it"), |status| {
        assert_small(instance.pid());
        status.partitions.iter().filter_map(|p| p.worker_pid).for_each(assert_small);
        !status.state_of(0).is_empty() && shown(status)
    });
    // Whatever partition 0 has come to, partition 1 still works.
    topic.produce(&(0..100).map(|n| Message::to(1, format!("later {n}"))).collect::<Vec<_>>());
    let status = instance.wait_for("partition 1 is consumed", |status| {
        status.partition(1).committed == Some(300) && status.partition(1).lag == Some(0)
    });
    assert_eq!(status.partition(1).restarts_total, 0, "{status:#?}");
    assert_eq!(status.state_of(1), "ready");
    let most = 200 + i64::try_from(first.len()).unwrap();
    assert!(status.partition(0).committed.is_none_or(|committed| committed <= most));
    let history = History::of(&records, &topic);
    assert_eq!(history.lives(1).len(), 1, "partition 1 kept its handler");
    assert_eq!(history.lives(1)[0].delivered.len(), 300);
    instance.signal(Signal::SIGTERM);
    let code = instance.wait_exit(Duration::from_secs(15));
    assert!(code == 0 || code == 75, "{misbehaviour}: exit code {code}");
    instance.assert_gone();
    instance
}

#[track_caller]
fn assert_small(pid: i32) {
    let Ok(text) = std::fs::read_to_string(format!("/proc/{pid}/status")) else { return };
    let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kib: u64 =
        line.and_then(|line| line.trim().strip_suffix(" kB")).and_then(|n| n.parse().ok()).unwrap_or(0);
    assert!(kib < MOST_MEMORY, "process {pid} has grown to {kib} KiB");
}

fn restarted(status: &Status) -> bool {
    status.partition(0).restarts_total >= 2
}

#[test]
fn one_that_dies_at_once() {
    harms_nobody("exit 3", restarted);
}

#[test]
fn one_that_kills_itself() {
    let instance = harms_nobody("kill -9 $$", restarted);
    assert!(instance.log().contains("KILL") || instance.log().contains("signal 9"), "{}", instance.log());
}

#[test]
fn one_that_exits_0_early() {
    harms_nobody("exit 0", restarted);
}

#[test]
fn one_that_exits_0_in_the_middle() {
    harms_nobody("head -n 5 >/dev/null; exit 0", restarted);
}

#[test]
fn one_that_never_reads() {
    // More than a pipe holds: there is always something that it does not take.
    let large = Message::to(0, vec![b'x'; 400_000]);
    harms_nobody_given(&vec![large; 4], "exec sleep 1000", restarted);
}

#[test]
fn one_that_reads_and_never_answers() {
    harms_nobody("cat >/dev/null; true", restarted);
}

#[test]
fn one_that_closes_its_stdout() {
    harms_nobody("exec >&-; cat >/dev/null; true", restarted);
}

#[test]
fn one_that_closes_its_stdin() {
    harms_nobody("exec <&-; exec sleep 1000", restarted);
}

#[test]
fn one_that_writes_half_a_line() {
    harms_nobody(r#"printf '{"ack":'; cat >/dev/null; true"#, restarted);
}

#[test]
fn one_that_writes_a_hundred_megabytes_without_a_newline() {
    harms_nobody("head -c 100000000 /dev/zero | tr '\\0' x; echo; cat >/dev/null; true", |status| {
        status.partition(0).restarts_total >= 1
    });
}

#[test]
fn one_that_floods_its_stdout() {
    let instance = harms_nobody("yes 'a line that is no answer' ; exit 1", restarted);
    assert!(instance.log().len() < 20_000_000, "what it logs is limited: {} bytes", instance.log().len());
}

#[test]
fn one_that_floods_its_stderr() {
    let instance = harms_nobody("yes 'a line for the log' >&2; exit 1", restarted);
    assert!(instance.log().len() < 20_000_000, "what it logs is limited: {} bytes", instance.log().len());
}

#[test]
fn one_that_answers_nonsense() {
    let nonsense = [
        r#"{"ack":"ten"}"#,
        r#"{"ack":-1}"#,
        r#"{"ack":1.5}"#,
        r#"{"ack":99999}"#,
        r#"{"ack":99999999999999999999999}"#,
        r#"{"reject":99999,"error":"not delivered"}"#,
    ];
    for answer in nonsense {
        let instance = harms_nobody(&format!("echo '{answer}'; cat >/dev/null; true"), restarted);
        assert!(instance.log().contains("protocol_error"), "{answer}: {}", instance.log());
    }
}

#[test]
fn one_that_takes_an_acknowledgement_back() {
    let script = r#"while read -r line; do case $line in *'"flush"'*) break;; esac; done
        echo '{"ack":1}'; echo '{"ack":0}'; cat >/dev/null; true"#;
    let instance = harms_nobody(script, restarted);
    assert!(instance.log().contains("protocol_error"), "{}", instance.log());
}

#[test]
fn one_that_ignores_every_signal() {
    harms_nobody("trap '' TERM INT HUP ABRT QUIT; while :; do sleep 1000; done", restarted);
}

#[test]
fn one_that_is_stopped() {
    harms_nobody("kill -STOP $$", restarted);
}

#[test]
fn one_that_forks_and_leaves() {
    // Grandchildren hold its stdout and stderr, one of them in a session of its own.
    let instance = harms_nobody(
        "setsid sleep 1000 & sleep 1000 & setsid sh -c 'sleep 1000 & sleep 1000' & exit 1",
        restarted,
    );
    assert!(processes::marked_with(instance.folder()).is_empty());
}

#[test]
fn one_whose_children_go_on_writing() {
    harms_nobody("yes 'left behind' >&2 & yes 'left behind' & yes 'left behind' & exit 1", restarted);
}

#[test]
fn grandchildren_end_with_their_handler() {
    let topic = Topic::new(1);
    topic.produce(&numbered(1, 1));
    let script =
        format!("setsid sh -c 'echo $$ >> grandchildren; exec sleep 1000' & exec {}", handlers::shell());
    let instance = Builder::of(&topic).shell(&script).start();
    let status = instance.wait_consumed(&topic, 1);
    let grandchildren = || -> Vec<i32> {
        let text = std::fs::read_to_string(instance.folder().join("grandchildren")).unwrap_or_default();
        text.lines().map(|line| line.parse().unwrap()).collect()
    };
    let first = until("a grandchild lives", || grandchildren().first().copied());
    assert!(processes::is_alive(first));
    processes::signal(status.partition(0).worker_pid.unwrap(), Signal::SIGKILL);
    until("the successor has one, too", || (grandchildren().len() == 2).then_some(()));
    assert!(!processes::is_alive(first), "it ended before the successor began");
    instance.stop();
}

#[test]
fn nothing_piles_up_over_many_restarts() {
    let topic = Topic::new(1);
    topic.produce(&numbered(1, 1));
    let instance = Builder::of(&topic)
        .set("restart", serde_json::json!({"initial": "10ms", "max": "20ms"}))
        .shell("sleep 1000 & exit 1")
        .start();
    let restarts = |least: u64| {
        instance.wait_for(&format!("{least} restarts"), |status| {
            status.partitions.iter().any(|partition| partition.restarts_total >= least)
        })
    };
    restarts(5);
    let descriptors = || {
        let guardian = processes::guardian(instance.pid()).expect("the guardian");
        [instance.pid(), guardian].map(processes::descriptors)
    };
    let before = descriptors();
    restarts(30);
    let after = descriptors();
    // One worker more or less may be running at this moment.
    assert!(
        after[0] <= before[0] + 8 && after[1] <= before[1] + 4,
        "open in supervisor and guardian: {before:?}, now {after:?}"
    );
    let guardian = processes::guardian(instance.pid()).expect("the guardian");
    let children = [processes::children(instance.pid()), processes::children(guardian)].concat();
    let zombies = children.into_iter().filter(|(_, zombie)| *zombie).count();
    assert!(zombies <= 2, "{zombies} zombies");
    // Supervisor and guardian; one worker more or less, its handler, and what that has started.
    let alive = processes::marked_with(instance.folder());
    assert!(alive.len() <= 2 + 2 * 3, "each handler has left a child behind: {alive:?}");
    throughout(Duration::from_millis(500), "it runs", || instance.exited().is_none());
    instance.stop();
}

#[test]
fn a_killed_supervisor_leaves_nothing_whatever_its_handlers_do() {
    let topic = Topic::new(2);
    topic.produce(&numbered(2, 2));
    let script = "trap '' TERM HUP INT; setsid sh -c 'echo hidden >&2; exec sleep 1000' & \
                  [ $KAFKAVISOR_PARTITION = 1 ] && kill -STOP $$; \
                  while :; do sleep 1000; done";
    let instance = Builder::of(&topic).shell(script).start();
    let status = instance.wait_for("both handlers run", |status| {
        status.partitions.len() == 2
            && status.partitions.iter().all(|partition| partition.handler_pid.is_some())
    });
    // Before that it would end with its handler's process group.
    until("both have hidden a process", || (instance.log().matches("hidden\n").count() == 2).then_some(()));
    // A worker that is quick cleans up by itself; this one can't.
    let worker = status.partition(0).worker_pid.unwrap();
    processes::signal(worker, Signal::SIGSTOP);
    until("a worker stands still", || processes::is_stopped(worker).then_some(()));
    instance.kill();
}
