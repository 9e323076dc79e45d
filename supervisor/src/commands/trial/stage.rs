//! A handler's worker, led and watched: started as `run` starts it, below a guardian, and with nothing left of it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, unbounded};
use kafkavisor::clock::{Boottime, now};
use kafkavisor::config::{Handler, Log, PoisonAction, Protocol, Trying};
use kafkavisor::ids::{Generation, Group};
use kafkavisor::protocol::StopReason;
use kafkavisor::token::Token;
use kafkavisor_link::message::{Ending, FromWorker, LogAllowance, Start, ToWorker, Verdict};
use kafkavisor_link::process::{become_subreaper, children, ended_child, reap};
use kafkavisor_link::trace::Trace;
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use signal_hook::consts::{SIGINT, SIGTERM};

use super::fault::Fault;
use super::ledger::{Answered, Ledger, Patience};
use super::place::Place;
use super::source::{Open, Source};
use crate::exit::Failure;
use crate::processes::{Heard, News, Workers};
use crate::shell::start_runtime;

/// The group that handlers are told.
const GROUP: &str = "kafkavisor-try";
/// As much of a handler's log is passed on as one partition alone may have.
const LOGGED: LogAllowance = LogAllowance { at_first: 1000, per_second: 1000 };
/// Something is looked for so often, whoever wakes us.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// A handler that is late is waited for as long again, but no longer.
const MOST_GRACE: Duration = Duration::from_secs(5);
/// A handler that has said nothing is told to stop, and waited for so long at most.
const SILENT_STOPS_WITHIN: Duration = Duration::from_secs(5);
/// A handler that has done what it was to do has so long to stop at most.
const DISMISSED_WITHIN: Duration = Duration::from_secs(1);
/// A handler that does not read by then is given messages all the same.
const BEGINS_WITHIN: Duration = Duration::from_secs(5);
/// Whoever answers what is not delivered yet does it once it has read what comes before the first message.
const QUIET: Duration = Duration::from_millis(100);
/// Longest that what was killed may take to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(10);
/// A worker's own time-outs are so much longer than ours, which say more.
const LATER: Duration = Duration::from_secs(60);

/// Why a run is over before its end.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The handler's doing.
    Fault(Fault),
    Interrupted,
    /// Not the handler's.
    Failed(Failure),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// What there is to be told besides answers.
pub(super) trait Audience {
    fn answered(&mut self, answered: Answered);
    /// What is worth knowing, and no failure.
    fn remark(&mut self, remark: &str);
}

/// Where workers are started.
pub(super) struct Stage {
    workers: Workers,
    heard: Receiver<Heard>,
    interrupt: Arc<AtomicBool>,
    secret: bool,
    trying: Trying,
    token: Option<Token>,
    group: Group,
}

