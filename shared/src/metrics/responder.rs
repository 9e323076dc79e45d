//! Where a program's figures go: a trait, and who is meant where nobody is named.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// What tells a series from others of its name: `client_id` and the like.
pub type Dimensions = BTreeMap<String, String>;

/// Takes the figures of producers and consumer groups. From yelp_kafka: `yelp_kafka.metrics_responder.MetricsResponder`.
///
/// One for each kind of emitter and value is asked for once, when a producer or a group is made. What is recorded comes on a thread of
/// its own, so that one which takes its time holds up no message; where it takes too much of that, figures are left out.
///
/// ```
/// use std::sync::Mutex;
/// use kafkavisor::metrics::{Emitter, MetricsResponder};
///
/// #[derive(Default)]
/// struct Written(Mutex<Vec<String>>);
///
/// impl MetricsResponder for Written {
///     fn record(&self, emitter: &Emitter, value: f64, _timestamp: Option<i64>) {
///         self.0.lock().unwrap().push(format!("{} {value}", emitter.metric));
///     }
/// }
///
/// let written = Written::default();
/// let emitter = written.counter_emitter("my_failures", &[("client_id".to_owned(), "me".to_owned())].into());
/// written.record(&emitter, 1.0, None);
/// assert_eq!(*written.0.lock().unwrap(), ["my_failures 1"]);
/// ```
pub trait MetricsResponder: Send + Sync {
    /// What a counter is recorded with.
    #[doc(alias = "get_counter_emitter")]
    fn counter_emitter(&self, metric: &str, default_dimensions: &Dimensions) -> Emitter {
        Emitter::new(Measure::Counter, metric, default_dimensions)
    }

    /// What a time is recorded with.
    #[doc(alias = "get_timer_emitter")]
    fn timer_emitter(&self, metric: &str, default_dimensions: &Dimensions) -> Emitter {
        Emitter::new(Measure::Timer, metric, default_dimensions)
    }

    /// Takes a figure: of a counter by how much it grew, of a timer a time in milliseconds. `timestamp` is when it was so, in milliseconds
    /// since 1970; none means now.
    fn record(&self, emitter: &Emitter, value: f64, timestamp: Option<i64>);
}

/// What a figure says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Measure {
    /// How often something happened, since it was last recorded.
    Counter,
    /// How long something took, in milliseconds.
    Timer,
}

/// A series that figures are recorded for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Emitter {
    /// What its figures say.
    pub measure: Measure,
    /// Its name.
    pub metric: String,
    /// What tells it from others of that name.
    pub dimensions: Dimensions,
}

impl Emitter {
    /// A series of this name.
    pub fn new(measure: Measure, metric: &str, dimensions: &Dimensions) -> Self {
        Self { measure, metric: metric.to_owned(), dimensions: dimensions.clone() }
    }
}

static DEFAULT: OnceLock<Arc<dyn MetricsResponder>> = OnceLock::new();

/// There is a default responder already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this process has a default responder already: name another one where a producer or a group is made")]
pub struct AlreadySet;

/// From here on, whoever is made without a responder of its own reports to this one. It is set once a process, before the first producer
/// or group is made.
///
/// Until then there is none, and nothing is reported: where figures go, and with which token, only the program can know. From yelp_kafka:
/// `get_default_responder_if_available`, which takes `yelp_meteorite` where that is installed.
#[doc(alias = "get_default_responder_if_available")]
pub fn set_default_responder(responder: Arc<dyn MetricsResponder>) -> Result<(), AlreadySet> {
    DEFAULT.set(responder).map_err(|_| AlreadySet)
}

/// Who is reported to where nobody is named.
pub fn default_responder() -> Option<Arc<dyn MetricsResponder>> {
    DEFAULT.get().cloned()
}
