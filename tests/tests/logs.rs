//! What the log says, to people and to programs: whose each line is, how much there is of it, and from which level on.

use std::collections::BTreeSet;
use std::time::Duration;

use kafkavisor::clock;
use kafkavisor_tests::instance::{Builder, Instance};
use kafkavisor_tests::message::numbered;
use kafkavisor_tests::topic::Topic;
use kafkavisor_tests::waiting::until;
use nix::sys::signal::Signal;
use serde_json::Value;

/// Every line of a log in JSON, whole ones only.
fn objects(instance: &Instance) -> Vec<Value> {
    let log = instance.log();
    let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line:?}")))
        .collect()
}

fn saying<'a>(lines: &'a [Value], words: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["message"].as_str().unwrap().contains(words)).collect()
}

#[test]
fn json_lines_have_the_same_keys_and_say_in_fields_whose_they_are() {
    let topic = Topic::new(2);
    let instance = Builder::fixed(&topic, &[0, 1])
        .set("log.format", "json")
        .set("log.level", "debug")
        .shell("echo '{\"busy\":1,\"x\":2}'; echo \"of $$\" >&2; echo 'told \"you\"' >&2; [ $KAFKAVISOR_PARTITION = 0 ] || exit 3; exec cat >/dev/null")
        .start();
    instance.wait_for("one is ready, the other in a crash loop", |status| {
        status.partitions.len() == 2
            && status.state_of(0) == "ready"
            && status.partition(1).restarts_total > 0
    });
    let (handler, worker) = (
        instance.status().unwrap().partition(0).handler_pid,
        instance.status().unwrap().partition(0).worker_pid,
    );
    let lines = until("the handler has spoken", || {
        let lines = objects(&instance);
        (!saying(&lines, "told").is_empty()).then_some(lines)
    });
    for line in &lines {
        let keys: BTreeSet<&str> = line.as_object().unwrap().keys().map(String::as_str).collect();
        let all = ["level", "message", "partition", "pid", "target", "time", "topic"];
        assert_eq!(keys, all.into(), "{line}");
        assert!(["error", "warn", "info", "debug"].contains(&line["level"].as_str().unwrap()), "{line}");
        assert_eq!(line["topic"].is_null(), line["partition"].is_null(), "{line}");
        assert!(!line["message"].as_str().unwrap().contains(&format!("{}:", topic.name)), "{line}");
    }
    // The handler's own.
    let handlers = |words: &str| {
        let of_handlers = |line: &&Value| line["target"] == "handler" && line["partition"] == 0;
        saying(&lines, words).into_iter().find(of_handlers).cloned().unwrap()
    };
    let told = handlers("told");
    assert_eq!(
        (told["message"].as_str(), told["topic"].as_str()),
        (Some("told \"you\""), Some(&*topic.name))
    );
    assert_eq!(told["pid"].as_i64(), handler.map(i64::from));
    assert_eq!(handlers("of")["message"], format!("of {}", handler.unwrap()));
    // Its worker's, and the supervisor's about a partition and about none.
    let of = |pid: i32, partition: Value| {
        lines
            .iter()
            .any(|line| line["pid"] == pid && line["partition"] == partition && line["target"] != "handler")
    };
    assert!(of(worker.unwrap(), 0.into()) && of(instance.pid(), 1.into()), "{lines:#?}");
    instance.stop();
    assert!(of_none(&objects(&instance), instance.pid()));
}

fn of_none(lines: &[Value], pid: i32) -> bool {
    lines.iter().any(|line| line["pid"] == pid && line["partition"].is_null() && line["topic"].is_null())
}

#[test]
fn a_level_that_is_changed_holds_for_workers_that_run_as_for_the_supervisor() {
    let topic = Topic::new(1);
    let mut instance = Builder::fixed(&topic, &[0])
        .set("log.level", "error")
        .shell("while read -r line; do echo \"heard $line\" >&2; done")
        .start();
    instance.wait_for("it works", |status| status.is_ready(1));
    assert_eq!(instance.log(), "", "nothing is an error");
    instance.reconfigure(|builder| builder.set("log.level", "info"));
    instance.signal(Signal::SIGHUP);
    // Its worker was started before the level was.
    until("the roll is over", || {
        let status = instance.ask("status", &["--json"]).stdout;
        String::from_utf8_lossy(&status).contains("\"done\"").then_some(())
    });
    topic.produce(&numbered(1, 1));
    instance.wait_for_log("heard {\"type\":\"message\"");
    instance.signal(Signal::SIGUSR1);
    instance.wait_for_log(&format!("{}: running", instance.group()));
    instance.kill();
}

/// Lines that it writes before it dies.
const SAID: u64 = 10_000;
const PARTITIONS: usize = 4;

