//! The worker's loop: wait, hear, let the handler turn, deliver, write the page; every decision is the core's.
//!
//! One thread, which never blocks on the handler, on Kafka or on the supervisor. It turns at least every few seconds for its
//! heartbeat, and whenever the lease must be looked at.

use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use kafkavisor::clock::{Boottime, now};
use kafkavisor::config::Protocol;
use kafkavisor::ids::Offset;
use kafkavisor::protocol::{Answer, Init};
use kafkavisor_kafka::fetch::Consumer;
use kafkavisor_kafka::tokens::Tokens;
use kafkavisor_link::message::{DeadLetter, Ending, FromWorker, Start};
use kafkavisor_link::page::{Page, Progress};
use kafkavisor_link::process::Exit;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use crate::allocator::give_back;
use crate::dead_letters::DeadLetters;
use crate::handler::{Context, Driver, Said, new_driver};
use crate::keys::Keys;
use crate::link::Link;
use crate::tracer::Tracer;
use kafkavisor_worker_core::{Action, Core, Event, Failure, Settings};

mod delivering;
mod hearing;
mod telling;
#[cfg(test)]
mod tests;

/// The loop turns at least so often while there is something to do, since the page tells no more than a turn has written...
const BEAT: Duration = Duration::from_secs(1);
/// ...and so often when there is nothing: a thousand idle workers that wake each second are a good part of a core.
const IDLE_BEAT: Duration = Duration::from_secs(4);
/// A commit shows in the page only, and that a handler reads shows nowhere: whoever waits for either looks this often.
const COMMIT_LOOK: Duration = Duration::from_millis(5);
/// A loop so late did not run: it was stopped, or starved.
const STOOD_STILL: Duration = Duration::from_secs(2);

/// A worker at work.
pub(crate) struct Worker {
    core: Core,
    driver: Box<dyn Driver>,
    consumer: Consumer,
    page: Page,
    children: UnixStream,
    /// Where its clients look for what they show to brokers.
    tokens: Option<Tokens>,
    dead_letters: DeadLetters,
    /// The one to begin with.
    dead_letter: Option<DeadLetter>,
    tracer: Tracer,
    position: Offset,
    /// What the workers before this one have left on the page.
    before: Progress,
    /// The handler's process, and since when it is the one.
    handler: Option<(Pid, Boottime)>,
    keys: Keys,
    committed: i64,
    /// When a handler last acknowledged something.
    acknowledged_at: Boottime,
    lease_ended: bool,
    ending: Option<Ending>,
}

/// How a worker ended.
pub(crate) struct Ended {
    pub(crate) ending: Ending,
    /// The handler's last lines.
    pub(crate) stderr: String,
    /// Until this process must be gone.
    pub(crate) lease_left: Duration,
}

impl Ended {
    /// It could not begin.
    pub(crate) fn unable(error: String) -> Self {
        Self { ending: Ending::Unable { error }, stderr: String::new(), lease_left: Duration::MAX }
    }
}

