//! As pid 1 of a container: here a pid namespace of its own, which is what makes a pid 1; images and limits are left to
//! `config/Dockerfile` and `config/compose.yaml`.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use kafkavisor_tests::checks::History;
use kafkavisor_tests::environment::project;
use kafkavisor_tests::instance::{Builder, Instance};
use kafkavisor_tests::message::numbered;
use kafkavisor_tests::processes::{self, MARK};
use kafkavisor_tests::recorder::Recorder;
use kafkavisor_tests::records::Records;
use kafkavisor_tests::topic::Topic;
use kafkavisor_tests::waiting::{until, until_within};
use nix::sys::signal::Signal;
use nix::unistd::geteuid;

/// Whoever is not root needs a user namespace, too. What is mounted in there is seen in there alone, also where the root folder
/// is no mount point (a chroot).
const CONTAINER: &str = "exec unshare $([ \"$(id -u)\" = 0 ] || echo --user --map-root-user) \
    --mount --propagation unchanged --pid --fork --kill-child=KILL \
    sh -c 'mount --make-rprivate /proc && mount -t proc proc /proc && exec \"$@\"' sh \"$@\"";

struct Container {
    instance: Instance,
    /// The supervisor's pid, seen from outside.
    pid: i32,
}

impl Container {
    fn start(builder: Builder) -> Self {
        let instance = builder.under(CONTAINER).start();
        let pid = until("it is started", || {
            let children = processes::children(instance.pid());
            children.first().map(|(child, _)| *child).filter(|child| is_kafkavisor(*child))
        });
        Self { instance, pid }
    }

    /// Processes that nobody waits for, as a shell in the container leaves them behind.
    fn orphans(&self, seconds: &[&str]) {
        let script: String = seconds.iter().flat_map(|time| ["sleep ", time, " & "]).collect();
        let mut command = Command::new("nsenter");
        if !geteuid().is_root() {
            command.args(["--user", "--preserve-credentials"]);
        }
        let status = command
            .args(["--target", &self.pid.to_string(), "--pid", "sh", "-c", &script])
            .env(MARK, self.instance.folder())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status()
            .expect("nsenter runs");
        assert!(status.success());
    }

    /// Those that are its children now, by their argument.
    fn sleeping(&self, seconds: &str) -> usize {
        let wanted = format!("sleep\0{seconds}\0");
        let sleeps =
            |pid: i32| fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|c| c == wanted.as_bytes());
        processes::children(self.pid).iter().filter(|(pid, _)| sleeps(*pid)).count()
    }

    fn zombies(&self) -> usize {
        processes::children(self.pid).iter().filter(|(_, zombie)| *zombie).count()
    }
}

fn is_kafkavisor(pid: i32) -> bool {
    fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|path| path.ends_with("kafkavisor"))
}

#[test]
fn it_reaps_orphans_of_others_leaves_them_alone_and_stops_cleanly() {
    let (topic, records) = (Topic::new(2), Records::new());
    topic.produce(&numbered(2, 20));
    let container = Container::start(Builder::of(&topic).recorder(&Recorder::new(&records)));
    let instance = &container.instance;
    assert_eq!(instance.wait_consumed(&topic, 2).pid, 1, "it is pid 1 in there");
    let ours = processes::children(container.pid).len();

    container.orphans(&["1000", "0.3", "0.3", "0.3"]);
    until("the orphans have come to pid 1", || (container.sleeping("1000") == 1).then_some(()));
    until("those that have ended are reaped", || {
        let gone = processes::children(container.pid).len() == ours + 1 && container.zombies() == 0;
        (gone && container.sleeping("0.3") == 0).then_some(())
    });

    // A worker's end makes it look for what that left; somebody else's process is none of it.
    processes::signal(processes::workers(container.pid)[0], Signal::SIGKILL);
    instance.wait_for("it has a successor", |status| {
        status.is_ready(2) && status.partitions.iter().any(|partition| partition.restarts_total == 1)
    });
    assert_eq!((container.sleeping("1000"), container.zombies()), (1, 0));
    topic.produce(&numbered(2, 20));
    instance.wait_consumed(&topic, 2);

    processes::signal(container.pid, Signal::SIGTERM);
    assert_eq!(instance.wait_exit(Duration::from_secs(20)), 0, "{}", instance.log());
    instance.assert_gone();
    History::of(&records, &topic).assert_nothing_lost();
}

