//! One number of one series.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

/// How a number is to be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// As it is now.
    Gauge,
    /// What came since the last one.
    Counter,
    /// What came since the process was started.
    CumulativeCounter,
}

impl Kind {
    /// As SignalFx names it.
    fn name(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Counter => "counter",
            Self::CumulativeCounter => "cumulative_counter",
        }
    }
}

/// A number.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Number {
    /// A whole one.
    Whole(u64),
    /// Any.
    Real(f64),
}

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub struct Datapoint {
    /// The metric's name.
    pub metric: String,
    /// How its number is to be understood.
    pub kind: Kind,
    /// The number.
    pub value: Number,
    /// When it was so, in milliseconds since 1970.
    pub timestamp: i64,
    /// What tells its series from others of that name.
    pub dimensions: BTreeMap<String, String>,
}

#[derive(Serialize)]
struct Sent<'a> {
    metric: &'a str,
    value: Number,
    timestamp: i64,
    dimensions: &'a BTreeMap<String, String>,
}

/// Many of them, as `/v2/datapoint` takes them.
pub(super) fn body(points: &[Datapoint]) -> Vec<u8> {
    let mut kinds: BTreeMap<Kind, Vec<Value>> = BTreeMap::new();
    for Datapoint { metric, kind, value, timestamp, dimensions } in points {
        let sent = Sent { metric, value: *value, timestamp: *timestamp, dimensions };
        // A number that JSON does not have is none that could be drawn, and would have all of them refused.
        if matches!(value, Number::Real(real) if !real.is_finite()) {
            continue;
        }
        kinds.entry(*kind).or_default().extend(serde_json::to_value(sent));
    }
    let kinds: Map<_, _> =
        kinds.into_iter().map(|(kind, points)| (kind.name().to_owned(), points.into())).collect();
    Value::Object(kinds).to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn they_are_sent_by_kind() {
        let point = |metric: &str, kind, value| Datapoint {
            metric: metric.to_owned(),
            kind,
            value,
            timestamp: 1,
            dimensions: BTreeMap::from([("group".to_owned(), "g".to_owned())]),
        };
        let points = [
            point("lag", Kind::Gauge, Number::Whole(3)),
            point("messages_total", Kind::CumulativeCounter, Number::Whole(u64::MAX)),
            point("lag_seconds", Kind::Gauge, Number::Real(0.5)),
            point("nothing", Kind::Gauge, Number::Real(f64::NAN)),
        ];
        let sent: Value = serde_json::from_slice(&body(&points)).unwrap();
        let of = |metric: &str, value: Value| json!({"metric": metric, "value": value, "timestamp": 1, "dimensions": {"group": "g"}});
        let expected = json!({
            "gauge": [of("lag", json!(3)), of("lag_seconds", json!(0.5))],
            "cumulative_counter": [of("messages_total", json!(u64::MAX))],
        });
        assert_eq!(sent, expected);
    }
}
