//! Figures of a program, sent to where curves are drawn.
//!
//! Producers and consumer groups report on their own, to the responder that they were given or to
//! [the default](set_default_responder); every name is a [`Metric`].
//!
//! | file | for |
//! |---|---|
//! | `responder` | where figures of producers and groups go: a trait, and the default |
//! | `names` | their names, as in yelp_kafka |
//! | `statistics` | what librdkafka's statistics say |
//! | `reporter` | hands figures to a responder, and waits for nobody |
//! | `signalfx` | the responder that sends to SignalFx (feature `metrics`) |
//! | `datapoint` | one number of one series, and how SignalFx wants many of them |
//! | `sender` | a bounded queue and the thread that empties it |
//! | `exchange` | one request and what its answer means |

#[cfg(feature = "metrics")]
mod datapoint;
#[cfg(feature = "metrics")]
mod exchange;
mod names;
#[cfg(any(feature = "consumer", feature = "producer"))]
mod reporter;
mod responder;
#[cfg(feature = "metrics")]
mod sender;
#[cfg(feature = "metrics")]
mod signalfx;
#[cfg(any(feature = "consumer", feature = "producer"))]
mod statistics;

#[cfg(feature = "metrics")]
#[doc(inline)]
pub use crate::config::{Origin, Secret, SecretError};
#[cfg(feature = "metrics")]
pub use datapoint::{Datapoint, Kind, Number};
pub use names::{Metric, Role};
#[cfg(any(feature = "consumer", feature = "producer"))]
pub(crate) use reporter::Reporter;
pub use responder::{
    AlreadySet, Dimensions, Emitter, Measure, MetricsResponder, default_responder, set_default_responder,
};
#[cfg(feature = "metrics")]
pub use sender::{SignalFx, Target};
#[cfg(feature = "metrics")]
pub use signalfx::SignalFxResponder;
