//! What the supervisor and the dead-letter topic say, and when the handler must wait for either.

use std::time::Instant;

use kafkavisor::clock::now;
use kafkavisor::ids::Offset;
use kafkavisor::token::Token;
use kafkavisor_link::logging;
use kafkavisor_link::message::{Ending, FromWorker, ToWorker};
use kafkavisor_worker_core::Event;
use nix::sys::signal::Signal;

use super::Worker;
use crate::dead_letters::{News, What};
use crate::link::{Heard, Link};

impl Worker {
    fn show(&self, token: &Token) {
        if let Some(tokens) = &self.tokens {
            tokens.give(token);
        }
    }

    pub(super) fn hear(&mut self, link: &mut Link) {
        let time = now();
        match link.hear() {
            Ok(Heard::Messages(messages)) => {
                for message in messages {
                    let actions = match message {
                        ToWorker::Stop { reason, within } => {
                            self.tracer.stop();
                            self.core.handle(time, Event::StopRequested { reason, within })
                        }
                        ToWorker::Decide { offset, verdict } => {
                            self.core.handle(time, Event::Decided { offset, verdict })
                        }
                        ToWorker::Token(token) => {
                            self.show(&token);
                            Vec::new()
                        }
                        ToWorker::Describe => {
                            link.say(FromWorker::Described(self.describe()));
                            Vec::new()
                        }
                        ToWorker::LogLevel { level } => {
                            logging::set_level(level);
                            Vec::new()
                        }
                        ToWorker::Lead(trace) => {
                            self.lead(trace);
                            Vec::new()
                        }
                        ToWorker::Start(_) => Vec::new(),
                    };
                    self.perform(actions, link);
                }
            }
            Ok(Heard::Closed) => {
                self.driver.signal(Signal::SIGKILL);
                self.ending = Some(Ending::Unable { error: "the supervisor is gone".to_owned() });
            }
            Err(error) => self.ending = Some(Ending::Unable { error: error.to_string() }),
        }
        let committed = self.page.committed();
        if committed != self.committed {
            self.committed = committed;
            self.core.committed(Offset(committed));
        }
    }

    /// A handler that says more than the supervisor hears, or can settle, has to wait; it is not silent meanwhile.
    pub(super) fn hold(&mut self, time: Instant, link: &mut Link) {
        let backed_up = link.backed_up() && !self.core.is_ending();
        self.driver.hold(backed_up || self.core.holds_answers());
        if backed_up || self.tracer.holds() {
            let actions = self.core.handle(time, Event::Overslept);
            self.perform(actions, link);
        }
    }

    /// Hears of dead letters.
    pub(super) fn post(&mut self, link: &mut Link) {
        for News { offset, what } in self.dead_letters.news() {
            let event = match what {
                What::Kept(error) => Event::DeadLetterKept { offset, error },
                What::Settled(Ok(bytes)) => Event::DeadLettered { offset, bytes },
                What::Settled(Err(error)) => Event::DeadLetterFailed { offset, error },
            };
            let actions = self.core.handle(now(), event);
            self.write_page();
            self.perform(actions, link);
        }
    }
}