impl Stage {
    pub(super) fn new(trying: Trying, token: Option<Token>, worker: &Path) -> Result<Self, Failure> {
        let bug = |error: &dyn std::fmt::Display| Failure::bug(format!("try: {error}"));
        let interrupt = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            signal_hook::flag::register(signal, Arc::clone(&interrupt)).map_err(|error| bug(&error))?;
        }
        become_subreaper().map_err(|error| bug(&error))?;
        let (say, heard) = unbounded();
        let workers = Workers::new(worker, start_runtime("async")?, say).map_err(|error| bug(&error))?;
        let secret = trying.who.identity().holds_secrets();
        let group = GROUP.parse().map_err(|error: kafkavisor::ids::InvalidName| bug(&error))?;
        Ok(Self { workers, heard, interrupt, secret, trying, token, group })
    }

    /// Its handler has this long to stop.
    fn stop_within(&self) -> Duration {
        self.trying.stop.timeout
    }

    /// Who asks again is told again.
    fn is_interrupted(&self) -> bool {
        self.interrupt.swap(false, Ordering::AcqRel)
    }

    /// `exec` keeps the time of each process itself.
    fn patience(&self) -> Option<Patience> {
        let Handler { start_timeout: first, timeout: later, protocol, .. } = self.trying.handler;
        let grace = later.min(MOST_GRACE);
        (protocol != Protocol::Exec).then_some(Patience { first, later, grace })
    }

    fn handler(&self) -> Handler {
        let mut handler = self.trying.handler.clone();
        if handler.protocol != Protocol::Exec {
            handler.start_timeout += LATER;
            handler.timeout += LATER;
        }
        handler
    }

    /// Starts a worker, led by `trace`, behind what is acknowledged at its place.
    pub(super) fn start<'a>(
        &'a mut self,
        (source, open): (&Source, &'a Open<'a>),
        place: &'a Place,
        trace: Trace,
        audience: &'a mut dyn Audience,
    ) -> Live<'a> {
        place.commit_nothing();
        let start = Start {
            group: self.group.clone(),
            partition: source.partition.clone(),
            generation: Generation(1),
            fencing_token: None,
            offset: place.acknowledged(),
            page: place.path(),
            handler: self.handler(),
            restart: self.trying.restart.clone(),
            kafka: open.properties.clone(),
            secret: self.secret,
            commit_messages: 10_000,
            log: Log::default(),
            log_allowance: LOGGED,
            token: self.token.clone(),
            dead_letter: None,
            trace: Some(trace),
        };
        self.workers.spawn(&source.partition, &ToWorker::Start(Box::new(start)));
        let ledger = Ledger::new(self.patience());
        Live {
            stage: self,
            open,
            place,
            audience,
            ledger,
            pid: None,
            unsaid: Vec::new(),
            failed: None,
            put_off: None,
            ending: None,
            gone: None,
        }
    }

    /// Nothing is left of what was started here.
    pub(super) fn end(self) {
        drop(self.workers);
        let until = now() + GONE_WITHIN;
        while !children().is_empty() && now() < until {
            while let Some((pid, _)) = ended_child() {
                reap(pid);
            }
            std::thread::yield_now();
        }
    }
}

/// A worker with its handler.
pub(super) struct Live<'a> {
    stage: &'a mut Stage,
    open: &'a Open<'a>,
    place: &'a Place,
    audience: &'a mut dyn Audience,
    pub(super) ledger: Ledger,
    pid: Option<Pid>,
    /// For a worker that is not started yet.
    unsaid: Vec<ToWorker>,
    /// `exec`: what a process did.
    failed: Option<Fault>,
    /// `exec`: since when a batch is put off.
    put_off: Option<(Instant, String)>,
    ending: Option<Ending>,
    /// How the worker ended, with nothing left of it.
    gone: Option<String>,
}

