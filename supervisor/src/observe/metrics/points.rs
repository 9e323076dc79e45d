//! Metrics as single numbers, for whoever knows no families: as Prometheus names them, histograms by bucket.

use std::fmt;

use super::family::{Family, Kind, Labels, Series, Value, buckets, sum};

/// One number of one series.
#[derive(Debug)]
pub(super) struct Point<'a> {
    pub(super) name: String,
    /// It only grows.
    pub(super) grows: bool,
    pub(super) number: Number,
    labels: &'a Labels,
    /// A bucket's upper bound.
    le: Option<String>,
}

/// A number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Number {
    Whole(u64),
    Real(f64),
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(number) => number.fmt(f),
            Self::Real(number) => number.fmt(f),
        }
    }
}

impl Number {
    /// What has come since it was `before`, where anything has.
    pub(super) fn minus(self, before: Option<Self>) -> Option<Self> {
        match (self, before) {
            (Self::Whole(now), Some(Self::Whole(before))) => {
                Some(now.saturating_sub(before)).filter(|more| *more > 0).map(Self::Whole)
            }
            (Self::Whole(now), _) => Some(now).filter(|now| *now > 0).map(Self::Whole),
            (Self::Real(now), Some(Self::Real(before))) => {
                Some(now - before).filter(|more| *more > 0.0).map(Self::Real)
            }
            (Self::Real(now), _) => Some(now).filter(|now| *now > 0.0).map(Self::Real),
        }
    }
}

impl Point<'_> {
    pub(super) fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        self.labels.iter().chain(self.le.iter().map(|le| ("le", le.as_str())))
    }
}

impl Family {
    /// As Prometheus shows it.
    fn full_name(&self) -> String {
        let unit = self.unit.map(|unit| format!("_{unit}")).unwrap_or_default();
        let end = match self.kind {
            Kind::Counter => "_total",
            Kind::Info => "_info",
            Kind::Gauge | Kind::Untyped | Kind::Histogram => "",
        };
        format!("{}{unit}{end}", self.name)
    }

    pub(super) fn points(&self) -> impl Iterator<Item = Point<'_>> {
        let name = self.full_name();
        let grows = self.kind == Kind::Counter;
        self.series.iter().flat_map(move |series| points(&name, grows, series))
    }
}

fn points<'a>(name: &str, grows: bool, Series { labels, value }: &'a Series) -> Vec<Point<'a>> {
    let point = |end: &str, grows: bool, number: Number, le: Option<String>| Point {
        name: format!("{name}{end}"),
        grows,
        number,
        labels,
        le,
    };
    let durations = match value {
        Value::Whole(number) => return vec![point("", grows, Number::Whole(*number), None)],
        Value::Real(number) => return vec![point("", grows, Number::Real(*number), None)],
        Value::Durations(durations) => durations,
    };
    let mut count = 0;
    let mut points: Vec<_> = buckets(durations)
        .map(|(bound, more)| {
            count += more;
            let le = if bound.is_finite() { bound.to_string() } else { "+Inf".to_owned() };
            point("_bucket", true, Number::Whole(count), Some(le))
        })
        .collect();
    points.push(point("_sum", true, Number::Real(sum(durations)), None));
    points.push(point("_count", true, Number::Whole(count), None));
    points
}
