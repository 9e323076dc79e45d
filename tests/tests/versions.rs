//! Two versions of Kafkavisor on one host and in one group: what one leaves behind the other finds, and either's commands ask
//! the other's supervisor. `script/upgrade` shows the same with real programs of an earlier commit.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::FileExt as _;
use std::os::unix::net::UnixListener;
use std::process::{Command, Output};
use std::thread;

use kafkavisor_tests::checks::History;
use kafkavisor_tests::environment::kafkavisor;
use kafkavisor_tests::instance::{Builder, Instance};
use kafkavisor_tests::message::numbered;
use kafkavisor_tests::offsets::{commit_with_metadata, committed, committed_with_metadata};
use kafkavisor_tests::recorder::Recorder;
use kafkavisor_tests::records::Records;
use kafkavisor_tests::topic::Topic;
use serde_json::{Value, json};

/// In flight at most.
const WINDOW: i64 = 50;
const MESSAGES: i64 = 1500;

/// A supervisor that is killed well behind its last commit; its folder stays. It acknowledges 500 messages a second.
struct Killed {
    topic: Topic,
    records: Records,
    instance: Instance,
    /// The group's offset and what stands beside it.
    committed: (i64, String),
    acknowledged: i64,
}

impl Killed {
    fn new(commit_interval: &str, apart: i64) -> Self {
        let (topic, records) = (Topic::new(1), Records::new());
        topic.produce(&numbered(1, usize::try_from(MESSAGES).unwrap()));
        let instance = Builder::of(&topic)
            .set("handler.max_in_flight.messages", WINDOW)
            .set("offsets.commit_interval", commit_interval)
            .set("assignment.session_timeout", "2s")
            .recorder(&Recorder::new(&records).delay_ms(2))
            .start();
        instance.wait_for("much is acknowledged that is not committed", |status| {
            let p = status.partitions.first();
            p.is_some_and(|p| {
                p.acknowledged.zip(p.committed).is_some_and(|(done, known)| known > 0 && done > known + apart)
            })
        });
        instance.kill();
        let committed = committed_with_metadata(&topic, &instance.group(), 0).unwrap();
        let acknowledged = History::of(&records, &topic).lives(0)[0].acknowledged.unwrap();
        Self { topic, records, instance, committed, acknowledged }
    }

    /// Starts it again and lets it finish. Where it went on.
    #[track_caller]
    fn goes_on_at(&self) -> i64 {
        self.instance.start_again();
        self.instance.wait_for("all is acknowledged", |status| {
            status.partitions.iter().any(|partition| partition.acknowledged == Some(MESSAGES))
        });
        self.instance.stop();
        assert_eq!(committed(&self.topic, &self.instance.group(), 0), Some(MESSAGES));
        let history = History::of(&self.records, &self.topic);
        history.assert_nothing_lost();
        history.lives(0)[1].delivered[0]
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.instance.folder().join("run").join(name)
    }

    /// The page as a version with another layout would have left it.
    fn give_page_layout(&self, layout: u64, size: u64) {
        let path = self.file(&format!("{}-0.page", self.topic.name));
        let page = std::fs::OpenOptions::new().write(true).open(path).expect("the page is there");
        page.write_all_at(&layout.to_ne_bytes(), 8).unwrap();
        page.set_len(size).unwrap();
    }
}

#[test]
fn a_page_of_another_layout_is_left_unused_and_costs_what_was_not_committed() {
    for (layout, size) in [(2, 4096), (4, 16384)] {
        let killed = Killed::new("300ms", 20);
        killed.give_page_layout(layout, size);
        let (known, _) = killed.committed;
        // However slow the machine is: a worker stops at ten windows uncommitted.
        assert!(
            (known..known + 10 * WINDOW).contains(&killed.acknowledged),
            "{known} {}",
            killed.acknowledged
        );
        assert_eq!(killed.goes_on_at(), known, "at the group's offset");
        killed.instance.wait_for_log(&format!("has layout {layout}, and this version has 3"));
    }
}

/// The page counts where this instance has signed the group's offset, in whatever later format it did.
#[test]
fn a_note_of_a_later_format_is_read_like_ours() {
    let killed = Killed::new("5m", WINDOW + 70);
    let (offset, note) = &killed.committed;
    let mut note: Value = serde_json::from_str(note).expect("a note is JSON");
    note["format"] = json!(99);
    note["finished"] = json!([{"beyond": [7, 9]}]);
    commit_with_metadata(&killed.topic, &killed.instance.group(), 0, (*offset, note.to_string()));
    let begun = killed.goes_on_at();
    assert!(begun + WINDOW > killed.acknowledged, "{begun}, acknowledged {}", killed.acknowledged);
}

