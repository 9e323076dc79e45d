//! What goes to the handler: as much as the core admits, and no further than whoever watches leads.

use kafkavisor::clock::{Boottime, now};
use kafkavisor::ids::Offset;
use kafkavisor_kafka::fetch::{FetchError, Fetched};
use kafkavisor_link::message::Ending;
use kafkavisor_link::trace::Trace;
use kafkavisor_worker_core::{Delivery, Event};

use super::Worker;
use crate::link::Link;

/// Bytes encoded ahead of what the pipe has taken.
const ENCODED_AHEAD: usize = 1 << 20;

enum Step {
    Delivered,
    Blocked,
    /// Whoever watches wants no more.
    Led,
    Event(Event),
}

impl Worker {
    /// Whether messages would be taken now. Only then is a message worth waking up for: what woke us stays until one is taken.
    pub(super) fn takes_messages(&self, link: &Link) -> bool {
        let is_led_on = !self.tracer.is_at_end() && !self.tracer.waits_for(link);
        self.core.admits(0) && self.driver.unwritten() <= ENCODED_AHEAD && is_led_on
    }

    /// Delivers what may be delivered; true when more can be at once.
    pub(super) fn deliver(&mut self, link: &mut Link) -> bool {
        if !self.takes_messages(link) {
            return false;
        }
        match self.consumer.fetch() {
            Ok(()) => {}
            Err(FetchError::Refused(trouble)) => {
                let actions = self.core.handle(now(), Event::Refused(trouble.to_string()));
                self.perform(actions, link);
                return false;
            }
            Err(error @ (FetchError::Property(_) | FetchError::Start(_))) => {
                self.ending = Some(Ending::Unable { error: error.to_string() });
                return false;
            }
        }
        let (time, at) = (now(), Boottime::now());
        let mut delivered = false;
        let mut blocked = false;
        let mut event = None;
        while !blocked && event.is_none() && self.driver.unwritten() <= ENCODED_AHEAD {
            if self.tracer.is_full() {
                self.tracer.tell(link);
            }
            let (core, driver, position) = (&mut self.core, &mut self.driver, &mut self.position);
            let (keys, tracer) = (&mut self.keys, &mut self.tracer);
            let step = self.consumer.front(|fetched| match fetched {
                Fetched::Message { message, bytes } => {
                    if !core.admits(bytes) {
                        return (false, Step::Blocked);
                    }
                    let offset = Offset(message.offset);
                    if !tracer.admits(offset) {
                        *position = (*position).max(offset);
                        return (false, Step::Led);
                    }
                    let attempt = core.attempt(offset);
                    core.deliver(time, at, Delivery { offset, timestamp: message.timestamp, bytes });
                    keys.push(offset, message.key);
                    driver.deliver(time, &message, attempt);
                    tracer.delivered(at, &message, attempt);
                    *position = offset.next();
                    (true, Step::Delivered)
                }
                Fetched::End(end) => {
                    *position = (*position).max(end);
                    (true, Step::Event(Event::EndReached(end)))
                }
                Fetched::StartLost(error) => (true, Step::Event(Event::StartLost(error))),
                Fetched::Denied(error) => (true, Step::Event(Event::Denied(error.to_string()))),
            });
            match step {
                Some(Step::Delivered) => delivered = true,
                Some(Step::Blocked) => blocked = true,
                Some(Step::Event(happened)) => event = Some(happened),
                Some(Step::Led) | None => break,
            }
        }
        let led_to_end = self.tracer.reached(self.position);
        let quiet = led_to_end || (!blocked && event.is_none() && self.consumer.front_timestamp().is_none());
        if delivered || blocked {
            let actions = self.core.batch_delivered(time, blocked);
            self.perform(actions, link);
        }
        if quiet {
            let at_end = led_to_end || self.consumer.high_watermark().is_some_and(|end| self.position >= end);
            if delivered || at_end {
                let actions = self.core.handle(time, Event::Quiet { at_end });
                self.perform(actions, link);
            }
        }
        let happened = event.is_some();
        if let Some(event) = event {
            let actions = self.core.handle(time, event);
            self.perform(actions, link);
        }
        delivered || happened
    }

    /// How it is led from here on.
    pub(super) fn lead(&mut self, trace: Trace) {
        if let Some(full) = self.tracer.lead(trace).filter(|full| self.tracer.passes_flush(*full)) {
            self.driver.flush(full);
        }
    }

    /// Tells that the handler has begun to read; and where answers wait, that it has all that it can have.
    pub(super) fn stand_still(&mut self) {
        if self.tracer.awaits_begin() && self.driver.has_read_all() {
            self.tracer.began();
        }
        if !self.core.admits(0) || self.tracer.is_at_end() {
            let began = self.driver.pid().is_some() && self.driver.unwritten() == 0;
            self.tracer.stands_still(self.core.window().len(), began);
        }
    }
}
