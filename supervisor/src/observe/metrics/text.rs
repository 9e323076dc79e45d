//! Metrics as Prometheus reads them: its own text format, or OpenMetrics where that is asked for.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeLabel, EncodeLabelSet, LabelSetEncoder, MetricEncoder, NoLabelSet,
    prometheus_text, text,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use super::family::{Family, Kind, Labels, Series, Value, buckets, sum};

/// How they are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Prometheus,
    OpenMetrics,
}

impl Format {
    /// What whoever asks likes best, by its `Accept` headers.
    pub(crate) fn asked_for<'a>(accept: impl Iterator<Item = &'a str>) -> Self {
        let (mut open, mut plain) = (0.0f32, 0.0f32);
        for range in accept.flat_map(|header| header.split(',')) {
            let mut parts = range.split(';').map(str::trim);
            let kind = parts.next().unwrap_or_default();
            let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(Some(1.0), |q| q.parse().ok());
            let weight = weight.unwrap_or(0.0);
            match kind {
                "application/openmetrics-text" => open = open.max(weight),
                "text/plain" | "text/*" | "*/*" => plain = plain.max(weight),
                _ => {}
            }
        }
        if open > 0.0 && open >= plain { Self::OpenMetrics } else { Self::Prometheus }
    }

    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => prometheus_text::CONTENT_TYPE,
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

pub(super) fn encode(families: Vec<Family>, format: Format) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Families(families)));
    let mut out = String::new();
    // Writing into a text doesn't fail.
    let _never_fails = match format {
        Format::Prometheus => prometheus_text::encode(&mut out, &registry),
        Format::OpenMetrics => text::encode(&mut out, &registry),
    };
    out
}

#[derive(Debug)]
struct Families(Vec<Family>);

impl Collector for Families {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for family in self.0.iter().filter(|family| !family.series.is_empty()) {
            let unit = family.unit.map(|unit| Unit::Other(unit.to_owned()));
            let kind = match family.kind {
                Kind::Counter => MetricType::Counter,
                Kind::Gauge => MetricType::Gauge,
                Kind::Untyped => MetricType::Unknown,
                Kind::Histogram => MetricType::Histogram,
                Kind::Info => MetricType::Info,
            };
            let mut metric = encoder.encode_descriptor(family.name, family.help, unit.as_ref(), kind)?;
            for series in &family.series {
                series.encode(family.kind, &mut metric)?;
            }
        }
        Ok(())
    }
}

impl Series {
    fn encode(&self, kind: Kind, encoder: &mut MetricEncoder<'_>) -> fmt::Result {
        if kind == Kind::Info {
            return encoder.encode_info(&self.labels);
        }
        let mut metric = encoder.encode_family(&self.labels)?;
        match (self.value, kind) {
            (Value::Whole(number), Kind::Counter) => {
                metric.encode_counter::<NoLabelSet, _, u64>(&number, None)
            }
            (Value::Real(number), Kind::Counter) => {
                metric.encode_counter::<NoLabelSet, _, f64>(&number, None)
            }
            (Value::Whole(number), _) => metric.encode_gauge(&number),
            (Value::Real(number), _) => metric.encode_gauge(&number),
            (Value::Durations(durations), _) => {
                let buckets: Vec<_> = buckets(&durations).collect();
                let count = durations.counts.iter().sum();
                metric.encode_histogram::<NoLabelSet>(sum(&durations), count, &buckets, None)
            }
        }
    }
}

impl EncodeLabelSet for Labels {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        self.iter().try_for_each(|label| label.encode(encoder.encode_label()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked_for(accept: &str) -> Format {
        Format::asked_for([accept].into_iter())
    }

    #[test]
    fn openmetrics_is_for_whoever_likes_it_best() {
        let prometheus = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        assert_eq!(asked_for(prometheus), Format::OpenMetrics);
        for plain in [
            "*/*",
            "text/plain",
            "",
            "application/openmetrics-text;q=0",
            "application/openmetrics-text;q=0.2, text/plain",
        ] {
            assert_eq!(asked_for(plain), Format::Prometheus, "{plain}");
        }
        assert_eq!(Format::asked_for([].into_iter()), Format::Prometheus);
    }

    #[test]
    fn labels_are_escaped_and_what_is_not_known_is_left_out() {
        let labels = Labels::new([("group", "a\"b\\c\nd".into())]);
        let families = || {
            vec![
                Family::new("unknown", None, Kind::Gauge, "Nobody knows."),
                Family::new("kafkavisor", Some("bytes"), Kind::Counter, "Bytes.").of(&labels, 3u64),
            ]
        };
        let expected = "# HELP kafkavisor_bytes_total Bytes.\n# TYPE kafkavisor_bytes_total counter\n\
                        kafkavisor_bytes_total{group=\"a\\\"b\\\\c\\nd\"} 3\n";
        assert_eq!(encode(families(), Format::Prometheus), expected);
        let open = encode(families(), Format::OpenMetrics);
        assert!(open.starts_with("# HELP kafkavisor_bytes Bytes.\n# TYPE kafkavisor_bytes counter\n# UNIT kafkavisor_bytes bytes\n"), "{open}");
        assert!(open.ends_with("kafkavisor_bytes_total{group=\"a\\\"b\\\\c\\nd\"} 3\n# EOF\n"), "{open}");
    }
}