/// Which lines of the log are of handlers, by partition, and how many more are said to be left out.
fn handlers_lines(lines: &[Value]) -> ([u64; PARTITIONS], u64) {
    let (mut passed, mut left_out) = ([0; PARTITIONS], 0);
    for line in lines.iter().filter(|line| line["target"] == "handler") {
        let message = line["message"].as_str().unwrap();
        match message.strip_suffix(" more lines were left out") {
            Some(count) => left_out += count.parse::<u64>().unwrap(),
            None => passed[usize::try_from(line["partition"].as_u64().unwrap()).unwrap()] += 1,
        }
    }
    (passed, left_out)
}

/// What the pages say of lines that nobody will read.
fn dropped(instance: &Instance) -> u64 {
    const WORD: usize = 21;
    let files = std::fs::read_dir(instance.folder().join("run")).unwrap().map(|file| file.unwrap().path());
    let pages = files.filter(|file| file.extension().is_some_and(|ending| ending == "page"));
    // One that is just being made counts nothing yet.
    let bytes = |page| std::fs::read(page).ok()?.get(8 * WORD..)?.first_chunk().copied();
    pages.filter_map(bytes).map(u64::from_ne_bytes).sum()
}

#[test]
fn a_crash_loop_does_not_flood_and_each_line_is_passed_on_or_counted() {
    let topic = Topic::new(i32::try_from(PARTITIONS).unwrap());
    let script = format!("yes spam | head -n {} >&2; echo why >&2; exit 3", SAID - 1);
    let partitions: Vec<i32> = (0..).take(PARTITIONS).collect();
    let instance = Builder::fixed(&topic, &partitions)
        .set("log.format", "json")
        .set("restart", serde_json::json!({"initial": "10ms", "max": "30ms"}))
        .shell(&script)
        .start();
    let began = clock::now();
    let mut counted = 0;
    let status = instance.wait_for("they have died often", |status| {
        let now_counted = dropped(&instance);
        assert!(now_counted >= counted, "it only grows, whatever becomes of workers");
        counted = now_counted;
        status.partitions.len() == PARTITIONS && status.partitions.iter().all(|p| p.restarts_total >= 12)
    });
    instance.signal(Signal::SIGTERM);
    instance.wait_exit(Duration::from_secs(20));
    let seconds = began.elapsed().as_secs() + 1;
    let deaths: u64 = status.partitions.iter().map(|partition| partition.restarts_total).sum();
    let lines = objects(&instance);
    let (passed, left_out) = handlers_lines(&lines);
    // A thousand a second of a worker and of its successor, and the last twenty of each death.
    let most = 2000 * seconds + 1000 + 20 * deaths;
    assert!(passed.iter().all(|passed| *passed <= most), "{passed:?} in {seconds} s");
    assert!(passed.iter().sum::<u64>() < SAID * deaths / 2, "{passed:?} of {deaths} deaths");
    assert!(
        passed.iter().sum::<u64>() + left_out >= SAID * deaths,
        "{passed:?} and {left_out} of {deaths} deaths"
    );
    assert!(counted > 0 && counted <= left_out, "{counted} of {left_out} on the pages");
    let words = saying(&lines, "why").len();
    assert!(u64::try_from(words).unwrap() >= deaths, "why each died, {deaths} times: {words}");
}

#[test]
fn each_change_of_a_partitions_state_is_one_line_that_says_why_and_what_comes_next() {
    let topic = Topic::new(1);
    topic.produce(&numbered(1, 1));
    let instance = Builder::fixed(&topic, &[0])
        .set("restart", serde_json::json!({"initial": "20ms", "max": "100ms"}))
        .shell(
            "[ -e mended ] || exit 3; while read -r line; do case $line in *'\"stop\"'*) exit;; \
             *'\"message\"'*) echo '{\"ack\":0}';; esac; done",
        )
        .start();
    instance.wait_for("it is in a crash loop", |status| {
        status.partitions.len() == 1 && status.partition(0).restarts_total >= 7
    });
    std::fs::write(instance.folder().join("mended"), "").unwrap();
    let status = instance.wait_consumed(&topic, 1);
    let deaths = status.partition(0).restarts_total;
    instance.wait_for_log("the crash loop is over");
    instance.stop();
    let log = instance.log();
    let lines = |words: &str| u64::try_from(log.lines().filter(|line| line.contains(words)).count()).unwrap();
    let place = format!("{}:0", topic.name);
    for (words, times) in [
        ("assigned to us: where it begins is looked up", 1),
        (" started at offset 0", deaths + 1),
        ("handler exited with status 3; started again in ", 4),
        ("crash loop: handler exited with status 3; tried again in ", deaths - 4),
        (&format!("or by `kafkavisor restart {place}`"), deaths - 4),
        ("ready: its handler runs, and Kafka answers", lines("ready: ").max(1)),
        ("the crash loop is over: something was acknowledged", 1),
        ("stopping: its handler finishes what it has, for 20s at most; then it is released", 1),
        (": released", 1),
    ] {
        assert_eq!(lines(words), times, "{words:?} in\n{log}");
    }
}
