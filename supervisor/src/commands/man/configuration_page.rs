//! kafkavisor.yaml(5): the example that names every key, with its comments as prose between the keys.

use clap_mangen::roff::{Roff, bold, italic, roman};

use super::typesetting::{finished, fixed};

pub(super) const NAME: &str = "kafkavisor.yaml";

const EXAMPLE: &str = include_str!("../../../../config/kafkavisor.yaml");

/// What a group in ZooKeeper needs at least.
const SHORT: [&str; 4] = [
    "group: services.billing",
    "topics: [orders]",
    "cluster: {brokers: [k1:9092], zookeeper: zk1:2181/kafka}",
    "handler: {command: [/usr/local/bin/billing]}",
];

pub(super) fn render() -> String {
    let mut roff = Roff::new();
    roff.control("TH", [NAME, "5", super::NO_DATE, super::SOURCE, super::MANUAL]);
    roff.control("SH", ["NAME"]).text([roman(format!("{NAME} - configuration of kafkavisor"))]);
    roff.control("SH", ["SYNOPSIS"]).text([bold("kafkavisor run -c "), italic("FILE")]);
    roff.control("SH", ["DESCRIPTION"]);
    let parts = parts(EXAMPLE);
    let (head, keys) = parts.split_at(1);
    head.iter().for_each(|part| write(&mut roff, part));
    roff.control("SH", ["KEYS"]);
    keys.iter().for_each(|part| write(&mut roff, part));
    roff.control("SH", ["EXAMPLES"]);
    fixed(&mut roff, &SHORT);
    roff.control("SH", ["SEE ALSO"]).text([bold("kafkavisor-run"), roman("(1),")]);
    roff.text([bold("kafkavisor-check"), roman("(1)")]);
    finished(&roff.render())
}

/// Of the example. The first is what its head says.
#[derive(Debug, PartialEq, Eq)]
struct Part {
    /// How far it is indented.
    depth: usize,
    /// Whether an empty line is before it.
    apart: bool,
    /// Of a comment, in prose, or with keys. A comment that is a key with a value is an option: no prose.
    keys: bool,
    lines: Vec<String>,
}

fn parts(example: &str) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let mut begins = true;
    for line in example.lines() {
        let text = line.trim_start();
        if matches!(text, "" | "#") {
            begins = true;
            continue;
        }
        let depth = line.len() - text.len();
        let comment = text.strip_prefix("# ");
        let keys = comment.is_none_or(is_key);
        let text = comment.unwrap_or(text).to_owned();
        match parts.last_mut().filter(|last| !begins && last.keys == keys && last.depth == depth) {
            Some(last) => last.lines.push(text),
            None => parts.push(Part { depth, apart: begins, keys, lines: vec![text] }),
        }
        begins = false;
    }
    parts
}

/// Whether a comment is `key: value`, or `key:`.
fn is_key(comment: &str) -> bool {
    let name = |c: char| c.is_ascii_lowercase() || matches!(c, '_' | '.');
    let rest = comment.trim_start_matches(name);
    rest.len() < comment.len() && (rest == ":" || rest.starts_with(": "))
}

/// Keys stand right below the prose about them.
fn write(roff: &mut Roff, Part { depth, apart, keys, lines }: &Part) {
    let depth = (2 * depth).to_string();
    if *apart || !keys {
        roff.control("PP", []);
    }
    if *keys {
        roff.control("RS", [depth.as_str()]).control("nf", []);
        for line in lines {
            roff.text([bold(line)]);
        }
        roff.control("fi", []).control("RE", []);
    } else {
        roff.control("PP", [])
            .control("RS", [depth.as_str()])
            .text([roman(lines.join("\n"))])
            .control("RE", []);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_prose_and_keys_are_told_from_them() {
        let example = "# The head,\n# in two lines.\n\n# About it.\ngroup: g\n\ncluster:\n  # More: of that.\n  # type: standard\n  # region: r\n  a: 1 # one\n";
        let part = |depth, apart, keys, lines: &[&str]| Part {
            depth,
            apart,
            keys,
            lines: lines.iter().map(|line| (*line).to_owned()).collect(),
        };
        assert_eq!(
            parts(example),
            [
                part(0, true, false, &["The head,", "in two lines."]),
                part(0, true, false, &["About it."]),
                part(0, false, true, &["group: g"]),
                part(0, true, true, &["cluster:"]),
                part(2, false, false, &["More: of that."]),
                part(2, false, true, &["type: standard", "region: r", "a: 1 # one"]),
            ]
        );
    }

    #[test]
    fn nothing_of_the_example_is_lost() {
        let words = |text: &str| -> Vec<String> {
            text.split_whitespace().filter(|word| *word != "#").map(str::to_owned).collect()
        };
        let parts = parts(EXAMPLE);
        let all: Vec<&str> = parts.iter().flat_map(|part| &part.lines).map(String::as_str).collect();
        assert_eq!(words(&all.join("\n")), words(EXAMPLE));
        assert!(parts.iter().filter(|part| part.keys).count() > 40);
    }
}
