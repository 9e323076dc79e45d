//! One partition in detail, as `systemctl status` has a unit: what status says, and what only its worker knows.

use kafkavisor_link::logging::timestamp;
use kafkavisor_link::message::Description;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::known::Moment;
use super::snapshot::Seen;
use super::status::Partition;

/// So many of its handler's last lines are shown.
const LINES: usize = 10;

/// See the module.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Detail {
    #[serde(flatten)]
    pub(crate) partition: Partition,
    /// The member that holds it: this one.
    pub(crate) owner: Option<String>,
    pub(crate) worker_age_seconds: Option<f64>,
    pub(crate) handler_age_seconds: Option<f64>,
    /// The oldest message in flight: `offset`, `key` or `key_base64`, `size`, `age_seconds`, `attempt`.
    pub(crate) head: Option<Map<String, Value>>,
    /// How its last workers ended, newest last.
    pub(crate) exits: Vec<Exit>,
    /// The handler's last lines.
    pub(crate) stderr: Vec<String>,
}

/// An end.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Exit {
    /// RFC 3339.
    pub(crate) at: String,
    pub(crate) how: String,
}

impl Detail {
    /// `said` is what its worker says, where it says anything.
    pub(crate) fn of(seen: &Seen, moment: &Moment, owner: Option<String>, said: Option<Description>) -> Self {
        let exits = seen
            .known
            .history
            .past
            .exits
            .iter()
            .map(|exited| Exit { at: timestamp(moment.wall_of(exited.at)), how: exited.how.to_string() });
        let (handler_age, head, now) = match said {
            Some(said) => (said.handler_age, said.head, said.stderr),
            None => (None, None, String::new()),
        };
        // We hear of a worker after it has begun.
        let worker_age = seen.known.worker.map(|(_, since)| moment.instant.saturating_duration_since(since));
        let worker_age = worker_age.map(|age| age.max(handler_age.unwrap_or_default()));
        // One that has said nothing yet: what the one before it has left.
        let text = if now.trim().is_empty() { &*seen.known.history.past.stderr } else { &now };
        let lines: Vec<_> = text.lines().map(str::to_owned).collect();
        Self {
            partition: Partition::of(seen, moment),
            owner,
            worker_age_seconds: worker_age.map(|age| age.as_secs_f64()),
            handler_age_seconds: handler_age.map(|age| age.as_secs_f64()),
            head: head.map(|head| {
                let mut json = Map::new();
                json.insert("offset".to_owned(), head.offset.0.into());
                match head.key_base64 {
                    Some(base64) => json.insert("key_base64".to_owned(), base64.into()),
                    None => json.insert("key".to_owned(), head.key.into()),
                };
                json.insert("size".to_owned(), head.size.into());
                json.insert("age_seconds".to_owned(), head.age.as_secs_f64().into());
                json.insert("attempt".to_owned(), head.attempt.into());
                json
            }),
            exits: exits.collect(),
            stderr: lines.get(lines.len().saturating_sub(LINES)..).unwrap_or_default().to_vec(),
        }
    }
}
