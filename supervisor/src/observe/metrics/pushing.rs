//! Metrics to whoever does not come for them, on a thread of its own: it looks at the board like everybody else, at its own pace, and
//! whatever becomes of what it sends, the loop does not notice.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use kafkavisor::clock::now;
use kafkavisor::config::{self, Metrics};
use kafkavisor::metrics::{Datapoint, Kind, Number as Sent, SignalFx, Target};

use super::family::Family;
use super::points::{Number, Point};
use super::statsd::StatsD;
use crate::observe::board::Board;

/// How often StatsD is sent figures.
const STATSD_EVERY: Duration = Duration::from_secs(10);
/// With nobody to send figures to.
const FOREVER: Duration = Duration::from_secs(1 << 30);

/// Tells the thread of another configuration; dropping it ends the thread.
#[derive(Debug)]
pub(crate) struct Pushing {
    settings: Sender<Metrics>,
}

impl Pushing {
    /// `host` and `name` tell this instance from others.
    pub(crate) fn start(board: Arc<Board>, host: &str, name: &str, metrics: Metrics) -> io::Result<Self> {
        let (settings, changed) = unbounded();
        let origin = vec![("host", host.to_owned()), ("name", name.to_owned())];
        let mut receivers = Receivers { board, origin, statsd: None, signalfx: None };
        let work = move || {
            receivers.follow(&metrics, false);
            receivers.push(&changed);
        };
        thread::Builder::new().name("metrics".to_owned()).spawn(work)?;
        Ok(Self { settings })
    }

    pub(crate) fn follow(&self, metrics: &Metrics) {
        // The thread ends only with us.
        let _always_heard = self.settings.send(metrics.clone());
    }
}

/// Somebody who is sent figures.
struct To<T> {
    receiver: T,
    every: Duration,
    next: Instant,
}

impl<T> To<T> {
    fn new(receiver: T, every: Duration) -> Self {
        Self { receiver, every, next: now() + every }
    }

    /// Whether it is time; of times that were missed, one is made up for.
    fn is_due(&mut self, time: Instant) -> bool {
        let due = time >= self.next;
        if due {
            self.next = (self.next + self.every).max(time);
        }
        due
    }
}

struct Receivers {
    board: Arc<Board>,
    /// What tells our series from those of other instances.
    origin: Vec<(&'static str, String)>,
    statsd: Option<To<StatsD>>,
    signalfx: Option<(To<SignalFx>, config::SignalFx)>,
}

impl Receivers {
    fn push(&mut self, changed: &Receiver<Metrics>) {
        loop {
            match changed.recv_timeout(self.next().saturating_duration_since(now())) {
                Ok(metrics) => self.follow(&metrics, true),
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => self.push_due(now()),
            }
        }
    }

    fn next(&self) -> Instant {
        let statsd = self.statsd.as_ref().map(|to| to.next);
        let signalfx = self.signalfx.as_ref().map(|(to, _)| to.next);
        statsd.into_iter().chain(signalfx).min().unwrap_or_else(|| now() + FOREVER)
    }

    /// Whoever is the same as before is gone on with; who comes `later` is not sent what was counted before.
    fn follow(&mut self, metrics: &Metrics, later: bool) {
        let same = self.statsd.as_ref().map(|to| to.receiver.address()) == metrics.statsd.as_deref();
        if !same {
            let to = |address: &String| To::new(StatsD::new(address, self.origin.clone()), STATSD_EVERY);
            self.statsd = metrics.statsd.as_ref().map(to);
            if let Some(to) = self.statsd.as_mut().filter(|_| later)
                && let Ok(snapshot) = self.board.look()
            {
                to.receiver.begin_at(&super::all(&snapshot));
            }
        }
        if self.signalfx.as_ref().map(|(_, settings)| settings) != metrics.signalfx.as_ref() {
            self.signalfx = metrics.signalfx.as_ref().and_then(start_signalfx);
        }
    }

    fn push_due(&mut self, time: Instant) {
        let to_statsd = self.statsd.as_mut().is_some_and(|to| to.is_due(time));
        let to_signalfx = self.signalfx.as_mut().is_some_and(|(to, _)| to.is_due(time));
        if !to_statsd && !to_signalfx {
            return;
        }
        // A loop that hangs has nothing new to say.
        let Ok(snapshot) = self.board.look() else { return };
        let families = super::all(&snapshot);
        if let Some(to) = self.statsd.as_mut().filter(|_| to_statsd) {
            to.receiver.send(&families);
        }
        if let Some((to, _)) = self.signalfx.as_ref().filter(|_| to_signalfx) {
            to.receiver.send(datapoints(&families, snapshot.moment.wall_millis, &self.origin));
        }
    }
}

fn start_signalfx(settings: &config::SignalFx) -> Option<(To<SignalFx>, config::SignalFx)> {
    let target = Target { url: settings.address(), token: settings.token.clone() };
    match SignalFx::start(target) {
        Ok(signalfx) => Some((To::new(signalfx, settings.interval), settings.clone())),
        Err(error) => {
            log::error!("figures can't be sent to SignalFx: {error}");
            None
        }
    }
}

fn datapoints<'a>(
    families: &'a [Family],
    timestamp: i64,
    origin: &'a [(&'static str, String)],
) -> impl Iterator<Item = Datapoint> + 'a {
    let datapoint = move |point: Point<'_>| {
        let own = point.labels().map(|(name, value)| (name.to_owned(), value.to_owned()));
        let ours = origin.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        Datapoint {
            kind: if point.grows { Kind::CumulativeCounter } else { Kind::Gauge },
            value: match point.number {
                Number::Whole(number) => Sent::Whole(number),
                Number::Real(number) => Sent::Real(number),
            },
            timestamp,
            dimensions: own.chain(ours).collect(),
            metric: point.name,
        }
    };
    families.iter().flat_map(Family::points).map(datapoint)
}
