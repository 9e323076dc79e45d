//! A group of processes from a Rust program: `MultiprocessingConsumerGroup` against real servers.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use kafkavisor::cluster_config::ClusterConfig;
use kafkavisor::config::{OffsetStorage, Reset};
use kafkavisor::consumer_config::KafkaConsumerConfig;
use kafkavisor::ids::TopicPartition;
use kafkavisor::multiprocessing::{
    Builder, Consumer, ConsumerGroupError, ConsumerState, Ending, MultiprocessingConsumerGroup,
};
use kafkavisor_tests::checks::History;
use kafkavisor_tests::environment::{kafkavisor, unique, zookeeper};
use kafkavisor_tests::handlers;
use kafkavisor_tests::message::numbered;
use kafkavisor_tests::offsets::all_committed;
use kafkavisor_tests::processes::{self, MARK};
use kafkavisor_tests::recorder::Recorder;
use kafkavisor_tests::records::{Event, Records};
use kafkavisor_tests::topic::Topic;
use kafkavisor_tests::waiting::{WITHIN, throughout, until, until_within};
use nix::sys::signal::Signal;
use tempfile::TempDir;

/// Set in a process that a test has started of itself, to the words that it needs.
const PROGRAM: &str = "KAFKAVISOR_TEST_PROGRAM";

/// A member's folder. Where a test fails, what is left of the member ends with it.
struct Folder(TempDir);

fn folder() -> Folder {
    Folder(tempfile::Builder::new().prefix("kv-").tempdir().expect("a temporary folder"))
}

impl Folder {
    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        for pid in processes::marked_with(self.path()) {
            processes::try_signal(pid, Signal::SIGKILL);
        }
    }
}

fn config(brokers: &str, group: &str, termination: Duration) -> KafkaConsumerConfig {
    let cluster = ClusterConfig::new("standard", "local_cluster", brokers, zookeeper());
    KafkaConsumerConfig::builder(group, cluster)
        .auto_offset_reset(Reset::Earliest)
        .auto_commit_interval(Duration::from_millis(200))
        .partitioner_cooldown(Duration::from_millis(200))
        .max_termination_timeout(termination)
        .offset_storage(OffsetStorage::Kafka)
        .build()
        .expect("a configuration")
}

/// One member, in a folder of its own.
fn member(topic: &Topic, group: &str, folder: &Path, command: Vec<String>) -> Builder {
    patient_member(topic, group, folder, command, Duration::from_secs(20))
}

fn patient_member(
    topic: &Topic,
    group: &str,
    folder: &Path,
    command: Vec<String>,
    termination: Duration,
) -> Builder {
    let config = config(&topic.brokers, group, termination);
    MultiprocessingConsumerGroup::builder([topic.name.clone()], config, command)
        .binary(kafkavisor())
        .name(unique("member"))
        .runtime_directory(folder.join("run"))
        .env(MARK, folder)
        .setting("restart.initial", "100ms")
        .on_log_line(|line| println!("{line}"))
}

#[track_caller]
fn wait_ready(group: &MultiprocessingConsumerGroup, count: usize) -> Vec<Consumer> {
    until(&format!("{count} consumers are ready"), || {
        let consumers = group.consumers().expect("it answers");
        let ready =
            consumers.iter().all(|one| one.state == ConsumerState::Ready && one.handler_pid.is_some());
        (ready && consumers.len() == count).then_some(consumers)
    })
}

#[track_caller]
fn assert_nothing_left(folder: &Path) {
    until_within(Duration::from_secs(10), "no process of it is left", || {
        processes::marked_with(folder).is_empty().then_some(())
    });
}

fn deliveries(records: &Records, count: usize) {
    until(&format!("{count} deliveries"), || (records.deliveries() >= count).then_some(()));
}

fn pid(number: Option<u32>) -> i32 {
    number.expect("a process").try_into().unwrap()
}

