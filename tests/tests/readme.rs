//! The README promises what happens when something fails, `docs/yelp-kafka.md` that a function of yelp_kafka is here, and
//! `docs/architecture.md` that invariants are guarded: a test stands behind each row, and a patch that takes it out behind each guard.

use std::path::Path;
use std::process::Command;

use kafkavisor_tests::environment::{kafkavisor, project};

#[test]
fn a_test_stands_behind_each_row_of_the_table() {
    let readme = std::fs::read_to_string(project().join("README.md")).unwrap();
    let table = readme.lines().skip_while(|line| !line.starts_with("| what happens when"));
    let rows: Vec<_> = table.skip(2).take_while(|line| line.starts_with('|')).collect();
    assert!(rows.len() > 30, "the table is there: {} rows", rows.len());
    let mut missing = Vec::new();
    for row in rows {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [_, _, test] = cells.as_slice() else { panic!("three cells: {row}") };
        let (file, name) =
            test.trim_matches('`').split_once("::").unwrap_or_else(|| panic!("FILE::TEST: {row}"));
        let path = project().join(format!("tests/tests/{file}.rs"));
        let source =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        if !source.contains(&format!("#[test]\nfn {name}() {{")) {
            missing.push(test.to_string());
        }
    }
    assert!(missing.is_empty(), "no such tests: {missing:#?}");
}

#[test]
fn each_guard_that_is_taken_out_is_named_in_the_architecture() {
    let text = std::fs::read_to_string(project().join("docs/architecture.md")).unwrap();
    let patches = std::fs::read_dir(project().join("tests/guards")).unwrap();
    let names: Vec<String> = patches
        .filter_map(|file| Some(file.unwrap().file_name().to_str()?.strip_suffix(".patch")?.to_owned()))
        .collect();
    assert!(names.len() > 40, "the guards are there: {names:?}");
    // The table of S1 leaves that away.
    let is_named = |name: &String| {
        let (_, rest) = name.split_once('-').expect("INVARIANT-GUARD");
        [name.as_str(), rest].iter().any(|name| text.contains(&format!("`{name}`")))
    };
    let unnamed: Vec<_> = names.iter().filter(|name| !is_named(name)).collect();
    assert!(unnamed.is_empty(), "not in docs/architecture.md: {unnamed:#?}");
}

/// All Rust sources below `folder`, as one text.
fn sources(folder: &Path, text: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&std::fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn each_test_that_yelp_kafka_md_names_is_there() {
    let page = std::fs::read_to_string(project().join("docs/yelp-kafka.md")).unwrap();
    let mut all = String::new();
    for folder in ["shared", "supervisor", "tests", "worker"] {
        sources(&project().join(folder), &mut all);
    }
    let last_cells =
        page.lines().filter(|line| line.starts_with("| `")).filter_map(|line| line.rsplit('|').nth(1));
    let named: Vec<&str> = last_cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    assert!(named.len() > 20, "the tables are there: {named:?}");
    let name = |path: &str| path.rsplit("::").next().unwrap_or_default().to_owned();
    let missing = named
        .iter()
        .filter(|path| !["fn", "mod"].iter().any(|word| all.contains(&format!("{word} {}", name(path)))));
    let missing: Vec<_> = missing.collect();
    assert!(missing.is_empty(), "no such tests: {missing:#?}");
}

/// Of a code span.
fn between_backticks(span: &str) -> &str {
    let ticks = if span.starts_with("``") { "``" } else { "`" };
    span.strip_prefix(ticks).and_then(|rest| rest.strip_suffix(ticks)).expect("a message").trim()
}

/// What is said of logins, certificates and rights, and must be explained.
const TROUBLES: [&str; 3] = [
    "shared/kafka/src/trouble/words.rs",
    "shared/kafka/src/trouble/tls.rs",
    "shared/zookeeper/src/trouble.rs",
];

/// The messages of a source's errors: what stands in them between what is put in.
fn messages_of(source: &str) -> Vec<Vec<String>> {
    let source = source.split("\\\n").map(str::trim_start).collect::<String>();
    let errors = source.split("#[error(").skip(1);
    let texts = errors.filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next());
    let pieces = |text: &str| {
        let fixed = text.split('{').map(|part| part.split_once('}').map_or(part, |(_, fixed)| fixed));
        let pieces = fixed.flat_map(|fixed| fixed.split(['(', ')', ':'])).map(str::trim);
        pieces.filter(|piece| piece.len() > 1).map(str::to_owned).collect::<Vec<_>>()
    };
    texts.map(pieces).filter(|pieces| !pieces.is_empty()).collect()
}

