//! A worker, or whoever runs as its user, may write anything into a status page. That partition's worker is stopped and started
//! again; the supervisor lives, nothing is lost, and the other partitions do not notice.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use kafkavisor_tests::checks::History;
use kafkavisor_tests::instance::{Builder, Instance};
use kafkavisor_tests::message::numbered;
use kafkavisor_tests::offsets::all_committed;
use kafkavisor_tests::processes;
use kafkavisor_tests::recorder::Recorder;
use kafkavisor_tests::records::Records;
use kafkavisor_tests::topic::Topic;
use nix::sys::signal::Signal;

/// Bytes of a page.
const SIZE: usize = 4096;

fn page(instance: &Instance, topic: &Topic) -> PathBuf {
    instance.folder().join("run").join(format!("{}-0.page", topic.name))
}

/// As a worker writes: into the page that is mapped, not into a new file.
fn overwrite(instance: &Instance, topic: &Topic, bytes: &[u8]) {
    let file = OpenOptions::new().write(true).open(page(instance, topic)).expect("the page is there");
    file.write_all_at(bytes, 0).expect("the page can be written");
}

/// Overwrites the page of partition 0 with each of `fillings` in turn, while messages flow.
#[track_caller]
fn survives(fillings: &[Vec<u8>]) {
    let (topic, records) = (Topic::new(3), Records::new());
    let instance = Builder::of(&topic).recorder(&Recorder::new(&records).delay_ms(1)).start();
    let before = instance.wait_ready(3);
    let flow = topic.flow(3);
    for filling in fillings {
        let seen = records.deliveries();
        instance.wait_deliveries(&records, seen + 60);
        let worker = instance.wait_for("partition 0 is ready", |status| status.state_of(0) == "ready");
        let worker = worker.partition(0).worker_pid;
        instance.wait_for("partition 0 has another worker", |status| {
            let same = status.partition(0).worker_pid == worker;
            if same {
                // Again and again, for what a worker writes it may write anew before anybody looks.
                overwrite(&instance, &topic, filling);
            }
            status.state_of(0) == "ready" && !same
        });
    }
    flow.stop();
    let after = instance.wait_consumed(&topic, 3);
    assert_eq!(after.pid, before.pid, "the same supervisor");
    for other in [1, 2] {
        assert_eq!(after.partition(other).worker_pid, before.partition(other).worker_pid);
        assert_eq!(after.partition(other).restarts_total, 0);
    }
    for (partition, offset) in all_committed(&topic, &instance.group(), 3) {
        let end = topic.watermarks(partition).1;
        assert_eq!(offset, end, "partition {partition}: committed is what there is, and no more");
    }
    instance.stop();
    let history = History::of(&records, &topic);
    history.assert_nothing_lost();
    assert_eq!((history.lives(1).len(), history.lives(2).len()), (1, 1));
}

#[test]
fn bytes_at_random() {
    let mut rng = fastrand::Rng::with_seed(8);
    let filling = |_| std::iter::repeat_with(|| rng.u8(..)).take(SIZE).collect();
    survives(&(0..3).map(filling).collect::<Vec<_>>());
}

#[test]
fn zeros() {
    survives(&[vec![0; SIZE], vec![0; SIZE]]);
}

#[test]
fn ones() {
    survives(&[vec![0xff; SIZE], vec![0xff; SIZE]]);
}

#[test]
fn text() {
    survives(&[b"acknowledged everything! ".repeat(SIZE / 25)]);
}

/// No progress is nothing that can't be, and the living worker writes the rest anew; but for the next one it is no page.
#[test]
fn what_no_successor_could_open() {
    goes_on_after(|instance, topic| overwrite(instance, topic, &[0; SIZE]));
}

/// As one who tidies up temporary folders does.
#[test]
fn a_page_that_is_removed() {
    goes_on_after(|instance, topic| std::fs::remove_file(page(instance, topic)).expect("it is there"));
}

/// Whoever reads a page then gets SIGBUS from the kernel: the worker dies of it, the supervisor does not.
#[test]
fn a_page_that_is_cut_short() {
    goes_on_after(|instance, topic| {
        let file = OpenOptions::new().write(true).open(page(instance, topic)).expect("it is there");
        file.set_len(0).expect("it can be cut");
    });
}

/// The worker dies after its page was spoiled.
#[track_caller]
fn goes_on_after(spoil: impl Fn(&Instance, &Topic)) {
    for messages in [0, 7] {
        let (topic, records) = (Topic::new(1), Records::new());
        topic.produce(&numbered(1, messages));
        let instance = Builder::of(&topic).recorder(&Recorder::new(&records)).start();
        instance.wait_ready(1);
        let worker = instance.wait_consumed(&topic, 1).partition(0).worker_pid.unwrap();
        spoil(&instance, &topic);
        let _dead_of_it_already = processes::try_signal(worker, Signal::SIGKILL);
        instance.wait_for("it has another worker", |status| {
            status.is_ready(1) && status.partition(0).worker_pid.is_some_and(|pid| pid != worker)
        });
        topic.produce(&numbered(1, 3));
        let status = instance.wait_consumed(&topic, 1);
        assert_eq!(status.partition(0).restarts_total, 1, "{status:#?}");
        instance.stop();
        History::of(&records, &topic).assert_exactly_once();
    }
}
