//! A thread that asks the supervisor once a second, so that keys work while it does not answer.

use std::path::Path;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use kafkavisor::clock::now;
use kafkavisor::ids::TopicPartition;
use kafkavisor_link::control::{Request, Selector};

use super::view::{Look, Wanted};
use crate::commands::events::Event;
use crate::commands::find;
use crate::exit::Failure;
use crate::observe::detail::Detail;
use crate::operate::asking::{Conversation, Unanswered};

const EVERY: Duration = Duration::from_secs(1);
/// So many events are shown.
const EVENTS: usize = 500;

/// Until nobody looks any more; sooner where something else is wanted.
pub(super) fn ask(socket: &Path, wanted: &Receiver<Wanted>, looks: &Sender<Look>) {
    let mut what = Wanted::default();
    loop {
        let next = now() + EVERY;
        if looks.send(look(socket, &what)).is_err() {
            return;
        }
        match wanted.recv_deadline(next) {
            Ok(new) => what = wanted.try_iter().last().unwrap_or(new),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// One look.
pub(super) fn look(socket: &Path, wanted: &Wanted) -> Look {
    let status = find::status(socket).map_err(|failure| failure.message);
    let answers = status.is_ok();
    let partition = wanted.partition.clone().filter(|_| answers);
    let detail = partition.map(|partition| {
        let detail = detail(socket, &partition).map_err(|failure| failure.message);
        (partition, detail)
    });
    let events = if answers && wanted.events { events(socket).unwrap_or_default() } else { Vec::new() };
    Look { status, detail, events }
}

pub(super) fn detail(socket: &Path, partition: &TopicPartition) -> Result<Detail, Failure> {
    let selector = Selector { topic: partition.topic.clone(), partition: Some(partition.partition) };
    find::read(socket, find::asked(socket, &Request::Status { partition: Some(selector) })?)
}

fn events(socket: &Path) -> Result<Vec<Event>, Unanswered> {
    let mut told = Conversation::begin(socket, &Request::Events { count: Some(EVENTS), follow: false })?;
    let mut events = Vec::new();
    while let Some(line) = told.line()? {
        // A line that is none of an event is of a version that does not know them.
        events.push(serde_json::from_str(&line).unwrap_or_default());
    }
    Ok(events)
}
