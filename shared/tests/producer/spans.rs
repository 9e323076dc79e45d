//! The span of a call.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use rdkafka::types::RDKafkaRespErr as Answer;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::mock::Mock;

type Fields = BTreeMap<String, String>;

/// Remembers spans, in their order, as name and fields.
#[derive(Clone, Default)]
struct Spans {
    all: Arc<Mutex<Vec<(String, Fields)>>>,
    count: Arc<AtomicU64>,
}

struct Into<'a>(&'a mut Fields);

impl Visit for Into<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }
}

impl Subscriber for Spans {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "kafkavisor::producer"
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut fields = Fields::new();
        span.record(&mut Into(&mut fields));
        self.all.lock().unwrap().push((span.metadata().name().to_owned(), fields));
        Id::from_u64(self.count.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        let index = usize::try_from(span.into_u64() - 1).unwrap();
        values.record(&mut Into(&mut self.all.lock().unwrap()[index].1));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &Event<'_>) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

fn fields<const N: usize>(fields: [(&str, &str); N]) -> Fields {
    fields.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

#[test]
fn a_call_is_a_span_with_what_came_of_it() {
    let mock = Mock::with("t", 1);
    let (simple, keyed) = (mock.simple().build().unwrap(), mock.keyed().build().unwrap());
    let spans = Spans::default();
    let error = tracing::subscriber::with_default(spans.clone(), || {
        keyed.send_messages("t", "key", ["a", "b"]).unwrap();
        mock.answer_produce(&[Answer::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED]);
        simple.send_messages("t", ["c"]).unwrap_err()
    });
    let all = spans.all.lock().unwrap();
    assert!(all.iter().all(|(name, _)| name == "kafka.produce"));
    let of: Vec<_> = all.iter().map(|(_, fields)| fields.clone()).collect();
    let common = [("otel.kind", "producer"), ("topic", "t"), ("partition", "0")];
    let with = |more: Fields| fields(common).into_iter().chain(more).collect::<Fields>();
    assert_eq!(
        of,
        [
            with(fields([("producer", "keyed"), ("messages", "2"), ("confirmed", "2")])),
            with(fields([
                ("producer", "simple"),
                ("messages", "1"),
                ("confirmed", "0"),
                ("error", &error.to_string()),
            ])),
        ]
    );
}
