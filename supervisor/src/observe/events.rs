//! The last changes, for those who look: at least a thousand, whoever reads them however slowly.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use kafkavisor::ids::Topic;
use kafkavisor_link::logging::timestamp;
use kafkavisor_supervisor_core::Change;
use serde::Serialize;

/// So many are kept. Those of a rebalance of a thousand partitions are all among them.
const KEPT: usize = 8192;

/// One change, in the contract's shape.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Event {
    pub(crate) time: String,
    pub(crate) topic: Option<Topic>,
    pub(crate) partition: Option<i32>,
    pub(crate) event: &'static str,
    pub(crate) reason: Option<Arc<str>>,
    /// Who asked for it.
    pub(crate) by: Option<Arc<str>>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Events {
    ring: Mutex<Ring>,
    news: Condvar,
}

#[derive(Debug, Default)]
struct Ring {
    events: VecDeque<Arc<Event>>,
    /// How many there were in all.
    count: u64,
    over: bool,
}

/// Some of them, and where to go on.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) events: Vec<Arc<Event>>,
    pub(crate) next: u64,
    /// There will be no more.
    pub(crate) over: bool,
}

impl Events {
    fn ring(&self) -> std::sync::MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes changes; who asked for them, where somebody did.
    pub(crate) fn note(&self, wall_millis: i64, changes: Vec<Change>, by: Option<&str>) {
        let time = timestamp(wall_millis);
        let by: Option<Arc<str>> = by.map(Arc::from);
        let mut ring = self.ring();
        for Change { partition, event, reason } in changes {
            if ring.events.len() == KEPT {
                ring.events.pop_front();
            }
            let (topic, partition) =
                partition.map_or((None, None), |key| (Some(key.topic), Some(key.partition.0)));
            let (time, by) = (time.clone(), by.clone());
            ring.events.push_back(Arc::new(Event { time, topic, partition, event, reason, by }));
            ring.count += 1;
        }
        drop(ring);
        self.news.notify_all();
    }

    /// There will be no more.
    pub(crate) fn close(&self) {
        self.ring().over = true;
        self.news.notify_all();
    }

    /// The last `count` of them; all that are kept without one.
    pub(crate) fn last(&self, count: Option<usize>) -> Read {
        let ring = self.ring();
        let skip = ring.events.len().saturating_sub(count.unwrap_or(KEPT));
        Read { events: ring.events.iter().skip(skip).cloned().collect(), next: ring.count, over: ring.over }
    }

    /// Those since `next`, for which it waits so long; those that were kept no longer are left out.
    pub(crate) fn since(&self, next: u64, within: Duration) -> Read {
        let mut ring = self.ring();
        if ring.count == next && !ring.over {
            ring = self.news.wait_timeout(ring, within).unwrap_or_else(PoisonError::into_inner).0;
        }
        let new = usize::try_from(ring.count.saturating_sub(next)).unwrap_or(KEPT);
        let skip = ring.events.len().saturating_sub(new);
        Read { events: ring.events.iter().skip(skip).cloned().collect(), next: ring.count, over: ring.over }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(number: i32) -> Change {
        Change { partition: Some(format!("orders:{number}").parse().unwrap()), event: "ready", reason: None }
    }

    #[test]
    fn who_follows_sees_each_once_and_who_comes_late_the_last() {
        let events = Events::default();
        let numbers =
            |read: &Read| read.events.iter().map(|event| event.partition.unwrap()).collect::<Vec<_>>();
        events.note(0, (0..3).map(change).collect(), None);
        let read = events.last(Some(2));
        assert_eq!(numbers(&read), [1, 2]);
        events.note(0, vec![change(3)], Some("user 0"));
        let more = events.since(read.next, Duration::ZERO);
        assert_eq!((numbers(&more), more.over), (vec![3], false));
        assert_eq!(more.events[0].by.as_deref(), Some("user 0"));
        events.close();
        let last = events.since(more.next, Duration::from_secs(60));
        assert!(last.events.is_empty() && last.over);
    }

    #[test]
    fn the_oldest_make_room() {
        let events = Events::default();
        events.note(0, (0..i32::try_from(KEPT).unwrap() + 5).map(change).collect(), None);
        let read = events.last(None);
        assert_eq!((read.events.len(), read.events[0].partition), (KEPT, Some(5)));
        assert_eq!(events.since(2, Duration::ZERO).events.len(), KEPT, "those of before are gone");
    }

    #[test]
    fn an_event_has_the_contracts_keys() {
        let events = Events::default();
        events.note(
            1_700_000_000_123,
            vec![Change { partition: None, event: "settled", reason: Some("members: 2".into()) }],
            None,
        );
        let json = serde_json::to_string(&events.last(None).events[0]).unwrap();
        assert_eq!(
            json,
            r#"{"time":"2023-11-14T22:13:20.123Z","topic":null,"partition":null,"event":"settled","reason":"members: 2","by":null}"#
        );
    }
}
