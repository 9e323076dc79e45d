//! A cluster in this process.

use std::time::Duration;

use kafkavisor::cluster_config::ClusterConfig;
use kafkavisor::producer::{KeyedProducer, ProducerBuilder, SimpleProducer};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

/// Long enough for whatever works.
const TIMEOUT: Duration = Duration::from_secs(30);

pub(crate) struct Mock(pub(crate) MockCluster<'static, DefaultProducerContext>);

impl Mock {
    /// One broker, and a topic on it.
    pub(crate) fn with(topic: &str, partitions: i32) -> Self {
        let mock = Self(MockCluster::new(1).unwrap());
        mock.0.create_topic(topic, partitions, 1).unwrap();
        mock
    }

    pub(crate) fn cluster(&self) -> ClusterConfig {
        ClusterConfig::new("standard", "mock", self.0.bootstrap_servers(), "")
    }

    pub(crate) fn simple(&self) -> ProducerBuilder<SimpleProducer> {
        SimpleProducer::builder(&self.cluster()).client_id("my-client-id").timeout(TIMEOUT)
    }

    pub(crate) fn keyed(&self) -> ProducerBuilder<KeyedProducer> {
        KeyedProducer::builder(&self.cluster()).client_id("my-client-id").timeout(TIMEOUT)
    }

    /// The next requests that produce are answered so, one after the other.
    pub(crate) fn answer_produce(&self, errors: &[RDKafkaRespErr]) {
        self.0.request_errors(RDKafkaApiKey::Produce, errors);
    }
}
