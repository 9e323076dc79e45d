//! What systemd is told (`sd_notify`), and the limits it may set.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use kafkavisor_tests::instance::Builder;
use kafkavisor_tests::message::numbered;
use kafkavisor_tests::processes;
use kafkavisor_tests::recorder::Recorder;
use kafkavisor_tests::records::{Event, Records};
use kafkavisor_tests::topic::Topic;
use kafkavisor_tests::waiting::{until, until_within};
use nix::sys::signal::Signal;

/// The service manager's end.
struct Manager {
    socket: UnixDatagram,
    path: std::path::PathBuf,
    heard: Vec<String>,
    _folder: tempfile::TempDir,
}

impl Manager {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        Self { socket, path, heard: Vec::new(), _folder: folder }
    }

    fn listen(&mut self) {
        let mut buffer = [0; 4096];
        while let Ok(count) = self.socket.recv(&mut buffer) {
            let text = String::from_utf8(buffer[..count].to_vec()).unwrap();
            self.heard.push(text.trim().to_owned());
        }
    }

    /// Leaves no room for another message.
    fn fill(&self) {
        let sender = UnixDatagram::unbound().unwrap();
        sender.set_nonblocking(true).unwrap();
        while sender.send_to(b"FILLER=1", &self.path).is_ok() {}
    }

    /// Waits for a message that begins so, after `since` others; gives its index.
    #[track_caller]
    fn hears(&mut self, what: &str, since: usize) -> usize {
        let found = until_within(Duration::from_secs(30), what, || {
            self.listen();
            self.heard.iter().skip(since).position(|text| text.starts_with(what))
        });
        since + found
    }
}

#[test]
fn systemd_is_told_what_happens() {
    let (topic, records) = (Topic::new(2), Records::new());
    let mut manager = Manager::new();
    let mut instance = Builder::of(&topic)
        .variable("NOTIFY_SOCKET", &manager.path)
        .variable("WATCHDOG_USEC", "400000")
        .recorder(&Recorder::new(&records).delay_ms(20))
        .start();
    let ready = manager.hears("READY=1", 0);
    manager.hears("STATUS=2 partitions (2 ready), 1 member", ready);
    // Twice within the time, from the loop.
    let first = manager.hears("WATCHDOG=1", 0);
    let second = manager.hears("WATCHDOG=1", first + 1);
    manager.hears("WATCHDOG=1", second + 1);

    let since = manager.heard.len();
    instance.reconfigure(|builder| builder.set("stop.timeout", "7s"));
    instance.signal(Signal::SIGHUP);
    let reloading = manager.hears("RELOADING=1", since);
    let moment = manager.heard[reloading].lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC="));
    let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
    let uptime: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
    let moment: f64 = moment.expect("its monotonic time").parse().unwrap();
    assert!(moment > 0.0 && moment / 1e6 <= uptime + 1.0, "{moment} µs, up {uptime} s");
    manager.hears("READY=1", reloading);
    instance.wait_for_log("the roll is over");
    manager.listen();

    topic.produce(&numbered(2, 100));
    instance.wait_for("messages are in flight", |status| status.partitions.iter().any(|p| p.in_flight > 5));
    let since = manager.heard.len();
    instance.signal(Signal::SIGTERM);
    let stopping = manager.hears("STOPPING=1", since);
    let more = manager.hears("EXTEND_TIMEOUT_USEC=", stopping);
    assert_eq!(manager.heard[more], "EXTEND_TIMEOUT_USEC=12000000");
    assert_eq!(instance.wait_exit(Duration::from_secs(30)), 0);
    manager.listen();
    let extended = manager.heard.iter().filter(|text| text.starts_with("EXTEND_TIMEOUT_USEC=")).count();
    assert!(extended > 1, "while it makes progress: {:?}", manager.heard);
    // Its children are not told of it.
    let told = records.read().into_iter().filter_map(|record| match record.event {
        Event::Started { environment } => Some(environment),
        _ => None,
    });
    for environment in told {
        assert!(!environment.keys().any(|name| name.starts_with("NOTIFY") || name.starts_with("WATCHDOG")));
    }
}

