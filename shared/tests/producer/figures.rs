//! What a producer reports.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use kafkavisor::metrics::{Dimensions, Emitter, MetricsResponder};
use kafkavisor::producer::ProduceCause;
use rdkafka::types::RDKafkaRespErr as Answer;

use super::mock::Mock;

#[derive(Default)]
struct Recording {
    emitters: Mutex<Vec<Emitter>>,
    values: Mutex<Vec<(String, f64)>>,
}

impl Recording {
    fn keep(&self, emitter: Emitter) -> Emitter {
        self.emitters.lock().unwrap().push(emitter.clone());
        emitter
    }

    fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for (metric, _) in self.values.lock().unwrap().iter() {
            *counts.entry(metric.trim_start_matches(PREFIX).to_owned()).or_default() += 1;
        }
        counts
    }
}

const PREFIX: &str = "yelp_kafka.YelpKafkaProducer.";

impl MetricsResponder for Recording {
    fn counter_emitter(&self, metric: &str, default_dimensions: &Dimensions) -> Emitter {
        self.keep(Emitter::new(kafkavisor::metrics::Measure::Counter, metric, default_dimensions))
    }

    fn timer_emitter(&self, metric: &str, default_dimensions: &Dimensions) -> Emitter {
        self.keep(Emitter::new(kafkavisor::metrics::Measure::Timer, metric, default_dimensions))
    }

    fn record(&self, emitter: &Emitter, value: f64, _: Option<i64>) {
        self.values.lock().unwrap().push((emitter.metric.clone(), value));
    }
}

fn expected<const N: usize>(counts: [(&str, usize); N]) -> BTreeMap<String, usize> {
    counts.map(|(name, count)| (name.to_owned(), count)).into()
}

#[test]
fn each_call_is_timed_and_its_errors_are_counted() {
    let mock = Mock::with("t", 1);
    let recording = Arc::<Recording>::default();
    let producer = mock.simple().metrics_responder(recording.clone()).build().unwrap();
    producer.send_messages("t", ["a", "b"]).unwrap();
    mock.answer_produce(&[Answer::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED]);
    producer.send_messages("t", ["c"]).unwrap_err();
    producer.send_messages("t", ["d"]).unwrap();
    drop(producer);
    assert_eq!(
        recording.counts(),
        // The topic was asked for at first, and after the error.
        expected([
            ("metadata_request_timer", 2),
            ("produce_request_timer", 3),
            ("produce_exception_count", 1)
        ])
    );
    let values = recording.values.lock().unwrap();
    assert!(values.iter().all(|(_, value)| (0.0..60_000.0).contains(value)), "{values:?}");
    let dimensions = [("client_id", "my-client-id"), ("cluster_name", "mock"), ("cluster_type", "standard")];
    let dimensions: Dimensions = dimensions.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let emitters = recording.emitters.lock().unwrap();
    assert_eq!(emitters.len(), kafkavisor::metrics::Metric::ALL.len());
    assert!(
        emitters.iter().all(|emitter| emitter.dimensions == dimensions && emitter.metric.starts_with(PREFIX))
    );
}

#[test]
fn what_is_not_confirmed_is_counted_whatever_is_behind_it() {
    let mock = Mock::with("t", 1);
    let recording = Arc::<Recording>::default();
    let short = std::time::Duration::from_millis(1500);
    let producer = mock.simple().metrics_responder(recording.clone()).timeout(short).build().unwrap();
    producer.send_messages("t", ["a"]).unwrap();
    mock.0.broker_down(1).unwrap();
    let error = producer.send_messages("t", ["b", "c"]).unwrap_err();
    assert!(matches!(error.cause(), Some(ProduceCause::KafkaUnavailable(_))), "{error}");
    drop(producer);
    let counted = ("yelp_kafka.YelpKafkaProducer.failed_paylads_count".to_owned(), 2.0);
    assert!(recording.values.lock().unwrap().contains(&counted));
}

#[test]
fn a_producer_that_is_not_to_report_does_not() {
    let mock = Mock::with("t", 1);
    let recording = Arc::<Recording>::default();
    let producer = mock.simple().metrics_responder(recording.clone()).report_metrics(false);
    producer.build().unwrap().send_messages("t", ["a"]).unwrap();
    assert!(recording.emitters.lock().unwrap().is_empty() && recording.counts().is_empty());
}

#[test]
fn requests_that_time_out_are_counted_by_librdkafka() {
    let mock = Mock::with("t", 1);
    let recording = Arc::<Recording>::default();
    let producer = mock.simple().metrics_responder(recording.clone()).property("socket.timeout.ms", "500");
    let producer = producer.property("statistics.interval.ms", "100").build().unwrap();
    producer.send_messages("t", ["a"]).unwrap();
    mock.0.broker_round_trip_time(1, std::time::Duration::from_secs(2)).unwrap();
    let _too_slow = std::thread::scope(|scope| {
        let sending = scope.spawn(|| producer.send_messages("t", ["b"]));
        let until = kafkavisor::clock::now() + std::time::Duration::from_secs(60);
        while !recording.counts().contains_key("request_timed_out_count") {
            assert!(kafkavisor::clock::now() < until, "{:?}", recording.counts());
            std::thread::park_timeout(std::time::Duration::from_millis(20));
        }
        mock.0.broker_round_trip_time(1, std::time::Duration::ZERO).unwrap();
        sending.join().unwrap()
    });
}
