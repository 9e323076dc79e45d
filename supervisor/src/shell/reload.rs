//! HUP: the configuration is read again, on a thread of its own, and checked as at start. What can't change while we run is
//! named, and then nothing changes; what only a start takes up is named too.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use crossbeam_channel::Sender;
use kafkavisor::config::{Assignment, Config};

use crate::exit::Failure;

/// Reads and checks the configuration as `run` did, the same flags winning.
pub(crate) type Load = Arc<dyn Fn() -> Result<Config, Failure> + Send + Sync>;

/// What came of reading it.
pub(super) type Loaded = Result<Box<Config>, String>;

/// Reads the configuration again; the answer comes through `answer`.
pub(super) fn start(load: &Load, answer: Sender<Loaded>) {
    let (load, fallback) = (Arc::clone(load), answer.clone());
    let work = move || {
        let loaded = catch_unwind(AssertUnwindSafe(|| load()));
        let loaded = loaded.unwrap_or_else(|_| Err(Failure::bug("it could not be read".to_owned())));
        let _loop_is_over = answer.send(loaded.map(Box::new).map_err(|failure| failure.message));
    };
    if let Err(error) = thread::Builder::new().name("reload".to_owned()).spawn(work) {
        let _loop_is_over = fallback.send(Err(format!("no thread to read it: {error}")));
    }
}

/// What changes, and the keys that only a start takes up; an error names the keys that can't change while we run.
pub(super) fn apply(old: &Config, new: Config) -> Result<(Config, Vec<&'static str>), Vec<&'static str>> {
    let mode = |config: &Config| matches!(config.assignment, Assignment::Static { .. });
    let fixed = [
        ("group", old.group != new.group),
        ("name", old.name != new.name),
        ("cluster", old.cluster != new.cluster),
        ("topics", old.topics != new.topics),
        ("assignment.mode", mode(old) != mode(&new)),
    ];
    let changed: Vec<_> = fixed.into_iter().filter(|(_, changed)| *changed).map(|(key, _)| key).collect();
    if !changed.is_empty() {
        return Err(changed);
    }
    let later = [
        ("assignment", old.assignment != new.assignment),
        ("offsets.reset", old.offsets.reset != new.offsets.reset),
        ("admin", old.admin != new.admin),
        ("log.format", old.log.format != new.log.format),
    ];
    let later = later.into_iter().filter(|(_, changed)| *changed).map(|(key, _)| key).collect();
    let mut config = new;
    config.assignment = old.assignment.clone();
    config.offsets.reset = old.offsets.reset;
    config.admin = old.admin.clone();
    config.log.format = old.log.format;
    Ok((config, later))
}

#[cfg(test)]
mod tests {
    use kafkavisor::config::{Flags, Source};

    use super::*;

    fn config(more: &str) -> Config {
        let text = format!(
            "group: g\ncluster: {{brokers: [k:1], zookeeper: 'z:1'}}\nhandler: {{command: [cat]}}\n{more}\n"
        );
        let source = Source { name: "test.yaml".to_owned(), text };
        Config::load(Some(&source), &Flags::default()).unwrap()
    }

    #[test]
    fn what_can_change_changes_and_the_rest_is_named() {
        let old = config("topics: [a]");
        let (new, later) = apply(&old, config("topics: [a]\nstop: {timeout: 3s}")).unwrap();
        assert_eq!((new.stop.timeout.as_secs(), later), (3, Vec::new()));
        let (new, later) =
            apply(&old, config("topics: [a]\nassignment: {cooldown: 9s}\nstop: {timeout: 3s}")).unwrap();
        assert_eq!((new.assignment == old.assignment, later), (true, vec!["assignment"]));
        assert_eq!(apply(&old, config("topics: [a, b]\nstop: {timeout: 3s}")).unwrap_err(), ["topics"]);
        assert_eq!(apply(&old, config("topics: [a]\nname: x")).unwrap_err(), ["name"]);
    }
}
