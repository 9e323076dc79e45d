//! `kafkavisor demo` needs nothing and ends by itself, having shown a kill and a restart.

use std::process::{Command, Output, Stdio};

use kafkavisor_tests::environment::kafkavisor;
use kafkavisor_tests::handlers;
use kafkavisor_tests::processes::{MARK, marked_with};
use kafkavisor_tests::waiting::until;

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
fn the_demo_shows_a_restart_and_loses_nothing() {
    let output = demo(&["--seconds", "6"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("SIGKILL"), "{text}");
    assert_eq!((number(&text, "lag"), number(&text, "restarts")), (0, 1), "{text}");
    assert!(number(&text, "produced") > 100, "{text}");
    assert!(number(&text, "acknowledged") >= number(&text, "produced"), "{text}");
    assert!(!text.contains('\u{1b}'), "no colour where it is no terminal");
}

#[test]
fn the_demo_takes_a_handler_of_ones_own() {
    let output = demo(&["--seconds", "5", "--", &handlers::python()]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(number(&text, "lag"), 0, "{text}");
    assert_eq!(demo(&["--", "./no-such-handler"]).status.code(), Some(78));
}
