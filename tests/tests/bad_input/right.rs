//! What is right is not refused.

use std::process::Stdio;

use crate::running::*;

#[test]
fn what_is_right_is_shown_resolved() {
    let scene = Scene::new();
    scene.write("k.yaml", RIGHT);
    let ran = scene.run(&["check", "-c", "k.yaml"]);
    ran.assert_clean();
    assert!(ran.stdout.contains("session_timeout: 10s"), "{}", ran.stdout);
    scene.write("again.yaml", &ran.stdout);
    assert_eq!(
        scene.run(&["check", "-c", "again.yaml"]).stdout,
        ran.stdout,
        "what is printed is a configuration"
    );
    let json = scene.run(&["check", "-c", "k.yaml", "--json"]);
    json.assert_clean();
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["handler"]["command"], serde_json::json!(["./handler"]));
}

#[test]
fn every_command_has_help_with_examples() {
    let scene = Scene::new();
    for command in [
        "run",
        "check",
        "demo",
        "status",
        "stop",
        "pause",
        "resume",
        "restart",
        "skip",
        "seek",
        "clusters",
        "topics",
        "logs",
        "completions",
        "man",
    ] {
        for flag in ["--help", "-h"] {
            let ran = scene.run(&[command, flag]);
            ran.assert_clean();
            assert!(ran.stdout.contains(&format!("Usage: kafkavisor {command}")), "{}", ran.stdout);
            assert!(ran.stdout.contains(&format!("  kafkavisor {command}")), "an example:\n{}", ran.stdout);
        }
    }
    let ran = scene.run(&["--help"]);
    ran.assert_clean();
    for text in ["Exit codes", "64", "69", "75", "78"] {
        assert!(ran.stdout.contains(text), "{text}:\n{}", ran.stdout);
    }
    let version = scene.run(&["--version"]);
    version.assert_clean();
    assert!(version.stdout.starts_with("kafkavisor "), "{}", version.stdout);
}

#[test]
fn completions_and_pages_of_the_manual_are_printed() {
    let scene = Scene::new();
    for (arguments, text) in [
        (["completions", "bash"].as_slice(), "complete -F"),
        (&["completions", "zsh"], "#compdef kafkavisor"),
        (&["completions", "fish"], "complete -c kafkavisor"),
        (&["man"], ".TH kafkavisor"),
        (&["man", "offsets", "set"], ".TH kafkavisor-offsets-set 1 "),
        (&["man", "kafkavisor.yaml"], ".TH kafkavisor.yaml 5 "),
    ] {
        let ran = scene.run(arguments);
        ran.assert_clean();
        assert!(ran.stdout.contains(text), "{arguments:?} has {text:?}:\n{}", ran.stdout);
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let scene = Scene::new();
    scene.write("k.yaml", RIGHT);
    let program = kafkavisor();
    let mut failed = Vec::new();
    for arguments in ["completions bash", "man", "check -c k.yaml", "--help"] {
        // The reading end is closed before anything is written.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = scene.command(&program, &words(arguments));
        let mut child = command.stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
        let status = child.wait().unwrap();
        let said = std::io::read_to_string(child.stderr.take().unwrap()).unwrap();
        if !status.success() || !said.is_empty() {
            failed.push(format!(
                "{arguments}: {status}: {}",
                said.lines().take(3).collect::<Vec<_>>().join(" ")
            ));
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn no_color_is_honoured_on_a_terminal() {
    let scene = Scene::new();
    // Colours are `ESC [ ... m`; a live table moves the cursor, which is no colour.
    let coloured = |shown: &str| {
        shown
            .split("\x1b[")
            .skip(1)
            .any(|s| s.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';').starts_with('m'))
    };
    let usage = ["frobnicate"];
    assert!(coloured(&scene.run_on_a_terminal(&usage, false)), "a terminal has colours");
    assert!(!coloured(&scene.run_on_a_terminal(&usage, true)));
    let demo = scene.run_on_a_terminal(&["demo", "--seconds", "4"], true);
    assert!(demo.contains("Summary") && !coloured(&demo), "{demo}");
    let plain = scene.run(&["demo", "--seconds", "4"]);
    plain.assert_clean();
    assert!(plain.stdout.contains("Summary") && !plain.stdout.contains('\x1b'), "{}", plain.stdout);
}
