//! The targets, by what they read.
//!
//! | file | bytes from |
//! |---|---|
//! | `answers` | handlers: lines and frames on their output |
//! | `requests` | a worker, as the library for handlers reads them |
//! | `link` | a worker or a supervisor, over the socket between the two |
//! | `node_names` | ZooKeeper: names of nodes, paths, addresses |
//! | `member` | ZooKeeper: answers that contradict each other |
//! | `control` | whoever may open the control socket |
//! | `configuration` | operators: the file, and flags |
//! | `page` | a worker's status page |
//! | `commits` | Kafka: what stands beside a committed offset |

mod answers;
mod commits;
mod configuration;
mod control;
mod link;
mod member;
mod node_names;
mod page;
mod requests;

/// A fuzz target.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, and its corpus's folder.
    pub name: &'static str,
    /// Takes any bytes; panics when something does not hold.
    pub run: fn(&[u8]),
}

const fn target(name: &'static str, run: fn(&[u8])) -> Target {
    Target { name, run }
}

/// All of them.
pub const TARGETS: &[Target] = &[
    target("binary-answers", answers::binary),
    target("binary-requests", requests::binary),
    target("commit-metadata", commits::metadata),
    target("configuration", configuration::file),
    target("control-request", control::request),
    target("flags", configuration::flags),
    target("handler-session", requests::session),
    target("jsonl-answers", answers::jsonl),
    target("jsonl-requests", requests::jsonl),
    target("status-page", page::page),
    target("worker-link", link::lines),
    target("zookeeper-member", member::member),
    target("zookeeper-names", node_names::names),
];
