//! `kafkavisor demo` needs nothing and ends by itself, having shown a dead letter, a kill and a restart.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Output, Stdio};

use kafkavisor_tests::environment::kafkavisor;
use kafkavisor_tests::handlers;
use kafkavisor_tests::processes::{MARK, marked_with, signal};
use kafkavisor_tests::waiting::until;
use kafkavisor_tests::web::get;
use nix::sys::signal::Signal;

fn demo(arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(kafkavisor())
        .arg("demo")
        .args(arguments)
        .current_dir(folder.path())
        .env(MARK, folder.path())
        .stdin(Stdio::null())
        .output()
        .expect("kafkavisor runs");
    until("nothing of the demo is left", || marked_with(folder.path()).is_empty().then_some(()));
    output
}

/// The number in the summary's line that begins with `word`.
fn number(text: &str, word: &str) -> u64 {
    let summary = text.rsplit_once("Summary").unwrap_or_else(|| panic!("no summary in {text}")).1;
    let line = summary.lines().find(|line| line.trim_start().starts_with(word));
    let line = line.unwrap_or_else(|| panic!("no {word} in {summary}"));
    let digits = line.split_whitespace().nth(1).unwrap().replace(',', "");
    digits.trim_end_matches(|c: char| !c.is_ascii_digit()).parse().unwrap()
}

#[test]
fn the_demo_shows_a_dead_letter_and_a_restart_and_loses_nothing() {
    let output = demo(&["--seconds", "6"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("SIGKILL") && text.contains("orders:2 was given an order"), "{text}");
    assert!(text.contains("  dead letters  1\n"), "{text}");
    assert_eq!((number(&text, "lag"), number(&text, "restarts")), (0, 1), "{text}");
    assert!(number(&text, "produced") > 100, "{text}");
    assert!(number(&text, "acknowledged") >= number(&text, "produced"), "{text}");
    assert!(!text.contains('\u{1b}'), "no colour where it is no terminal");
}

/// Its Kafka answers a fetch that has found nothing only when all of its wait is over: that must be a short one.
#[test]
fn messages_come_as_they_are_produced() {
    let folder = tempfile::tempdir().unwrap();
    let ages = folder.path().join("ages");
    let ages = ages.to_str().unwrap();
    let output = demo(&["--seconds", "8", "--", "python3", "-c", NOTES_AGES, ages]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let ages = std::fs::read_to_string(ages).unwrap();
    let mut ages: Vec<i64> = ages.lines().map(|line| line.parse().unwrap()).collect();
    ages.sort_unstable();
    // All but those that met a start.
    let most = ages[ages.len() * 9 / 10];
    assert!(most < 1000, "most came within {most} ms, of {} in all", ages.len());
}

/// A handler: writes how old each message is.
const NOTES_AGES: &str = r#"
import json, sys, time
ages = open(sys.argv[1], "a", buffering=1)
for line in sys.stdin:
    request = json.loads(line)
    if request["type"] == "message":
        ages.write("%d\n" % (time.time() * 1000 - request["timestamp"]))
        print(json.dumps({"ack": request["offset"]}), flush=True)
"#;

#[test]
fn with_a_page_it_goes_on_until_it_is_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let mut demo = Command::new(kafkavisor())
        .args(["demo", "--seconds", "4", "--http", "127.0.0.1:0"])
        .env(MARK, folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut after = |words: &str| lines.find_map(|line| Some(line.split_once(words)?.1.to_owned())).unwrap();
    let page = after("the page is at ");
    let address = page.trim_start_matches("http://").trim_end_matches('/').parse().unwrap();
    assert!(get(address, "/").body.contains("<title>"), "{page}");
    let look = after("and: kafkavisor ");
    after("orders:2 was given an order");
    let letters = Command::new(kafkavisor()).args(look.split(' ')).output().unwrap();
    let letters = String::from_utf8(letters.stdout).unwrap();
    assert!(letters.contains("orders:2:") && letters.contains("invalid type"), "{letters}");
    after("killing the worker of orders:0");
    after("orders:0 has a new worker");
    after("killing the worker of orders:1");
    after("orders:1 has a new worker");
    assert!(get(address, "/events").body.contains("worker was killed by SIGKILL"));
    signal(demo.id().try_into().unwrap(), Signal::SIGINT);
    let rest: Vec<String> = lines.collect();
    assert_eq!(demo.wait().unwrap().code(), Some(0), "{rest:#?}");
    let text = rest.join("\n");
    assert_eq!((number(&text, "lag"), number(&text, "restarts")), (0, 2), "{text}");
    until("nothing of the demo is left", || marked_with(folder.path()).is_empty().then_some(()));
}

#[test]
fn an_address_that_is_taken_is_said() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = demo(&["--http", &address]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(78) && said.contains(&address), "{said}");
}

#[test]
fn the_demo_takes_a_handler_of_ones_own() {
    let output = demo(&["--seconds", "5", "--", &handlers::python()]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(number(&text, "lag"), 0, "{text}");
    assert_eq!(demo(&["--", "./no-such-handler"]).status.code(), Some(78));
}

#[test]
fn what_is_wrong_with_a_demo_has_the_exit_codes_of_everything_else() {
    let output = demo(&["--http", "nonsense"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(64) && said.contains("nonsense"), "{said}");
    let output = Command::new(kafkavisor()).arg("demo").env("TMPDIR", "/proc").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(78) && said.contains("set TMPDIR"), "{said}");
}