#[test]
fn it_consumes_restarts_what_dies_and_stops_clean() {
    let (topic, records, group, folder) = (Topic::new(2), Records::new(), unique("group"), folder());
    topic.produce(&numbered(2, 40));
    let mut processes =
        member(&topic, &group, folder.path(), Recorder::new(&records).command()).build().unwrap();
    processes.start_group().unwrap();
    assert!(matches!(processes.start_group(), Err(ConsumerGroupError::Started)));
    let before = wait_ready(&processes, 2);
    let numbers: Vec<_> = before.iter().map(|one| (one.topic.to_string(), one.partition.0)).collect();
    assert_eq!(numbers, [(topic.name.clone(), 0), (topic.name.clone(), 1)]);
    assert!(before.iter().all(|one| one.worker_pid.is_some() && one.restarts == 0), "{before:?}");
    let title = std::fs::read_to_string(format!("/proc/{}/cmdline", pid(before[0].worker_pid))).unwrap();
    assert_eq!(title.trim_end_matches('\0'), format!("kafkavisor-worker: {}:0", topic.name));
    deliveries(&records, 40);
    until("all is committed", || {
        (all_committed(&topic, &group, 2).values().sum::<i64>() == 40).then_some(())
    });

    processes::signal(pid(before[0].handler_pid), Signal::SIGKILL);
    let after = until("it is started again", || {
        let consumers = processes.consumers().unwrap();
        let first = consumers.first()?;
        (first.restarts == 1 && first.state == ConsumerState::Ready && first.handler_pid.is_some())
            .then_some(consumers)
    });
    assert_ne!(after[0].handler_pid, before[0].handler_pid);
    assert_eq!(after[1].handler_pid, before[1].handler_pid, "the other one did not notice");
    assert!(after[0].last_exit.as_deref().unwrap_or_default().contains("KILL"), "{after:?}");
    topic.produce(&numbered(2, 40));
    deliveries(&records, 80);
    until("it has no lag", || {
        processes.consumers().unwrap().iter().all(|one| one.lag == Some(0)).then_some(())
    });
    assert_eq!(processes.monitor(Duration::ZERO).unwrap(), None);

    assert_eq!(processes.stop_group().unwrap(), Ending::Clean);
    assert_nothing_left(folder.path());
    assert!(!folder.path().join("run/control.sock").exists(), "a clean stop removes the socket");
    History::of(&records, &topic).assert_exactly_once();
}

/// A callback that tells what it was called with, and returns when it may.
fn telling(
    name: &'static str,
    told: &Sender<String>,
    may: Option<Receiver<()>>,
) -> impl FnMut(&[TopicPartition]) + Send + 'static {
    let told = told.clone();
    move |partitions| {
        let numbers: Vec<_> = partitions.iter().map(|one| one.partition.0.to_string()).collect();
        told.send(format!("{name} {}", numbers.join(" "))).expect("the test listens");
        if let Some(may) = &may {
            // The test is over where nobody says anything any more.
            let _goes_on = may.recv_timeout(WITHIN);
        }
    }
}

#[track_caller]
fn next(calls: &Receiver<String>) -> String {
    calls.recv_timeout(WITHIN).expect("it is called")
}

