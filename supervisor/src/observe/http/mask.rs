//! What is shown beyond loopback unless `admin.details` says otherwise: numbers and states, but no keys, no stderr and no text of an
//! error, which may hold what is in messages.

use std::sync::Arc;

use crate::observe::detail::Detail;
use crate::observe::events::Event;
use crate::observe::status::{Partition, Status};

const HIDDEN: &str = "not shown here: set `admin.details`, or look by `kafkavisor status`";

pub(super) fn status(status: &Status) -> Status {
    let mut masked = status.clone();
    masked.troubles.iter_mut().for_each(|trouble| HIDDEN.clone_into(trouble));
    if let Some(trouble) = &mut masked.assignment.trouble {
        HIDDEN.clone_into(trouble);
    }
    Arc::make_mut(&mut masked.assignment.troubles)
        .values_mut()
        .for_each(|trouble| HIDDEN.clone_into(trouble));
    if let Some(error) = masked.roll.as_mut().and_then(|roll| roll.error.as_mut()) {
        HIDDEN.clone_into(error);
    }
    masked.partitions.iter_mut().for_each(mask);
    masked
}

fn mask(partition: &mut Partition) {
    for text in
        [&mut partition.reason, &mut partition.last_exit, &mut partition.commit_error].into_iter().flatten()
    {
        HIDDEN.clone_into(text);
    }
    partition.left_behind.iter_mut().for_each(|left| HIDDEN.clone_into(left));
}

pub(super) fn detail(mut detail: Detail) -> Detail {
    mask(&mut detail.partition);
    if let Some(head) = &mut detail.head {
        head.remove("key");
        head.remove("key_base64");
    }
    detail.exits.iter_mut().for_each(|exit| HIDDEN.clone_into(&mut exit.how));
    if !detail.stderr.is_empty() {
        detail.stderr = vec![HIDDEN.to_owned()];
    }
    detail
}

/// Changes whose reason is ours alone: who came and went, what is whose.
const OURS: &[&str] = &[
    "assigned",
    "released",
    "lost",
    "draining",
    "settled",
    "joined",
    "member_joined",
    "member_left",
    "suspended",
    "session_lost",
    "reloaded",
    "rolled",
    "stopping",
    "log_level",
    "hanging",
    "answering",
];

pub(super) fn event(event: &Event) -> Event {
    if OURS.contains(&event.event) {
        return event.clone();
    }
    Event { reason: event.reason.as_ref().map(|_| HIDDEN.into()), ..event.clone() }
}