fn environment(start: &Start) -> Vec<(String, String)> {
    let token = start.fencing_token.map(|token| token.to_string()).unwrap_or_default();
    [
        ("KAFKAVISOR_GROUP", start.group.to_string()),
        ("KAFKAVISOR_TOPIC", start.partition.topic.to_string()),
        ("KAFKAVISOR_PARTITION", start.partition.partition.to_string()),
        ("KAFKAVISOR_GENERATION", start.generation.to_string()),
        ("KAFKAVISOR_FENCING_TOKEN", token),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

fn settings(start: &Start, page: &Page) -> Settings {
    let handler = &start.handler;
    let exec = handler.protocol == Protocol::Exec;
    Settings {
        max_messages: handler.max_in_flight.messages,
        max_bytes: handler.max_in_flight.bytes,
        max_time: handler.max_in_flight.time,
        floor: if exec { handler.batch.messages } else { 1 },
        timeouts: (!exec).then_some((handler.start_timeout, handler.timeout)),
        commit_messages: start.commit_messages,
        attempts: page.attempts(),
        dead_letter: start.dead_letter.is_some(),
    }
}

impl Worker {
    /// Opens the page and Kafka; an error says why this worker can't work.
    pub(crate) fn new(start: &Start) -> Result<Self, String> {
        let page = Page::open(&start.page).map_err(|error| error.to_string())?;
        let tokens = Tokens::of(&start.kafka);
        if let (Some(tokens), Some(token)) = (&tokens, &start.token) {
            tokens.give(token);
        }
        let (children, waker) = UnixStream::pair().map_err(|error| error.to_string())?;
        children.set_nonblocking(true).map_err(|error| error.to_string())?;
        signal_hook::low_level::pipe::register(Signal::SIGCHLD as i32, waker)
            .map_err(|error| error.to_string())?;
        // The first message is the dead letter's, which is read by itself.
        let first = if start.dead_letter.is_some() { start.offset.next() } else { start.offset };
        let consumer =
            Consumer::start(&start.kafka, start.handler.max_in_flight.bytes, &start.partition, first)
                .map_err(|error| error.to_string())?;
        let driver = new_driver(Context {
            init: Init {
                group: start.group.clone(),
                topic: start.partition.topic.clone(),
                partition: start.partition.partition,
                offset: start.offset,
                generation: start.generation,
                fencing_token: start.fencing_token,
            },
            handler: start.handler.clone(),
            restart: start.restart.clone(),
            environment: environment(start),
            log_allowance: start.log_allowance,
        });
        let before = page.progress();
        Ok(Self {
            core: Core::new(settings(start, &page), start.offset),
            driver,
            consumer,
            position: start.offset,
            before,
            handler: None,
            keys: Keys::default(),
            committed: i64::MIN,
            acknowledged_at: before.acknowledged_at,
            lease_ended: false,
            ending: None,
            children,
            tokens,
            dead_letters: DeadLetters::new(start).map_err(|error| error.to_string())?,
            dead_letter: start.dead_letter.clone(),
            tracer: Tracer::new(start.trace),
            page,
        })
    }

    /// Works until there is a reason to end, and says which.
    pub(crate) fn run(mut self, link: &mut Link) -> Ended {
        let actions = self.core.handle(now(), Event::Begun);
        self.perform(actions, link);
        let mut more = true;
        let mut last = now();
        while self.ending.is_none() {
            let wait = if more { Duration::ZERO } else { self.wait() };
            self.sleep(wait, link);
            let time = now();
            if wait == IDLE_BEAT && time.saturating_duration_since(last) >= IDLE_BEAT {
                give_back();
            }
            if time.saturating_duration_since(last) > wait + STOOD_STILL {
                let actions = self.core.handle(time, Event::Overslept);
                self.perform(actions, link);
            }
            last = time;
            self.check_lease(time, link);
            self.hear(link);
            link.go_on();
            self.hold(time, link);
            self.post(link);
            more = self.handler_turn(link);
            more |= self.deliver(link);
            self.stand_still();
            let actions = self.core.handle(now(), Event::Woken);
            self.perform(actions, link);
            self.write_page();
            self.tracer.tell(link);
        }
        self.write_page();
        self.tracer.tell(link);
        Ended {
            ending: self.ending.unwrap_or(Ending::Stopped { cut_short: false, failed: None }),
            stderr: self.driver.last_lines(),
            lease_left: self.page.lease().dead_by.since(Boottime::now()),
        }
    }

    fn wait(&self) -> Duration {
        let time = now();
        let deadlines = [self.core.next_deadline(), self.driver.next_deadline(time)];
        let next = deadlines.into_iter().flatten().min();
        let longest = if self.core.awaits_commit() || self.tracer.awaits_begin() {
            COMMIT_LOOK
        } else if self.core.window().is_empty() && self.core.admits(0) {
            IDLE_BEAT
        } else {
            BEAT
        };
        next.map_or(longest, |at| at.saturating_duration_since(time)).min(longest).min(self.lease_left())
    }

    /// Until the lease must be looked at, renewed or not: an idle worker has to notice its end as soon as a busy one.
    fn lease_left(&self) -> Duration {
        if self.lease_ended {
            return Duration::MAX;
        }
        self.page.lease().deliver_until.since(Boottime::now()).saturating_add(Duration::from_millis(1))
    }

    fn sleep(&mut self, wait: Duration, link: &Link) {
        let timeout = PollTimeout::try_from(wait.as_micros().div_ceil(1000)).unwrap_or(PollTimeout::ZERO);
        let mut descriptors = vec![
            link.descriptor(),
            PollFd::new(self.children.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.dead_letters.descriptor(), PollFlags::POLLIN),
        ];
        if self.takes_messages(link) {
            descriptors.push(PollFd::new(self.consumer.descriptor(), PollFlags::POLLIN));
        }
        descriptors.extend(self.driver.descriptors().into_iter().map(|(fd, flags)| PollFd::new(fd, flags)));
        // Interrupted or not: the loop turns.
        let _interrupted = poll(&mut descriptors, timeout);
        drop(descriptors);
        let mut sink = [0; 64];
        while self.children.read(&mut sink).is_ok_and(|count| count == sink.len()) {}
    }

    fn may_write(&self) -> bool {
        Boottime::now() < self.page.lease().deliver_until
    }

    fn check_lease(&mut self, time: Instant, link: &mut Link) {
        if self.lease_ended || self.may_write() {
            return;
        }
        self.lease_ended = true;
        log::warn!("no evidence that this partition is still ours: delivering stops");
        let dead_within = self.page.lease().dead_by.since(Boottime::now()) / 2;
        let actions = self.core.handle(time, Event::LeaseEnded { dead_within });
        self.perform(actions, link);
    }

    fn handler_turn(&mut self, link: &mut Link) -> bool {
        let mut said = Vec::new();
        let time = now();
        // After the lease's end there is only `stop` left to write.
        let may_write = self.lease_ended || self.may_write();
        let more = self.driver.turn(time, may_write, &mut said);
        for one in self.tracer.pass(said) {
            let actions = match one {
                Said::Answer(answer) => {
                    let before = self.core.window().acknowledged();
                    let ack = matches!(answer, Answer::Ack(_));
                    let actions = self.core.answered(time, answer);
                    if ack && self.core.window().acknowledged() > before {
                        self.acknowledged_at = Boottime::now();
                    }
                    actions
                }
                Said::Broken(detail) => self.output_broken(time, detail),
                Said::OutputClosed => self.core.handle(time, Event::OutputClosed),
                Said::Exited(exit) => self.handler_exited(time, exit),
                Said::Missing(error) => vec![Action::End(Ending::HandlerMissing { error })],
                Said::BatchFailed { offset, count, error } => {
                    self.core.handle(time, Event::BatchFailed { offset, count, error })
                }
                Said::Postponed { error } => vec![Action::SayPostponed { error }],
                Said::Poison { offset, attempts, error } => {
                    self.core.handle(time, Event::Poisoned { offset, attempts, error })
                }
            };
            // What it acknowledged before it exited must be in the page before anybody hears of its end.
            self.write_page();
            self.perform(actions, link);
        }
        more
    }

    fn output_broken(&mut self, time: Instant, detail: String) -> Vec<Action> {
        if self.core.is_draining() {
            log::warn!("protocol_error while draining: {detail}");
        }
        self.core.handle(time, Event::OutputBroken(detail))
    }

    fn handler_exited(&mut self, time: Instant, exit: Exit) -> Vec<Action> {
        let left = self.core.left_undone().filter(|_| self.driver.has_everything());
        // Of a death in the middle of its work the supervisor says more.
        if self.core.is_draining() {
            let how = if exit == Exit::Status(0) { "ended".to_owned() } else { exit.to_string() };
            match left {
                Some((count, offset)) => log::warn!(
                    "handler {how} while draining: it left {count} messages unacknowledged, from offset {offset}: they come again"
                ),
                None if exit != Exit::Status(0) => {
                    log::warn!("handler {how} while draining: it left nothing undone");
                }
                None => {}
            }
        }
        self.core.handle(time, Event::HandlerExited(exit))
    }

    fn perform(&mut self, actions: Vec<Action>, link: &mut Link) {
        if !actions.is_empty() {
            self.tracer.tell(link);
        }
        for action in actions {
            match action {
                Action::StartHandler => self.start_handler(link),
                Action::DeadLetter { offset, why } => {
                    let dead_letter = match why {
                        Some(Failure { attempts, error }) => {
                            Some(DeadLetter { offset, attempts, error, stderr: self.driver.last_lines() })
                        }
                        None => self.dead_letter.take(),
                    };
                    if let Some(Err(error)) =
                        dead_letter.map(|dead_letter| self.dead_letters.post(dead_letter))
                    {
                        self.ending = Some(Ending::Unable { error: error.to_string() });
                    }
                }
                Action::Settle { verdict, .. } => self.driver.decided(verdict),
                Action::SayDeadLetterKept { offset, error } => {
                    link.say(FromWorker::DeadLetterKept { offset, error });
                }
                Action::SayDeadLettered { offset } => link.say(FromWorker::DeadLettered { offset }),
                Action::Flush { full } if !self.tracer.passes_flush(full) => {}
                Action::Flush { full } => self.driver.flush(full),
                Action::DropUnwritten => self.driver.drop_unwritten(),
                Action::Stop(reason) => self.driver.stop(reason),
                Action::CloseInput => self.driver.close_input(),
                Action::SignalHandler(signal) => self.driver.signal(signal),
                Action::SayReady => link.say(FromWorker::Ready),
                Action::SayPostponed { error } => link.say(FromWorker::Postponed { error }),
                Action::SayFailed { offset, attempts, error, rejected } => {
                    link.say(FromWorker::Failed { offset, attempts, error, rejected });
                }
                Action::SayBatchFailed { offset, count, attempts, error } => {
                    let stderr = self.driver.last_lines();
                    link.say(FromWorker::BatchFailed { offset, count, attempts, error, stderr });
                }
                Action::AskForCommit => {
                    self.write_page();
                    link.say(FromWorker::CommitWanted);
                }
                Action::NoteAttempts(attempts) => self.page.set_attempts(attempts),
                Action::End(ending) => self.ending = Some(ending),
            }
        }
    }

    fn start_handler(&mut self, link: &mut Link) {
        match self.driver.start() {
            Ok(()) => {
                let actions = self.core.handle(now(), Event::HandlerStarted);
                self.perform(actions, link);
            }
            Err(error) => self.ending = Some(Ending::HandlerMissing { error: error.to_string() }),
        }
    }
}
