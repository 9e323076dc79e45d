//! Hands figures of a producer or a group to a responder, on a thread of its own: whoever has some never waits.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rdkafka::statistics::Statistics;

use super::names::{Metric, Role};
use super::responder::{Dimensions, Emitter, Measure, MetricsResponder};
use super::statistics::Tally;

/// So many figures may wait for the responder; what comes beyond is left out.
const WAITING: usize = 10_000;
/// How long whoever drops it waits for the responder.
const LAST_FIGURES: Duration = Duration::from_secs(5);

/// See the module. Dropping it waits until the responder has taken what was there, for a while.
#[derive(Debug)]
pub(crate) struct Reporter {
    figures: Option<SyncSender<Figure>>,
    thread: Option<JoinHandle<()>>,
    /// Disconnected when the thread has ended.
    ended: Mutex<Receiver<Infallible>>,
}

enum Figure {
    Value(Metric, f64),
    Statistics(Box<Statistics>),
}

impl Reporter {
    /// Starts the thread.
    pub(crate) fn start(
        role: Role,
        dimensions: &Dimensions,
        responder: Arc<dyn MetricsResponder>,
    ) -> io::Result<Self> {
        let emitters =
            Metric::ALL.iter().map(|metric| (*metric, emitter(&*responder, role, *metric, dimensions)));
        let reporting = Reporting {
            responder: Arc::clone(&responder),
            emitters: emitters.collect(),
            tally: Tally::new(role),
            has_panicked: false,
        };
        let (figures, waiting) = sync_channel(WAITING);
        let thread = thread::Builder::new().name("kafka-metrics".to_owned());
        let (ends, ended) = sync_channel(0);
        let thread = thread.spawn(move || {
            let _until_it_ends: SyncSender<Infallible> = ends;
            reporting.run(&waiting);
        })?;
        Ok(Self { figures: Some(figures), thread: Some(thread), ended: Mutex::new(ended) })
    }

    /// Something took so long.
    pub(crate) fn took(&self, metric: Metric, time: Duration) {
        self.tell(Figure::Value(metric, time.as_secs_f64() * 1_000.0));
    }

    /// Something happened so often.
    pub(crate) fn counted(&self, metric: Metric, count: usize) {
        if count > 0 {
            self.tell(Figure::Value(metric, u32::try_from(count).unwrap_or(u32::MAX).into()));
        }
    }

    /// What librdkafka says.
    pub(crate) fn statistics(&self, statistics: Statistics) {
        self.tell(Figure::Statistics(Box::new(statistics)));
    }

    fn tell(&self, figure: Figure) {
        if let Some(figures) = &self.figures
            && figures.try_send(figure).is_err()
        {
            log::debug!("a figure is left out: the metrics responder does not keep up");
        }
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        drop(self.figures.take());
        let Some(thread) = self.thread.take() else { return };
        let ended = self.ended.get_mut().unwrap_or_else(PoisonError::into_inner);
        if ended.recv_timeout(LAST_FIGURES) == Err(RecvTimeoutError::Timeout) {
            log::warn!(
                "the metrics responder has not taken the last figures within {LAST_FIGURES:?}: it is not waited for"
            );
        } else {
            let _never_panics = thread.join();
        }
    }
}

fn emitter(responder: &dyn MetricsResponder, role: Role, metric: Metric, dimensions: &Dimensions) -> Emitter {
    let name = format!("{}{}", role.prefix(), metric.name());
    match metric.measure() {
        Measure::Counter => responder.counter_emitter(&name, dimensions),
        Measure::Timer => responder.timer_emitter(&name, dimensions),
    }
}

struct Reporting {
    responder: Arc<dyn MetricsResponder>,
    emitters: BTreeMap<Metric, Emitter>,
    tally: Tally,
    /// Which is said once.
    has_panicked: bool,
}

impl Reporting {
    fn run(mut self, figures: &Receiver<Figure>) {
        while let Ok(figure) = figures.recv() {
            match figure {
                Figure::Value(metric, value) => self.record(metric, value),
                Figure::Statistics(statistics) => {
                    for (metric, value) in self.tally.take(&statistics) {
                        self.record(metric, value);
                    }
                }
            }
        }
    }

