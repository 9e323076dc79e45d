//! The look at the lease right before the handler is written to: much time may have passed since the turn began with one.

use std::io::Write as _;
use std::path::Path;

use kafkavisor::config::{Handler, Log, Restart};
use kafkavisor::ids::Generation;
use kafkavisor::protocol::Message;
use kafkavisor_link::lines::line;
use kafkavisor_link::message::{LogAllowance, ToWorker};
use kafkavisor_link::page::Lease;
use log::LevelFilter;

use super::*;

/// Reads to the end, from descriptor 3 where there is one.
const READS: &str = "cat <&3 || cat";

fn start(page: &Path, protocol: Protocol) -> Start {
    Start {
        group: "g".parse().unwrap(),
        partition: "orders:3".parse().unwrap(),
        generation: Generation(1),
        fencing_token: None,
        offset: Offset(0),
        page: page.to_owned(),
        handler: Handler {
            command: ["sh", "-c", READS].map(str::to_owned).into(),
            protocol,
            ..Handler::default()
        },
        restart: Restart::default(),
        kafka: [("bootstrap.servers".to_owned(), "127.0.0.1:1".to_owned())].into(),
        secret: false,
        commit_messages: 1000,
        log: Log::default(),
        log_allowance: LogAllowance { at_first: 1000, per_second: 1000 },
        token: None,
        dead_letter: None,
        trace: None,
    }
}

/// Whether the handler has anything of what it is to be given: a process with `exec`, else the first bytes.
fn has_something(worker: &Worker, protocol: Protocol) -> bool {
    match protocol {
        Protocol::Exec => worker.driver.pid().is_some(),
        Protocol::Jsonl | Protocol::Binary => worker.driver.unwritten() == 0,
    }
}

#[test]
fn nothing_is_written_once_the_lease_is_over_however_late_in_the_turn() {
    for protocol in [Protocol::Jsonl, Protocol::Binary, Protocol::Exec] {
        let endless = Lease::from_evidence(Boottime::now(), Duration::MAX);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("page");
        let page = Page::create(&path, "", Offset(0)).unwrap();
        let (ours, _supervisor) = UnixStream::pair().unwrap();
        let mut link = Link::new(ours);
        let mut worker = Worker::new(&start(&path, protocol)).unwrap();
        page.set_lease(endless);
        let actions = worker.core.handle(now(), Event::Begun);
        worker.perform(actions, &mut link);
        worker.check_lease(now(), &mut link);
        let message = Message { offset: 0, timestamp: 0, key: None, value: Some(b"value"), headers: &[] };
        worker.driver.deliver(now(), &message, 1);
        worker.driver.flush(true);

        page.set_lease(Lease { deliver_until: Boottime::now(), ..endless });
        worker.handler_turn(&mut link);
        assert!(!has_something(&worker, protocol), "{protocol:?}: it was written without a lease");
        page.set_lease(endless);
        worker.handler_turn(&mut link);
        assert!(has_something(&worker, protocol), "{protocol:?}: with a lease it is written");
    }
}

#[test]
fn the_level_that_the_supervisor_says_holds_from_then_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("page");
    let _page = Page::create(&path, "", Offset(0)).unwrap();
    let (ours, mut supervisor) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    let mut link = Link::new(ours);
    let mut worker = Worker::new(&start(&path, Protocol::Jsonl)).unwrap();
    for level in [LevelFilter::Debug, LevelFilter::Error] {
        supervisor.write_all(&line(&ToWorker::LogLevel { level })).unwrap();
        worker.hear(&mut link);
        assert_eq!(log::max_level(), level);
        assert!(worker.ending.is_none(), "{level}");
    }
}
