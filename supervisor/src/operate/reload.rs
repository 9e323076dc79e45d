//! HUP: the configuration is read again, on a thread of its own, and checked as at start. An invalid one changes nothing at
//! all; of a valid one, what only a start takes up keeps its value and is named, and the rest is applied.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crossbeam_channel::Sender;
use kafkavisor::config::{Config, ZookeeperAuth};

use crate::exit::Failure;
use crate::shell::deployments::Files;

/// Reads and checks the configuration as `run` did, the same flags winning.
pub(crate) type Load = Arc<dyn Fn() -> Result<Config, Failure> + Send + Sync>;

/// A configuration, and the handler's files as they were found then.
#[derive(Debug)]
pub(crate) struct New {
    pub(crate) config: Config,
    pub(crate) files: Files,
}

/// What came of reading it.
pub(crate) type Loaded = Result<Box<New>, String>;

/// Held from the reading of a file until it is handed on.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Reads the configuration again; the answer comes through `answer`.
pub(crate) fn start(load: &Load, answer: Sender<Loaded>) {
    let (load, fallback) = (Arc::clone(load), answer.clone());
    let work = move || {
        // Whoever reads last has read the newest file, and is heard last.
        let _one_at_a_time = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let read = || {
            let config = load()?;
            Ok(Box::new(New { files: Files::of(&config), config }))
        };
        let loaded = catch_unwind(AssertUnwindSafe(read));
        let loaded = loaded.unwrap_or_else(|_| Err(Failure::bug("it could not be read".to_owned())));
        let _loop_is_over = answer.send(loaded.map_err(|failure| failure.message));
    };
    if let Err(error) = thread::Builder::new().name("reload".to_owned()).spawn(work) {
        let _loop_is_over = fallback.send(Err(format!("no thread to read it: {error}")));
    }
}

/// The configuration to run with from here on, and the keys that are changed in the file and keep their running values.
pub(crate) fn apply(old: &Config, mut new: Config) -> (Config, Vec<&'static str>) {
    let mut kept = Vec::new();
    keep("group", &old.group, &mut new.group, &mut kept);
    keep("name", &old.name, &mut new.name, &mut kept);
    keep_password(old.cluster.zookeeper_auth.as_ref(), new.cluster.zookeeper_auth.as_mut());
    keep("cluster", &old.cluster, &mut new.cluster, &mut kept);
    keep("discovery", &old.discovery, &mut new.discovery, &mut kept);
    keep("topics", &old.topics, &mut new.topics, &mut kept);
    keep("assignment", &old.assignment, &mut new.assignment, &mut kept);
    keep("offsets.storage", &old.offsets.storage, &mut new.offsets.storage, &mut kept);
    keep("offsets.reset", &old.offsets.reset, &mut new.offsets.reset, &mut kept);
    keep("admin", &old.admin, &mut new.admin, &mut kept);
    keep("log.format", &old.log.format, &mut new.log.format, &mut kept);
    keep_dead_letters_elsewhere(old, &mut new, &mut kept);
    (new, kept)
}

/// Keeps the running value of a key that only a start takes up.
fn keep<T: PartialEq + Clone>(key: &'static str, old: &T, new: &mut T, kept: &mut Vec<&'static str>) {
    if old != new {
        new.clone_from(old);
        kept.push(key);
    }
}

/// It is read again for each session with ZooKeeper: that there is another one now is no change of the configuration.
fn keep_password(old: Option<&ZookeeperAuth>, new: Option<&mut ZookeeperAuth>) {
    if let (Some(old), Some(new)) = (old, new)
        && new.is_read_like(old)
    {
        new.clone_from(old);
    }
}

/// The file was checked with its own topics; with those that are kept, dead letters must not come back to us either.
fn keep_dead_letters_elsewhere(old: &Config, new: &mut Config, kept: &mut Vec<&'static str>) {
    let consumed = new.handler.poison.topic.as_ref().is_some_and(|topic| new.topics.contains(topic));
    if consumed {
        new.handler.poison = old.handler.poison.clone();
        kept.push("handler.poison");
    }
}

/// What an operator should know of what is kept, if anything is.
pub(crate) fn kept_line(kept: &[&'static str]) -> Option<String> {
    let verb = if kept.len() == 1 { "keeps its value" } else { "keep their values" };
    let keys = kept.join(", ");
    (!keys.is_empty()).then(|| format!("{keys} {verb}: only a restart of the supervisor takes that up"))
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
    fn what_can_change_changes_and_the_rest_is_kept_and_named() {
        let old = config("topics: [a]");
        assert_eq!(apply(&old, old.clone()), (old.clone(), Vec::new()));
        for (more, key) in [
            ("topics: [a]\nassignment: {cooldown: 9s}", "assignment"),
            ("topics: [a, b]", "topics"),
            ("topics: [a]\nname: x", "name"),
            ("topics: [a]\noffsets: {reset: earliest}", "offsets.reset"),
            ("topics: [a]\noffsets: {storage: dual}", "offsets.storage"),
            ("topics: [a]\nadmin: {socket: /x}", "admin"),
        ] {
            let (new, kept) = apply(&old, config(&format!("{more}\nstop: {{timeout: 3s}}")));
            assert_eq!(new, apply(&old, config("topics: [a]\nstop: {timeout: 3s}")).0, "{more}");
            assert_eq!((new.stop.timeout.as_secs(), kept), (3, vec![key]), "{more}");
        }
        let (new, kept) = apply(&old, config("topics: [a]\nkafka: {client.id: x}"));
        assert_eq!((new.kafka.iter().count(), kept), (1, Vec::new()));
    }

    #[test]
    fn dead_letters_do_not_go_to_a_topic_that_is_kept() {
        let old = config("topics: [a]");
        let text = "topics: [b]";
        let mut new = config(text);
        new.handler.poison.topic = Some("a".parse().unwrap());
        let (new, kept) = apply(&old, new);
        assert_eq!((new.handler.poison.topic, kept), (None, vec!["topics", "handler.poison"]));
    }
}
