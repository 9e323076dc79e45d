//! The responder that sends to SignalFx: adds up what is recorded, and sends that every few seconds.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::datapoint::{Datapoint, Kind, Number};
use super::responder::{Emitter, Measure, MetricsResponder};
use super::sender::{SignalFx, Target};
use crate::clock::{now, wall_millis};

/// How often it sends, where nothing else is said: SignalFx draws no finer than that unless asked to.
const EVERY: Duration = Duration::from_secs(10);
/// Bounds of what can be wanted.
const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// Sends figures to SignalFx, as yelp_kafka's default does. From yelp_kafka:
/// `yelp_kafka.yelp_metrics_responder.MeteoriteMetricsResponder`.
///
/// A counter is sent as what came since the last time. Of a timer three series are sent, in milliseconds: under its own name the mean,
/// and behind it `.max` and `.count`. A figure with a time of its own is sent as it is. What SignalFx can't take for now is kept, up to
/// a bound, and sent again.
///
/// ```no_run
/// use std::sync::Arc;
/// use kafkavisor::metrics::{Origin, Secret, SignalFxResponder, Target, set_default_responder};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let token = Secret::from(Origin::Variable("SIGNALFX_TOKEN".to_owned()))?;
/// let target = Target { url: "https://ingest.us1.signalfx.com".to_owned(), token };
/// let responder = Arc::new(SignalFxResponder::start(target)?);
/// set_default_responder(responder.clone())?;
/// // ... producers and consumer groups report there from here on. Before a short program ends:
/// responder.flush(std::time::Duration::from_secs(5));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[doc(alias = "MeteoriteMetricsResponder")]
#[doc(alias = "yelp_meteorite")]
pub struct SignalFxResponder {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    sums: Mutex<Sums>,
    news: Condvar,
    sender: SignalFx,
}

#[derive(Debug, Default)]
struct Sums {
    of: BTreeMap<Emitter, Sum>,
    over: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Sum {
    count: u32,
    total: f64,
    max: f64,
}

impl SignalFxResponder {
    /// Sends there every ten seconds.
    pub fn start(target: Target) -> io::Result<Self> {
        Self::every(EVERY, target)
    }

    /// Sends there as often as that, 100 ms at the shortest. A URL or a token that no request can be made of is
    /// [`InvalidInput`](io::ErrorKind::InvalidInput).
    pub fn every(interval: Duration, target: Target) -> io::Result<Self> {
        let interval = interval.clamp(SHORTEST, LONGEST);
        target.check()?;
        let sender = SignalFx::start(target)?;
        let shared = Arc::new(Shared { sums: Mutex::default(), news: Condvar::new(), sender });
        let sending = Arc::clone(&shared);
        let thread = thread::Builder::new().name("metrics".to_owned());
        let thread = thread.spawn(move || {
            while sending.wait(interval) {
                sending.send();
            }
        })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Sends what there is at once, and waits until SignalFx has taken it; whether it has in that time. For programs that end before
    /// they would send anything. What a producer or a group has to say comes here at the latest when that is dropped.
    pub fn flush(&self, within: Duration) -> bool {
        let (until, dropped) = (now() + within.min(LONGEST), self.dropped());
        self.shared.send();
        self.shared.sender.wait_sent(until) && self.dropped() == dropped
    }

    /// How many datapoints were given up: SignalFx was away for too long, or refused them for good.
    pub fn dropped(&self) -> u64 {
        self.shared.sender.dropped()
    }
}

impl MetricsResponder for SignalFxResponder {
    fn record(&self, emitter: &Emitter, value: f64, timestamp: Option<i64>) {
        if let Some(timestamp) = timestamp {
            self.shared.sender.send([single(emitter, value, timestamp)]);
            return;
        }
        let mut sums = self.shared.sums();
        match sums.of.get_mut(emitter) {
            Some(sum) => sum.add(value),
            None => sums.of.entry(emitter.clone()).or_default().add(value),
        }
    }
}

impl Drop for SignalFxResponder {
    fn drop(&mut self) {
        self.shared.sums().over = true;
        self.shared.news.notify_all();
        // It waits for nobody but us.
        let _panicked = self.thread.take().map(JoinHandle::join);
    }
}

impl Shared {
    fn sums(&self) -> MutexGuard<'_, Sums> {
        self.sums.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Until it is time to send; whether it goes on.
    fn wait(&self, interval: Duration) -> bool {
        let until = now() + interval;
        let mut sums = self.sums();
        loop {
            let left = until.saturating_duration_since(now());
            if sums.over || left.is_zero() {
                return !sums.over;
            }
            let waited = self.news.wait_timeout(sums, left);
            sums = waited.map_or_else(|poisoned| poisoned.into_inner().0, |(sums, _)| sums);
        }
    }

