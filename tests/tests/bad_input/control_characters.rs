//! Control characters and line breaks in what somebody types: written out wherever a message repeats them.

use kafkavisor::testing::{DiscoveryService, Served};

use crate::running::*;

/// A line break, and what a terminal would obey.
const EVIL: &str = "e\nvil\x1b[31m\u{9b}\r";

/// Each runs with `EVIL` in place of `{}`, and says it as text alone.
#[track_caller]
fn said_as_text(scene: &Scene, lines: &[&str]) {
    let mut table = Table::default();
    for line in lines {
        let arguments: Vec<String> = line.split(' ').map(|word| word.replace("{}", EVIL)).collect();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let ran = scene.run(&arguments);
        let mut wrong = Vec::new();
        let all = format!("{}{}", ran.stdout, ran.stderr);
        if all.contains(|c: char| c.is_control() && c != '\n') {
            wrong.push(format!("a control character is raw: {all:?}"));
        }
        if all.contains("e\nvil") {
            wrong.push("a line break is raw".to_owned());
        }
        if !all.contains(r"e\nvil") {
            wrong.push("it does not say what was given".to_owned());
        }
        table.note(&[line], None, &ran, &wrong);
    }
    table.assert_empty();
}

#[test]
fn on_the_command_line() {
    said_as_text(
        &Scene::new(),
        &[
            "{}",
            "clusters --{}",
            "topics --{}",
            "clusters --type t {}",
            "clusters --type t --discovery {}",
            "clusters --type {} --region r --discovery http://127.0.0.1:1",
            "clusters --type t --name {} --discovery http://127.0.0.1:1",
            "topics -b {}",
            "topics ({} -b k:1",
            "logs {} --region r --discovery http://127.0.0.1:1",
            "logs {} --region {} --discovery http://127.0.0.1:1",
            "lag -b {} -g g",
            "lag -b k:1 -g {}",
            "lag -b k:1 -g g -t {}",
            "lag -b k:1 -g g --storage {}",
            "members -z {} -g g",
            "offsets set -b k:1 -g g {}",
            "offsets set -b k:1 -g g -t t --to {}",
            "run -b k:1 -z z:1 -g g -t t --protocol {} -- ./handler",
            "run -b k:1 -z z:1 -g g -t t -- {}",
            "run -b {} -z {} -g {} -t {} -- ./handler",
            "status --name {}",
            "status --group {}",
            "status --socket {}",
            "stop --socket {}",
            "pause {}",
            "seek {} 5",
        ],
    );
}

#[test]
fn in_names_of_files() {
    let scene = Scene::new();
    scene.write(EVIL, "group: [\n");
    std::fs::create_dir(scene.path("folder")).unwrap();
    scene.write(&format!("folder/{EVIL}.yaml"), "clusters: {}\nlocal_config:\n");
    scene.write("topology.yaml", "discovery: {services: none, topology: [folder]}\n");
    scene.write("services.yaml", r#"discovery: {services: "e\nvil\e[31m\x9b\r"}"#);
    scene.write("nowhere.yaml", r#"discovery: {services: none, topology: ["no/e\nvil\e[31m\x9b\r"]}"#);
    scene.write("region.yaml", r#"discovery: {url: "http://127.0.0.1:1", region: "no-e\nvil\e[31m\x9b\r"}"#);
    said_as_text(
        &scene,
        &[
            "check -c {}",
            "check -c no-{}",
            "run -c {}",
            "clusters --type t -c no-{}",
            "clusters --type t -c {}",
            "clusters --type t -c services.yaml",
            "clusters --type t -c nowhere.yaml",
            "clusters --type {} -c topology.yaml",
            "clusters --type no-{} -c topology.yaml",
            "clusters --type a/{} -c topology.yaml",
            "logs a -c region.yaml",
            "offsets restore -b k:1 -g g no-{}",
            "offsets restore -b k:1 -g g {}",
            "run -b k:1 -z z:1 -g g -t t --worker-binary no-{} -- ./handler",
        ],
    );
    scene.write(EVIL, "group: g\nstorage: kafka\noffsets: {}\n");
    said_as_text(&scene, &["offsets restore -b k:1 -g g {}", "offsets restore -b k:1 -g g -t t {}"]);
}

#[test]
fn in_what_discovery_answers() {
    let served = Served { broker_list: vec![format!("127.0.0.1:1{EVIL}")], ..Served::default() };
    let service = DiscoveryService::start(served).unwrap();
    let url = service.url();
    said_as_text(
        &Scene::new(),
        &[
            &format!("clusters --type t --discovery {url}"),
            &format!("topics --type t --discovery {url}"),
            &format!("clusters --type t --region {{}} --discovery {url}"),
            &format!("logs {{}} --superregion {{}} --discovery {url}"),
        ],
    );
}