    /// A panic of the responder's is its own: the next figure may well be to its liking.
    fn record(&mut self, metric: Metric, value: f64) {
        let Some(emitter) = self.emitters.get(&metric) else { return };
        let recorded = catch_unwind(AssertUnwindSafe(|| self.responder.record(emitter, value, None)));
        if recorded.is_err() && !std::mem::replace(&mut self.has_panicked, true) {
            log::error!("the metrics responder has panicked at {}: the figure is left out", emitter.metric);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[derive(Default)]
    struct Recording(Mutex<Vec<(Emitter, f64)>>);

    impl MetricsResponder for Recording {
        fn record(&self, emitter: &Emitter, value: f64, timestamp: Option<i64>) {
            assert_eq!(timestamp, None);
            self.0.lock().unwrap().push((emitter.clone(), value));
        }
    }

    fn dimensions() -> Dimensions {
        [("client_id".to_owned(), "me".to_owned())].into()
    }

    #[test]
    fn a_figure_comes_under_its_whole_name() {
        let recording = Arc::<Recording>::default();
        let reporter = Reporter::start(Role::Producer, &dimensions(), recording.clone()).unwrap();
        reporter.took(Metric::ProduceRequest, Duration::from_micros(2500));
        reporter.counted(Metric::ProduceException, 1);
        reporter.counted(Metric::FailedPayloads, 0);
        drop(reporter);
        let expected = [
            (Measure::Timer, "yelp_kafka.YelpKafkaProducer.produce_request_timer", 2.5),
            (Measure::Counter, "yelp_kafka.YelpKafkaProducer.produce_exception_count", 1.0),
        ];
        let expected =
            expected.map(|(measure, name, value)| (Emitter::new(measure, name, &dimensions()), value));
        assert_eq!(*recording.0.lock().unwrap(), expected);
    }

    struct Slow(Mutex<mpsc::Receiver<()>>);

    impl MetricsResponder for Slow {
        fn record(&self, _: &Emitter, _: f64, _: Option<i64>) {
            let _gone = self.0.lock().unwrap().recv();
        }
    }

    #[test]
    fn a_slow_responder_holds_nobody_up() {
        let (go_on, waiting) = mpsc::channel();
        let slow = Arc::new(Slow(Mutex::new(waiting)));
        let reporter = Reporter::start(Role::Producer, &dimensions(), slow).unwrap();
        for _ in 0..2 * WAITING {
            reporter.counted(Metric::ProduceException, 1);
        }
        drop(go_on);
    }

    #[test]
    fn a_responder_that_never_returns_is_not_waited_for_for_ever() {
        // Nobody ever tells it to go on.
        let (_go_on, waiting) = mpsc::channel();
        let reporter =
            Reporter::start(Role::Producer, &dimensions(), Arc::new(Slow(Mutex::new(waiting)))).unwrap();
        reporter.counted(Metric::ProduceException, 1);
        let (drops, dropped) = mpsc::channel();
        thread::spawn(move || {
            drop(reporter);
            drops.send(())
        });
        assert_eq!(dropped.recv_timeout(10 * LAST_FIGURES), Ok(()));
    }

    #[derive(Default)]
    struct Broken(Mutex<Vec<f64>>);

    impl MetricsResponder for Broken {
        fn record(&self, _: &Emitter, value: f64, _: Option<i64>) {
            assert!(value > 1.0, "on purpose");
            self.0.lock().unwrap().push(value);
        }
    }

    #[test]
    fn a_responder_that_panics_takes_neither_us_nor_the_next_figure_along() {
        let broken = Arc::<Broken>::default();
        let reporter = Reporter::start(Role::Producer, &dimensions(), broken.clone()).unwrap();
        [1, 2, 1, 3].into_iter().for_each(|count| reporter.counted(Metric::ProduceException, count));
        drop(reporter);
        assert_eq!(*broken.0.lock().unwrap(), [2.0, 3.0]);
    }
}