#[test]
fn each_trouble_has_its_section_in_troubleshooting_md() {
    let page = std::fs::read_to_string(project().join("docs/troubleshooting.md")).unwrap();
    let headings: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    let source = |file: &str| std::fs::read_to_string(project().join(file)).unwrap();
    let mut messages: Vec<_> = TROUBLES.iter().flat_map(|file| messages_of(&source(file))).collect();
    // Of Kafka's errors those about rights.
    let rights = messages_of(&source("shared/kafka/src/error.rs"));
    messages.extend(rights.into_iter().filter(|pieces| pieces[0].starts_with("not allowed")));
    assert!(messages.len() > 25, "the messages are there: {messages:?}");
    let has_section = |pieces: &&Vec<String>| {
        headings.iter().any(|heading| pieces.iter().all(|piece| heading.contains(piece.as_str())))
    };
    let missing: Vec<_> = messages.iter().filter(|pieces| !has_section(pieces)).collect();
    assert!(missing.is_empty(), "no section about: {missing:#?}");
}

/// As `--help` lists them, also those below another.
#[test]
fn each_command_is_shown_in_the_readme_with_its_output() {
    let readme = std::fs::read_to_string(project().join("README.md")).unwrap();
    let lines: Vec<&str> = readme.lines().collect();
    let shown = |command: &str| {
        let is_it = |line: &&str| {
            line.strip_prefix("$ kafkavisor ")
                .is_some_and(|rest| format!("{rest} ").starts_with(&format!("{command} ")))
        };
        lines.iter().any(is_it) || lines.contains(&format!("$ script/{command} --seconds 8").as_str())
    };
    let mut all = Vec::new();
    for command in commands_of(&[]) {
        let below = commands_of(&[&command]);
        if below.is_empty() {
            all.push(command);
        } else {
            all.extend(below.iter().map(|one| format!("{command} {one}")));
        }
    }
    assert!(all.len() > 25, "{all:?}");
    let missing: Vec<_> = all.iter().filter(|command| !shown(command)).collect();
    assert!(missing.is_empty(), "not shown: {missing:?}");
}

fn commands_of(command: &[&str]) -> Vec<String> {
    let output = Command::new(kafkavisor()).args(command).arg("--help").output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let Some((_, list)) = help.split_once("\nCommands:\n") else { return Vec::new() };
    let list = list.split_once("\n\n").unwrap().0;
    let name = |line: &str| {
        line.strip_prefix("  ")
            .filter(|rest| !rest.starts_with(' '))
            .map(|rest| rest.split(' ').next().unwrap().to_owned())
    };
    list.lines().filter_map(name).filter(|name| name != "help").collect()
}

/// What they are is told by the program: the listing's states, the reasons of the metrics, the codes of `--help`.
#[test]
fn each_state_reason_and_exit_code_has_its_row_in_troubleshooting_md() {
    let page = std::fs::read_to_string(project().join("docs/troubleshooting.md")).unwrap();
    let source = |file: &str| std::fs::read_to_string(project().join(file)).unwrap();
    let states = source("supervisor/src/observe/metrics/instance.rs");
    let states = states.split_once("\"starting\"").unwrap().1.split_once(']').unwrap().0;
    let states = format!("\"starting\"{states}");
    let reasons = source("supervisor/core/src/reason.rs");
    let reasons = reasons.split_once("pub fn name(self)").unwrap().1.split_once("\n    }\n").unwrap().0;
    let quoted = |text: &str| text.split('"').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let (states, reasons) = (quoted(&states), quoted(reasons));
    assert!(states.len() == 8 && reasons.len() == 9, "{states:?} {reasons:?}");
    let help = source("supervisor/src/exit.rs");
    let codes = help.split_once("pub(crate) enum Exit {").unwrap().1.split_once("\n}").unwrap().0;
    let codes: Vec<_> =
        codes.lines().filter_map(|line| line.trim().trim_end_matches(',').split_once(" = ")).collect();
    assert!(codes.len() >= 7, "{codes:?}");
    let named = states.iter().chain(&reasons).map(|name| format!("| `{name}`"));
    let rows = named.chain(codes.iter().map(|(_, code)| format!("| {code} |")));
    let missing: Vec<_> =
        rows.filter(|row| !page.lines().any(|line| line.starts_with(row.as_str()))).collect();
    assert!(missing.is_empty(), "no row: {missing:?}");
}

#[test]
fn each_message_in_troubleshooting_md_is_one_that_is_said() {
    let page = std::fs::read_to_string(project().join("docs/troubleshooting.md")).unwrap();
    let mut all = String::new();
    for folder in ["shared", "supervisor", "worker"] {
        sources(&project().join(folder), &mut all);
    }
    // A text that goes on in the next line.
    let pieces = all.split("\\\n").map(str::trim_start);
    let all = pieces.collect::<String>();
    let headings = page.lines().filter_map(|line| line.strip_prefix("### "));
    let messages: Vec<&str> = headings.map(between_backticks).collect();
    assert!(messages.len() > 30, "the messages are there: {messages:?}");
    let is_said = |words: &&str| all.contains(words.trim());
    let words = messages.iter().flat_map(|message| message.split(['…', ':', '(', ')']));
    let missing: Vec<_> = words.filter(|words| !is_said(words)).collect();
    assert!(missing.is_empty(), "nobody says that: {missing:#?}");
}
