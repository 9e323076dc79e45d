//! A metric: its name, what it is, and its series.

use std::sync::Arc;

use kafkavisor_link::page::{BOUNDS_MILLIS, Latencies};

/// What a number means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It only grows while the process lives.
    Counter,
    Gauge,
    /// As a gauge, where Prometheus keeps the name for something else.
    Untyped,
    Histogram,
    /// What the labels say; the number is 1.
    Info,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Family {
    /// Without unit, and without what its kind appends.
    pub(crate) name: &'static str,
    pub(crate) unit: Option<&'static str>,
    pub(crate) kind: Kind,
    pub(crate) help: &'static str,
    pub(crate) series: Vec<Series>,
}

/// Numbers under one set of labels.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) labels: Labels,
    pub(crate) value: Value,
}

/// Labels that are shared by series, and one that is a series' own.
#[derive(Debug, Clone, Default)]
pub(crate) struct Labels {
    shared: Arc<[(&'static str, Arc<str>)]>,
    own: Option<(&'static str, &'static str)>,
}

/// A number.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Value {
    Whole(u64),
    Real(f64),
    Durations(Latencies),
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Whole(number)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Real(number)
    }
}

impl Labels {
    pub(crate) fn new(shared: impl IntoIterator<Item = (&'static str, Arc<str>)>) -> Self {
        Self { shared: shared.into_iter().collect(), own: None }
    }

    pub(crate) fn and(&self, name: &'static str, value: &'static str) -> Self {
        Self { shared: Arc::clone(&self.shared), own: Some((name, value)) }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.shared.iter().map(|(name, value)| (*name, &**value)).chain(self.own)
    }
}

impl Family {
    pub(crate) fn new(
        name: &'static str,
        unit: Option<&'static str>,
        kind: Kind,
        help: &'static str,
    ) -> Self {
        Self { name, unit, kind, help, series: Vec::new() }
    }

    pub(crate) fn push(&mut self, labels: Labels, value: impl Into<Value>) {
        self.series.push(Series { labels, value: value.into() });
    }

    /// With one series.
    pub(crate) fn of(mut self, labels: &Labels, value: impl Into<Value>) -> Self {
        self.push(labels.clone(), value);
        self
    }
}

/// A histogram's buckets: upper bound in seconds, and how many lie in it alone.
pub(crate) fn buckets(durations: &Latencies) -> impl Iterator<Item = (f64, u64)> {
    #[expect(clippy::cast_precision_loss, reason = "bounds are small")]
    let bounds = BOUNDS_MILLIS.iter().map(|millis| *millis as f64 / 1000.0).chain([f64::INFINITY]);
    bounds.zip(durations.counts)
}

/// A histogram's sum, in seconds.
pub(crate) fn sum(durations: &Latencies) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a sum of that size may lack a microsecond")]
    let seconds = durations.sum_micros as f64 / 1e6;
    seconds
}