#[test]
fn what_has_no_environment_ends_with_its_worker() {
    let (topic, records) = (Topic::new(1), Records::new());
    // No number of a process in there means anything out here: the successor itself looks.
    let script = format!(
        "[ -e hidden ] && kill -0 \"$(cat hidden)\" 2>/dev/null && : >outlived
         env -i PATH=\"$PATH\" setsid sh -c 'echo $$ >hidden; exec sleep 120 <&- >&- 2>&-' & exec {}",
        Recorder::new(&records).shell()
    );
    let container = Container::start(Builder::of(&topic).shell(&script));
    let instance = &container.instance;
    for restarts in 1..=3 {
        instance.wait_ready(1);
        until("it hides something", || instance.folder().join("hidden").exists().then_some(()));
        processes::signal(processes::workers(container.pid)[0], Signal::SIGKILL);
        instance.wait_for("it has a successor", |status| {
            status.is_ready(1) && status.partition(0).restarts_total == restarts
        });
    }
    assert!(!instance.folder().join("outlived").exists(), "a successor has met what its predecessor left");
    processes::signal(container.pid, Signal::SIGTERM);
    assert_eq!(instance.wait_exit(Duration::from_secs(20)), 0, "{}", instance.log());
}

#[test]
fn nothing_is_left_after_its_kill() {
    let (topic, records) = (Topic::new(2), Records::new());
    let container = Container::start(Builder::of(&topic).recorder(&Recorder::new(&records)));
    container.instance.wait_ready(2);
    container.orphans(&["1000"]);
    until("the orphan has come to pid 1", || (container.sleeping("1000") == 1).then_some(()));
    assert!(processes::marked_with(container.instance.folder()).len() >= 7, "all of them are seen");
    processes::signal(container.pid, Signal::SIGKILL);
    until_within(Duration::from_secs(5), "nothing is left", || {
        processes::marked_with(container.instance.folder()).is_empty().then_some(())
    });
    assert_ne!(
        container.instance.wait_exit(Duration::from_secs(5)),
        0,
        "and nobody takes it for a clean end"
    );
}

/// What can be said of the files without a container engine: the options that this behaviour depends on are there, and the
/// stages' names and paths agree.
#[test]
fn the_examples_ask_for_what_it_needs() {
    let read = |name: &str| fs::read_to_string(project().join("config").join(name)).unwrap();
    let instructions = |text: &str| -> Vec<String> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines.map(str::to_owned).collect()
    };
    let dockerfile = instructions(&read("Dockerfile"));
    // What runs is the last stage; the others are named, to be copied from.
    let last = dockerfile.iter().rposition(|line| line.starts_with("FROM ")).expect("a stage");
    let (before, image) = dockerfile.split_at(last);
    let argument = |name: &str| -> Vec<&str> {
        image.iter().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).collect()
    };
    let stages: Vec<_> =
        before.iter().filter_map(|line| Some(line.strip_prefix("FROM ")?.rsplit_once(" AS ")?.1)).collect();
    let from = argument("COPY")[0].strip_prefix("--from=").expect("from a stage that builds");
    let (stage, source) = from.split_once(' ').expect("a stage and a path");
    assert!(stages.contains(&stage) && source.starts_with("/source/target/release/"), "{from}");
    for copied in ["kafkavisor", "kafkavisor-worker"] {
        assert!(argument("COPY").iter().any(|copy| copy.contains(&format!("/{copied} "))), "{copied}");
    }
    for exec_form in [argument("ENTRYPOINT")[0], argument("CMD")[0]] {
        let words: Vec<String> = serde_json::from_str(exec_form).expect("a JSON array is the exec form");
        assert!(!words.iter().any(|word| word == "sh"), "no shell is pid 1");
    }
    assert_eq!(argument("STOPSIGNAL"), ["SIGTERM"]);
    let directory = argument("ENV")[0].strip_prefix("RUNTIME_DIRECTORY=").expect("the runtime directory");

    let compose = instructions(&read("compose.yaml"));
    let mount = compose.iter().find_map(|line| line.strip_prefix("- ")?.split_once(":mode=1777"));
    assert!(directory.starts_with(&format!("{}/", mount.expect("a tmpfs").0)), "{directory} is on the tmpfs");
    let grace = compose.iter().find_map(|line| line.strip_prefix("stop_grace_period: ")?.strip_suffix('s'));
    assert!(grace.unwrap().parse::<u64>().unwrap() > 20, "more than twice stop.timeout");
    assert!(compose.contains(&"init: false".to_owned()), "it is pid 1 itself");
}