impl Live<'_> {
    /// Until `what` is so.
    pub(super) fn wait(&mut self, what: impl Fn(&Ledger) -> bool) -> Result<(), Trouble> {
        loop {
            if self.gone.is_some() {
                return Err(self.ended_of_itself());
            }
            if let Some(fault) = self.failed.take() {
                return Err(Trouble::Fault(fault));
            }
            if self.ledger.wrong().is_none() && what(&self.ledger) {
                return Ok(());
            }
            if let Some(waited) = self.ledger.silence(Boottime::now()) {
                return Err(self.probe(waited));
            }
            if let Some(fault) = self.is_put_off() {
                return Err(Trouble::Fault(fault));
            }
            if self.stage.is_interrupted() {
                self.interrupted()?;
                return Err(Trouble::Interrupted);
            }
            self.turn()?;
        }
    }

    /// A handler begins, and is given nothing for a moment: whoever answers then is too early.
    pub(super) fn begin(&mut self, then: Trace) -> Result<(), Trouble> {
        let until = now() + BEGINS_WITHIN;
        self.wait(|ledger| ledger.is_at_end() && (ledger.has_begun() || now() >= until))?;
        self.pause(QUIET)?;
        self.lead(then);
        Ok(())
    }

    /// For so long, whatever it does; what it does wrong is found by who waits next.
    pub(super) fn pause(&mut self, time: Duration) -> Result<(), Trouble> {
        let until = now() + time;
        while now() < until && self.gone.is_none() {
            self.turn()?;
        }
        Ok(())
    }

    /// Leads its worker otherwise from here on.
    pub(super) fn lead(&mut self, trace: Trace) {
        self.ledger.led();
        self.say(ToWorker::Lead(trace));
    }

    pub(super) fn signal(&mut self, signal: Signal) {
        if let Some(pid) = self.pid {
            self.stage.workers.signal(pid, signal);
        }
    }

    /// It could not be heard until now.
    pub(super) fn forgive(&mut self) {
        self.ledger.forgive(Boottime::now());
    }

    /// Kills the worker and all below it.
    pub(super) fn kill(&mut self) -> Result<(), Failure> {
        self.signal(Signal::SIGKILL);
        self.until_gone(GONE_WITHIN)
    }

    /// Tells it to stop, and judges how it does.
    pub(super) fn stop(&mut self, reason: StopReason) -> Result<(), Trouble> {
        let within = self.stage.stop_within();
        self.say(ToWorker::Stop { reason, within });
        self.until_gone(within + GONE_WITHIN)?;
        if let Some(fault) = self.failed.take().or_else(|| self.ledger.wrong().cloned()) {
            return Err(Trouble::Fault(fault));
        }
        let Some(Ending::Stopped { cut_short, failed }) = self.ending.take() else {
            return Err(self.ended_of_itself());
        };
        let exec = self.stage.patience().is_none();
        let left = self.ledger.left().filter(|_| !exec || failed.is_some());
        match (cut_short, left, failed) {
            (true, left, _) => Err(Trouble::Fault(Fault::IgnoredStop { within, left })),
            (false, Some(left), how) => Err(Trouble::Fault(Fault::LeftAtStop { left, how })),
            (false, None, Some(how)) => Err(Trouble::Fault(Fault::FailedAtStop { how })),
            (false, None, None) => {
                self.ledger.late().cloned().map_or(Ok(()), |late| Err(Trouble::Fault(late)))
            }
        }
    }

    /// Tells it to stop where how it does is not what is looked at.
    pub(super) fn dismiss(&mut self) -> Result<(), Trouble> {
        let within = self.stage.stop_within().min(DISMISSED_WITHIN);
        self.say(ToWorker::Stop { reason: StopReason::Shutdown, within });
        self.until_gone(within + GONE_WITHIN)?;
        let wrong = self.ledger.wrong().or(self.ledger.late()).cloned();
        wrong.map_or(Ok(()), |fault| Err(Trouble::Fault(fault)))
    }

    fn say(&mut self, message: ToWorker) {
        match self.pid {
            Some(pid) => self.stage.workers.say(pid, &message),
            None => self.unsaid.push(message),
        }
    }

    /// Whoever has said nothing is told to stop: does it answer then?
    fn probe(&mut self, waited: Duration) -> Trouble {
        let (flushed, Some(span)) = (self.ledger.is_flushed(), self.ledger.left()) else {
            return Trouble::Failed(Failure::bug("try: nobody owes an answer".to_owned()));
        };
        let within = self.stage.stop_within().min(SILENT_STOPS_WITHIN);
        self.say(ToWorker::Stop { reason: StopReason::Shutdown, within });
        if let Err(failure) = self.until_gone(within + GONE_WITHIN) {
            return Trouble::Failed(failure);
        }
        let Some(span) = self.ledger.left().map(|left| if left.count == span.count { span } else { left })
        else {
            return Trouble::Fault(Fault::OnlyAtStop { span, waited, flushed });
        };
        let at_stop = match &self.ending {
            Some(Ending::Stopped { cut_short: true, .. }) => "it ignored stop, too",
            Some(Ending::Stopped { failed: Some(how), .. }) => how,
            _ => "told to stop, it exited without acknowledging them",
        };
        Trouble::Fault(Fault::NotAtAll { span, waited, flushed, at_stop: at_stop.to_owned() })
    }

    fn is_put_off(&self) -> Option<Fault> {
        let (since, error) = self.put_off.as_ref()?;
        let waited = now().saturating_duration_since(*since);
        (waited > self.stage.trying.handler.timeout).then(|| Fault::PutOff { waited, error: error.clone() })
    }

    /// Lets the handler finish, unless whoever interrupts insists.
    fn interrupted(&mut self) -> Result<(), Failure> {
        let within = self.stage.stop_within();
        self.say(ToWorker::Stop { reason: StopReason::Shutdown, within });
        let until = now() + within + GONE_WITHIN;
        while self.gone.is_none() && now() < until && !self.stage.is_interrupted() {
            self.turn()?;
        }
        Ok(())
    }

    /// Kills what is not gone by then, unless it is killed already.
    fn until_gone(&mut self, within: Duration) -> Result<(), Failure> {
        let until = now() + within;
        while self.gone.is_none() {
            if now() >= until || self.stage.is_interrupted() {
                self.signal(Signal::SIGKILL);
            }
            if now() >= until + GONE_WITHIN {
                return Err(Failure::bug("try: what was killed is not gone".to_owned()));
            }
            self.turn()?;
        }
        Ok(())
    }

    /// Takes what has happened, or waits a moment for it.
    fn turn(&mut self) -> Result<(), Failure> {
        if let Ok(heard) = self.stage.heard.recv_timeout(LOOK_EVERY) {
            self.stage.workers.hear(heard, now());
        }
        while let Ok(heard) = self.stage.heard.try_recv() {
            self.stage.workers.hear(heard, now());
        }
        self.stage.workers.reap(now());
        for news in self.stage.workers.news(now()) {
            match news {
                News::Spawned { pid, .. } => {
                    self.pid = Some(pid);
                    std::mem::take(&mut self.unsaid).into_iter().for_each(|message| self.say(message));
                }
                News::SpawnFailed { error, .. } => {
                    return Err(Failure::failed(format!("the worker can't be started: {error}")));
                }
                News::Said { message, .. } => self.said(message),
                News::Gone(gone) => self.gone = Some(gone.exit.to_string()),
            }
        }
        self.place.commit_nothing();
        self.open.feed(self.place.acknowledged())
    }

    fn said(&mut self, message: FromWorker) {
        match message {
            FromWorker::Traced { traced } => {
                let audience = &mut self.audience;
                for traced in traced {
                    self.ledger.hear(traced, &mut |answered| audience.answered(answered));
                }
            }
            FromWorker::Failed { offset, rejected: true, .. } => {
                let verdict = Verdict::Apply(PoisonAction::Skip);
                self.say(ToWorker::Decide { offset, verdict });
            }
            FromWorker::BatchFailed { offset, count: 1, error, .. }
            | FromWorker::Failed { offset, error, rejected: false, .. } => {
                self.failed = Some(Fault::FailedAlone { offset: offset.0, error });
            }
            FromWorker::BatchFailed { offset, count, error, .. } => {
                let remark = format!(
                    "{count} messages from offset {offset} on failed ({error}): they are tried in halves"
                );
                self.audience.remark(&remark);
            }
            FromWorker::Postponed { error } => {
                let (since, _) = self.put_off.take().unwrap_or_else(|| (now(), String::new()));
                self.put_off = Some((since, error));
            }
            FromWorker::Ended { ending, .. } => self.ending = Some(ending),
            FromWorker::Ready
            | FromWorker::CommitWanted
            | FromWorker::Described(_)
            | FromWorker::DeadLetterKept { .. }
            | FromWorker::DeadLettered { .. } => {}
        }
    }

    /// Nobody had told it to.
    fn ended_of_itself(&mut self) -> Trouble {
        if let Some(fault) = self.failed.take().or_else(|| self.ledger.wrong().cloned()) {
            return Trouble::Fault(fault);
        }
        let left = self.ledger.left();
        let died = |exit: kafkavisor_link::process::Exit| Fault::Died { how: exit.to_string(), left };
        match self.ending.take() {
            Some(Ending::HandlerExit { status }) => {
                Trouble::Fault(died(kafkavisor_link::process::Exit::Status(status)))
            }
            Some(Ending::HandlerSignal { signal }) => {
                Trouble::Fault(died(kafkavisor_link::process::Exit::Signal(signal)))
            }
            Some(Ending::HandlerMissing { error }) => Trouble::Fault(Fault::Missing { error }),
            Some(Ending::HandlerTimeout { detail } | Ending::ProtocolError { detail }) => {
                Trouble::Fault(Fault::Protocol { detail })
            }
            Some(Ending::Denied { error } | Ending::Refused { error }) => {
                Trouble::Failed(Failure::configuration(error))
            }
            Some(Ending::StartLost { error } | Ending::Parked { error, .. }) => {
                Trouble::Failed(Failure::failed(error))
            }
            Some(Ending::Unable { error }) => Trouble::Failed(Failure::bug(error)),
            Some(Ending::Stopped { .. } | Ending::LeaseLost) | None => {
                let how = self.gone.clone().unwrap_or_default();
                Trouble::Failed(Failure::failed(format!("the worker {how}")))
            }
        }
    }
}

impl Drop for Live<'_> {
    fn drop(&mut self) {
        if self.gone.is_none() {
            let _killed = self.kill();
        }
    }
}