#[test]
fn a_loop_that_stands_still_does_not_say_that_it_turns() {
    let (topic, records) = (Topic::new(1), Records::new());
    let mut manager = Manager::new();
    let instance = Builder::of(&topic)
        .variable("NOTIFY_SOCKET", &manager.path)
        .variable("WATCHDOG_USEC", "400000")
        .recorder(&Recorder::new(&records))
        .start();
    instance.wait_ready(1);
    manager.hears("WATCHDOG=1", 0);
    instance.signal(Signal::SIGSTOP);
    until("it is stopped", || processes::is_stopped(instance.pid()).then_some(()));
    manager.listen();
    let heard = manager.heard.len();
    kafkavisor_tests::waiting::throughout(Duration::from_secs(1), "it says nothing", || {
        manager.listen();
        manager.heard.len() == heard
    });
    instance.signal(Signal::SIGCONT);
    manager.hears("WATCHDOG=1", heard);
    instance.stop();
}

#[test]
fn a_service_manager_that_does_not_listen_holds_nothing_up() {
    let (topic, records) = (Topic::new(1), Records::new());
    let manager = Manager::new();
    manager.fill();
    let instance = Builder::of(&topic)
        .variable("NOTIFY_SOCKET", &manager.path)
        .variable("WATCHDOG_USEC", "20000")
        .recorder(&Recorder::new(&records))
        .start();
    instance.wait_ready(1);
    // Each beat has something to say, and no room for it.
    kafkavisor_tests::waiting::throughout(Duration::from_secs(2), "it answers", || {
        instance.status().is_some()
    });
    topic.produce(&numbered(1, 10));
    instance.wait_consumed(&topic, 1);
    instance.stop();
}

#[test]
fn a_watchdog_time_that_nobody_can_keep_is_said_and_costs_nothing() {
    let (topic, records) = (Topic::new(1), Records::new());
    let mut manager = Manager::new();
    let instance = Builder::of(&topic)
        .variable("NOTIFY_SOCKET", &manager.path)
        .variable("WATCHDOG_USEC", "1")
        .recorder(&Recorder::new(&records))
        .start();
    instance.wait_ready(1);
    instance.wait_for_log("raise WatchdogSec=");
    // What has gathered until now is of the start.
    manager.listen();
    manager.heard.clear();
    let (mut beats, began) = (0, kafkavisor::clock::now());
    kafkavisor_tests::waiting::throughout(Duration::from_secs(1), "it goes on", || {
        manager.listen();
        beats += manager.heard.drain(..).filter(|text| text.starts_with("WATCHDOG=1")).count();
        true
    });
    let most = began.elapsed().as_millis() / 100 + 5;
    assert!(beats > 0 && (beats as u128) < most, "{beats} beats, {most} at most");
    instance.stop();
}

#[test]
fn a_service_manager_that_makes_no_sense_is_none() {
    let (topic, records) = (Topic::new(1), Records::new());
    for address in ["/nowhere/notify", "@", "nonsense", "", "vsock:2:1"] {
        let instance = Builder::of(&topic)
            .variable("NOTIFY_SOCKET", address)
            .variable("WATCHDOG_USEC", "-7")
            .variable("WATCHDOG_PID", "1")
            .recorder(&Recorder::new(&records))
            .start();
        instance.wait_ready(1);
        instance.stop();
    }
}

#[test]
fn too_few_descriptors_are_named_at_start() {
    let topic = Topic::new(40);
    let said = limited(&topic, "ulimit -n 150").expect_exit(78);
    assert!(said.contains("40 partitions") && said.contains("open files") && said.contains("150"), "{said}");
    assert!(said.contains("LimitNOFILE="), "what to do is said: {said}");
    // A soft limit that may be raised is raised.
    let instance = limited(&topic, "ulimit -S -n 100").start();
    instance.wait_ready(40);
    instance.stop();
}

/// The instance under a shell that sets a limit first.
fn limited(topic: &Topic, limit: &str) -> Builder {
    Builder::of(topic).shell("cat >/dev/null").under(&format!("{limit}; exec \"$@\""))
}
