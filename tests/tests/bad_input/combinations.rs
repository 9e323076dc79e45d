//! Combinations of a file and flags: 78.

use crate::running::*;

#[test]
fn a_wrong_combination_is_78() {
    let fixed = "group: g\ncluster: {brokers: '127.0.0.1:1'}\nhandler: {command: [./handler]}\n\
                 assignment: {mode: static, partitions: {t: [0]}}\n";
    let batch = RIGHT.replace("[./handler]", "[./handler], protocol: exec, batch: {messages: 5}");
    let no_handler = RIGHT.replace("handler: {command: [./handler]}\n", "");
    let no_zookeeper = RIGHT.replace(" zookeeper: '127.0.0.1:1',", "");
    let misspelt = RIGHT.replace("zookeeper", "zookeper");
    let cases: [(&str, &str, &[&str]); 6] = [
        (fixed, "-t other", &["topic other", "assignment.partitions"]),
        (&batch, "--protocol jsonl", &["`handler.batch` is for protocol exec only"]),
        (&no_handler, "", &["no handler: set `handler.command`"]),
        (&no_zookeeper, "", &["no ZooKeeper: set `cluster.zookeeper`"]),
        (&misspelt, "--from newest", &["k.yaml:3:", "did you mean `zookeeper`?", "--from: "]),
        (RIGHT, "--partitions u:0 -t t", &["topic t has no partitions"]),
    ];
    let scene = Scene::new();
    let mut table = Table::default();
    for (text, flags, says) in cases {
        scene.write("k.yaml", text);
        // The last of them is the flags' own fault: what the file says does not matter to it.
        let code = if flags.contains("--partitions") { 64 } else { 78 };
        for command in ["check", "run"] {
            let line = format!("{command} -c k.yaml {flags}");
            let ran = scene.run(&words(&line));
            table.note(&words(&line), Some(text), &ran, &ran.complaints(code, says));
        }
    }
    table.assert_empty();
}