/// Format 0 was signed with a name alone, which other hosts may have, too.
#[test]
fn a_note_of_format_0_is_nobodys_and_the_groups_offset_wins() {
    let killed = Killed::new("5m", WINDOW + 70);
    let (offset, note) = &killed.committed;
    let mut note: Value = serde_json::from_str(note).expect("a note is JSON");
    for key in ["format", "instance_id"] {
        note.as_object_mut().unwrap().remove(key).expect("it is there");
    }
    commit_with_metadata(&killed.topic, &killed.instance.group(), 0, (*offset, note.to_string()));
    assert_eq!(killed.goes_on_at(), *offset);
}

/// A supervisor that answers every request so; what a command makes of it.
fn asks(arguments: &[&str], answer: &Value) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(folder.path().join("control.sock")).unwrap();
    let answer = format!("{answer}\n");
    let answering = thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = String::new();
            BufReader::new(&stream).read_line(&mut request).unwrap();
            if request == "end\n" {
                return;
            }
            // A command that has heard enough is gone.
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    let Output { status, stdout, stderr } = Command::new(kafkavisor())
        .args(arguments)
        .env("RUNTIME_DIRECTORY", folder.path())
        .output()
        .expect("kafkavisor runs");
    let mut end = std::os::unix::net::UnixStream::connect(folder.path().join("control.sock")).unwrap();
    end.write_all(b"end\n").unwrap();
    answering.join().unwrap();
    (status.code(), String::from_utf8([stdout, stderr].concat()).unwrap())
}

#[track_caller]
fn says((code, text): (Option<i32>, String), expected: i32, words: &[&str]) {
    assert_eq!(code, Some(expected), "{text}");
    for word in words {
        assert!(text.contains(word), "{word:?} in {text}");
    }
}

#[test]
fn status_of_an_earlier_or_later_version_is_shown_with_what_is_known() {
    let partition = json!({"topic": "orders", "partition": 3, "state": "ready"});
    let earlier = json!({"name": "n", "group": "billing", "partitions": [partition]});
    let later = json!({
        "name": "n", "group": "billing", "state": "running", "zone": {"a": 1}, "topics": ["orders"],
        "assignment": {"mode": "quorum", "state": "acquired", "epoch": 7},
        "partitions": [{"topic": "orders", "partition": 3, "state": "resting", "held": 4, "lag": null}],
    });
    for answer in [&earlier, &later] {
        for which in [&["status"][..], &["status", "-g", "billing"], &["status", "--name", "n"]] {
            says(asks(which, answer), 0, &["billing", "orders:3"]);
        }
    }
    says(asks(&["status"], &later), 0, &["resting"]);
    // Programs get what the supervisor says, all of it.
    says(asks(&["status", "--json"], &later), 0, &["\"epoch\": 7"]);
    let wrong_type = json!({"name": "n", "group": ["billing"], "partitions": []});
    says(asks(&["status", "--socket", "control.sock"], &wrong_type), 69, &[]);
    for nothing in [json!({}), json!([]), json!("running"), json!({"name": 7})] {
        says(asks(&["status", "-g", "billing"], &nothing), 69, &["not understood by this version"]);
    }
}

#[test]
fn a_supervisor_that_does_not_know_a_request_is_not_taken_for_none() {
    let why = "not understood: unknown variant `skip`";
    let today = json!({"error": why, "unknown": true, "version": "9.0.1"});
    for command in [&["skip", "orders:3"][..], &["stop"], &["pause"], &["seek", "orders:3", "7"]] {
        let arguments = [command, &["--name", "n"]].concat();
        says(asks(&arguments, &today), 64, &[why, "9.0.1", env!("CARGO_PKG_VERSION")]);
    }
    // An earlier one says no more than that, and what else is wrong is no refusal.
    says(asks(&["skip", "orders:3", "--name", "n"], &json!({"error": why})), 69, &[why]);
}

#[test]
fn an_answer_that_this_version_does_not_know_is_no_success() {
    let later = json!([{"partition": "orders:3", "pending": "when it is quiet"}]);
    says(asks(&["restart", "orders:3", "--name", "n"], &later), 1, &["orders:3", "another version"]);
    let both = json!([{"partition": "orders:3", "done": "restarted", "after": "5 s"}]);
    says(asks(&["restart", "orders:3", "--name", "n"], &both), 0, &["orders:3: restarted"]);
    let no_list = json!({"accepted": true});
    says(asks(&["restart", "orders:3", "--name", "n"], &no_list), 69, &["not understood by this version"]);
}