#[test]
fn nothing_is_given_up_before_the_callback_has_returned() {
    let (topic, records, group, folders) =
        (Topic::new(4), Records::new(), unique("group"), [folder(), folder()]);
    let ((told, calls), (go, may)) = (channel(), channel());
    let command = || Recorder::new(&records).command();
    let mut first = member(&topic, &group, folders[0].path(), command())
        .before_rebalance(telling("before", &told, Some(may)))
        .after_rebalance(telling("after", &told, None))
        .build()
        .unwrap();
    first.start_group().unwrap();
    assert_eq!(next(&calls), "after 0 1 2 3");
    let alone = wait_ready(&first, 4);

    let mut second = member(&topic, &group, folders[1].path(), command()).build().unwrap();
    second.start_group().unwrap();
    let called = next(&calls);
    let moves: Vec<i32> = called.split(' ').skip(1).map(|number| number.parse().unwrap()).collect();
    assert!(called.starts_with("before ") && moves.len() == 2, "{called}");
    throughout(Duration::from_secs(2), "all its handlers work on, and nobody else has them", || {
        wait_ready(&first, 4) == alone && second.consumers().unwrap().is_empty()
    });
    go.send(()).unwrap();
    let stays: Vec<i32> = (0..4).filter(|number| !moves.contains(number)).collect();
    assert_eq!(next(&calls), format!("after {} {}", stays[0], stays[1]));
    let numbers = |consumers: Vec<Consumer>| consumers.iter().map(|one| one.partition.0).collect::<Vec<_>>();
    assert_eq!(numbers(wait_ready(&second, 2)), moves);
    assert_eq!(numbers(wait_ready(&first, 2)), stays);

    go.send(()).unwrap();
    assert_eq!(first.stop_group().unwrap(), Ending::Clean);
    assert_eq!(next(&calls), format!("before {} {}", stays[0], stays[1]), "all that it has, before it stops");
    wait_ready(&second, 4);
    assert_eq!(second.stop_group().unwrap(), Ending::Clean);
    assert!(calls.try_recv().is_err());
    folders.iter().for_each(|folder| assert_nothing_left(folder.path()));
}

#[test]
fn a_callback_that_takes_too_long_does_not_hold_others_up_for_ever() {
    let (topic, group, folders) = (Topic::new(2), unique("group"), [folder(), folder()]);
    let ((told, calls), (go, may)) = (channel(), channel());
    let command = || vec![handlers::shell()];
    let termination = Duration::from_secs(1);
    let mut first = patient_member(&topic, &group, folders[0].path(), command(), termination)
        .before_rebalance(telling("before", &told, Some(may)))
        .build()
        .unwrap();
    first.start_group().unwrap();
    wait_ready(&first, 2);
    let mut second = member(&topic, &group, folders[1].path(), command()).build().unwrap();
    second.start_group().unwrap();
    next(&calls);
    wait_ready(&second, 1);
    wait_ready(&first, 1);
    drop(go);
    // Dropped without having been stopped.
    drop(first);
    assert_nothing_left(folders[0].path());
    assert!(calls.try_recv().is_err(), "it is not called by that");
    wait_ready(&second, 2);
}

#[test]
fn what_is_wrong_is_said_in_words_and_leaves_nothing() {
    let (topic, group, folder) = (Topic::new(1), unique("group"), folder());
    let wrong = |command: &str| member(&topic, &group, folder.path(), vec![command.to_owned()]);
    let error = wrong("./no-such-handler").build().unwrap().start_group().unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, ConsumerGroupError::NotStarted { ending: Ending::Configuration, .. }), "{text}");
    for word in ["handler.command", "./no-such-handler", "does not exist"] {
        assert!(text.contains(word), "{word}: {text}");
    }

    let cluster = ClusterConfig::new("standard", "local_cluster", "127.0.0.1:1", "127.0.0.1:1");
    let nowhere = KafkaConsumerConfig::builder(&group, cluster).build().unwrap();
    let error = MultiprocessingConsumerGroup::builder([topic.name.clone()], nowhere, [handlers::shell()])
        .binary(kafkavisor())
        .runtime_directory(folder.path().join("run"))
        .env(MARK, folder.path())
        .setting("cluster.connect_timeout", "1s")
        .on_log_line(|line| println!("{line}"))
        .build()
        .unwrap()
        .start_group()
        .unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, ConsumerGroupError::NotStarted { ending: Ending::Unreachable, .. }), "{text}");
    assert!(text.contains("127.0.0.1:1"), "{text}");

    let mut first = wrong(&handlers::shell()).name("the-same").build().unwrap();
    first.start_group().unwrap();
    let error = wrong(&handlers::shell()).name("the-same").build().unwrap().start_group().unwrap_err();
    let text = error.to_string();
    assert!(text.contains("\"the-same\" runs already"), "{text}");
    wait_ready(&first, 1);
    assert_eq!(first.stop_group().unwrap(), Ending::Clean);
    assert_nothing_left(folder.path());
}

