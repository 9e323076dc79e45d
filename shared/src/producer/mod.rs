//! Producers (feature `producer`): several messages a call, which blocks until Kafka has confirmed them.
//!
//! | file | for |
//! |---|---|
//! | `simple` | to one partition after the other |
//! | `keyed` | where a key belongs |
//! | `partitioning` | which partition that is, as others say it |
//! | `produce` | what a program needs of a producer, for its tests |
//! | `builder` | how producers are made |
//! | `producing` | one call, from its topic's partitions to the last confirmation |
//! | `topics` | the partitions of topics, and whose turn it is |
//! | `call` | the messages of a call, and what has been heard of them |
//! | `client` | librdkafka's producer |
//! | `causes` | why a message was not produced, by what librdkafka says |
//! | `error` | the same, for the caller |
//!
//! # Spans
//!
//! A call is a span of the `tracing` crate, named `kafka.produce`, of target `kafkavisor::producer` and level `INFO`. Whoever wants
//! them in Zipkin has a subscriber that sends them there. From yelp_kafka: the Zipkin spans `send_messages_simple_producer` and
//! `send_messages_keyed_producer`.
//!
//! | field | says |
//! |---|---|
//! | `producer` | `simple` or `keyed` |
//! | `topic` | the topic |
//! | `messages` | how many were to be sent |
//! | `partition` | where to, once that is known |
//! | `confirmed` | how many were |
//! | `error` | what [`ProduceError`] says, where it failed |
//! | `otel.kind` | `producer`, for OpenTelemetry |
//!
//! # Metrics
//!
//! A producer reports under the prefix `yelp_kafka.YelpKafkaProducer.`, with the dimensions `client_id`, `cluster_type` and
//! `cluster_name`; every name is a [`Metric`](crate::metrics::Metric). Where to, `metrics_responder` says, or the program's
//! [default](crate::metrics::set_default_responder).

mod builder;
mod call;
mod causes;
mod client;
mod error;
mod keyed;
mod partitioning;
mod produce;
mod producing;
mod simple;
mod topics;

pub use self::builder::ProducerBuilder;
pub use self::error::{Failed, ProduceCause, ProduceError};
pub use self::keyed::KeyedProducer;
pub use self::partitioning::Partitioning;
pub use self::produce::{Produce, ProduceKeyed, Produced};
pub use self::simple::SimpleProducer;