    fn send(&self) {
        let sums = std::mem::take(&mut self.sums().of);
        if !sums.is_empty() {
            let timestamp = wall_millis();
            self.sender.send(sums.iter().flat_map(|(emitter, sum)| sum.points(emitter, timestamp)));
        }
    }
}

impl Sum {
    fn add(&mut self, value: f64) {
        self.max = if self.count == 0 { value } else { self.max.max(value) };
        self.count = self.count.saturating_add(1);
        self.total += value;
    }

    fn points(self, emitter: &Emitter, timestamp: i64) -> Vec<Datapoint> {
        let under = |suffix: &str, kind, value| Datapoint {
            metric: format!("{}{suffix}", emitter.metric),
            ..point(emitter, kind, value, timestamp)
        };
        match emitter.measure {
            Measure::Counter => vec![under("", Kind::Counter, number(self.total))],
            Measure::Timer => vec![
                under("", Kind::Gauge, Number::Real(self.total / f64::from(self.count))),
                under(".max", Kind::Gauge, Number::Real(self.max)),
                under(".count", Kind::Counter, Number::Whole(self.count.into())),
            ],
        }
    }
}

fn single(emitter: &Emitter, value: f64, timestamp: i64) -> Datapoint {
    match emitter.measure {
        Measure::Counter => point(emitter, Kind::Counter, number(value), timestamp),
        Measure::Timer => point(emitter, Kind::Gauge, Number::Real(value), timestamp),
    }
}

fn point(emitter: &Emitter, kind: Kind, value: Number, timestamp: i64) -> Datapoint {
    let Emitter { metric, dimensions, .. } = emitter;
    Datapoint { metric: metric.clone(), kind, value, timestamp, dimensions: dimensions.clone() }
}

/// A count as SignalFx wants it, which has integers.
fn number(value: f64) -> Number {
    let whole = value.round();
    if whole >= 0.0 && (value - whole).abs() < f64::EPSILON {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "just looked at")]
        return Number::Whole(whole as u64);
    }
    Number::Real(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    fn sum(values: &[f64]) -> Sum {
        let mut sum = Sum::default();
        values.iter().for_each(|value| sum.add(*value));
        sum
    }

    fn shown(measure: Measure, values: &[f64]) -> Vec<(String, Kind, Number)> {
        let emitter = Emitter::new(measure, "m", &[("client_id".to_owned(), "me".to_owned())].into());
        let points = sum(values).points(&emitter, 7);
        assert!(points.iter().all(|point| point.timestamp == 7 && point.dimensions == emitter.dimensions));
        points.into_iter().map(|point| (point.metric, point.kind, point.value)).collect()
    }

    #[test]
    fn what_no_request_can_be_made_of_is_refused() {
        let target = |url: &str, token: &str| Target { url: url.to_owned(), token: Secret::text(token) };
        for (url, token, word) in [
            ("", "t", "URL"),
            ("not a url", "t", "URL"),
            ("file:///tmp", "t", "URL"),
            ("http://127.0.0.1:1", "a\nb", "token"),
        ] {
            let error = SignalFxResponder::start(target(url, token)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
            assert!(error.to_string().contains(word) && !error.to_string().contains("a\nb"), "{error}");
        }
    }

    #[test]
    fn any_interval_will_do() {
        let nobody = || Target { url: "http://127.0.0.1:1".to_owned(), token: Secret::text("t") };
        for interval in [Duration::ZERO, Duration::MAX] {
            let mut responder = SignalFxResponder::every(interval, nobody()).unwrap();
            let thread = responder.thread.take().unwrap();
            drop(responder);
            assert!(thread.join().is_ok(), "{interval:?}");
        }
    }

    #[test]
    fn a_counter_is_sent_as_what_came() {
        assert_eq!(shown(Measure::Counter, &[1.0, 2.0]), [("m".to_owned(), Kind::Counter, Number::Whole(3))]);
        assert_eq!(number(1.5), Number::Real(1.5));
        assert_eq!(number(-1.0), Number::Real(-1.0));
    }

    #[test]
    fn of_a_timer_mean_maximum_and_count_are_sent() {
        let expected = [
            ("m".to_owned(), Kind::Gauge, Number::Real(4.0)),
            ("m.max".to_owned(), Kind::Gauge, Number::Real(6.0)),
            ("m.count".to_owned(), Kind::Counter, Number::Whole(2)),
        ];
        assert_eq!(shown(Measure::Timer, &[6.0, 2.0]), expected);
    }
}