#[test]
fn a_drain_that_takes_too_long_is_said_to_be_cut_short() {
    let (topic, records, group, folder) = (Topic::new(1), Records::new(), unique("group"), folder());
    topic.produce(&numbered(1, 1));
    let command = Recorder::new(&records).delay_ms(600_000).command();
    let termination = Duration::from_millis(500);
    let mut processes = patient_member(&topic, &group, folder.path(), command, termination).build().unwrap();
    processes.start_group().unwrap();
    deliveries(&records, 1);
    assert_eq!(processes.stop_group().unwrap(), Ending::CutShort);
    assert_nothing_left(folder.path());
}

#[test]
fn its_own_end_is_told_and_it_may_be_started_again() {
    let (topic, group, folder) = (Topic::new(1), unique("group"), folder());
    let mut processes = member(&topic, &group, folder.path(), vec![handlers::shell()]).build().unwrap();
    processes.start_group().unwrap();
    wait_ready(&processes, 1);
    processes::signal(pid(processes.pid()), Signal::SIGKILL);
    assert_eq!(processes.monitor(WITHIN).unwrap(), Some(Ending::Killed(9)));
    assert!(matches!(processes.consumers(), Err(ConsumerGroupError::Ended(Ending::Killed(9)))));
    assert_nothing_left(folder.path());
    processes.start_group().unwrap();
    wait_ready(&processes, 1);
    assert_eq!(processes.stop_group().unwrap(), Ending::Clean);
    assert_nothing_left(folder.path());
}

/// Where the test runs itself as another program: that program, which starts a group and works on.
fn program() -> bool {
    let Ok(words) = std::env::var(PROGRAM) else { return false };
    let words: Vec<&str> = words.split('|').collect();
    let [brokers, topic, group, folder, ending, command @ ..] = words.as_slice() else { panic!("{words:?}") };
    let topic = Topic::named(brokers, topic);
    let command = command.iter().map(|word| (*word).to_owned()).collect();
    let mut processes = member(&topic, group, Path::new(folder), command).build().unwrap();
    // The thread that has started it ends, and the program goes on.
    let processes = std::thread::spawn(move || {
        processes.start_group().unwrap();
        processes
    });
    let processes = Mutex::new(processes.join().unwrap());
    wait_ready(&processes.lock().unwrap(), 1);
    std::fs::write(Path::new(folder).join("ready"), "").unwrap();
    if *ending == "returns" {
        std::mem::forget(processes);
        return true;
    }
    kafkavisor_tests::waiting::work_for(Duration::from_secs(600));
    true
}

fn start_program(topic: &Topic, group: &str, folder: &Path, ending: &str, records: &Records) -> Child {
    let text = folder.to_str().unwrap();
    let mut words = vec![topic.brokers.as_str(), &topic.name, group, text, ending];
    let command = Recorder::new(records).command();
    words.extend(command.iter().map(String::as_str));
    // Built once, here.
    kafkavisor();
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_end_of_the_program_is_the_end_of_its_processes", "--nocapture"])
        .env(PROGRAM, words.join("|"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn the_end_of_the_program_is_the_end_of_its_processes() {
    if program() {
        return;
    }
    for ending in ["is killed", "returns"] {
        let (topic, records, group, folder) = (Topic::new(1), Records::new(), unique("group"), folder());
        let mut program = start_program(&topic, &group, folder.path(), ending, &records);
        until("it has started its group", || {
            let over = program.try_wait().unwrap();
            assert!(over.is_none_or(|status| ending == "returns" && status.success()), "{ending}: {over:?}");
            folder.path().join("ready").exists().then_some(())
        });
        if ending == "is killed" {
            throughout(Duration::from_secs(1), "the end of a thread is not the end", || {
                !processes::marked_with(folder.path()).is_empty()
            });
            program.kill().unwrap();
        }
        program.wait().unwrap();
        assert_nothing_left(folder.path());
        let stopped = records.read().iter().any(|record| record.event == Event::Stop("shutdown".to_owned()));
        assert!(stopped, "{ending}: its handler was told to finish");
    }
}
