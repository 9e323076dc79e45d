//! What may go from thread to thread, and be shared between them: each public type, as `docs/public-surface.txt` lists them.

use std::collections::BTreeSet;

use kafkavisor::cluster_config::{BrokerList, ClusterConfig};
#[expect(deprecated, reason = "as the original is")]
use kafkavisor::consumer::ConsumerGroup;
use kafkavisor::consumer::{
    ConsumerError, KafkaConsumerGroup, KafkaSimpleConsumer, Messages, PartitionerError, ProcessMessageError,
    RunError, StartedConsumerGroup, TopicsRepr,
};
use kafkavisor::consumer_config::{self, Deprecated, KafkaConsumerConfig, Reset};
use kafkavisor::discovery::{
    Asked, ClusterTopics, Discovery, DiscoveryError, InvalidRegex, KafkaConnection, KafkaProperties,
    NoScribeTopic, Pattern, ServiceError, Settings, TopologyConfiguration,
};
use kafkavisor::ids::{
    FencingToken, Generation, Group, InvalidName, Offset, Partition, Topic, TopicPartition,
};
use kafkavisor::metrics::{
    AlreadySet, Datapoint, Emitter, Kind, Measure, Metric, Number, Origin, Role, Secret, SecretError,
    SignalFx, SignalFxResponder, Target,
};
use kafkavisor::multiprocessing::{
    Consumer, ConsumerGroupError, ConsumerState, Ending, MultiprocessingConsumerGroup, Protocol,
};
use kafkavisor::offset_storage::{InvalidOffsetStorageError, OffsetStorage};
use kafkavisor::producer::{
    Failed, KeyedProducer, Partitioning, ProduceCause, ProduceError, Produced, ProducerBuilder,
    SimpleProducer,
};
use kafkavisor::testing::{
    ApiKey, BrokerError, DiscoveryService, MemoryConsumer, MemoryKafka, MemoryMessage, MemoryProducer,
    MockError, MockKafka, Served,
};
use kafkavisor::{discovery, handler, offsets, protocol};

type Io = std::io::Error;

macro_rules! types {
    ($bound:path: $($of:ty),* $(,)?) => {{
        fn are<T: $bound>() {}
        $(are::<$of>();)*
        [$(name(stringify!($of))),*]
    }};
}

trait SentAndShared: Send + Sync {}

impl<T: Send + Sync> SentAndShared for T {}

/// Without its path and parameters.
fn name(of: &str) -> &str {
    let path = of.split('<').next().unwrap_or_default().trim();
    path.rsplit("::").next().unwrap_or_default().trim()
}

#[test]
#[expect(deprecated, reason = "as the original is")]
fn each_public_type_may_be_sent_and_what_is_no_single_callers_shared() {
    let shared = types![SentAndShared:
        BrokerList, ClusterConfig, ConsumerError, ConsumerGroup<fn()>, KafkaConsumerGroup,
        kafkavisor::consumer::Message, Messages<'_>, PartitionerError, ProcessMessageError<Io>, RunError<Io>,
        StartedConsumerGroup, TopicsRepr, consumer_config::Builder, consumer_config::ConfigurationError,
        Deprecated, KafkaConsumerConfig, Reset, Asked, ClusterTopics, discovery::ConfigurationError, Discovery,
        DiscoveryError, InvalidRegex, KafkaConnection, KafkaProperties, NoScribeTopic, Pattern, ServiceError,
        Settings, TopologyConfiguration, handler::Done, handler::Error, handler::Failure, handler::Header,
        handler::Init, handler::Message, handler::StopReason, FencingToken, Generation, Group, InvalidName,
        Offset, Partition, Topic, TopicPartition, AlreadySet, Datapoint, Emitter, Kind, Measure, Metric, Number,
        Origin, Role, Secret, SecretError, SignalFx, SignalFxResponder, Target, Consumer, ConsumerGroupError,
        ConsumerState, Ending, MultiprocessingConsumerGroup, Protocol, InvalidOffsetStorageError, OffsetStorage,
        offsets::GroupMember, offsets::InvalidAddress, offsets::KafkaError, offsets::Log, offsets::OffsetError,
        offsets::ZookeeperAuth, offsets::ZookeeperTls, offsets::KafkaClient,
        offsets::OffsetCommitError, offsets::OffsetsError, offsets::ConsumerPartitionOffsets,
        offsets::PartitionOffsets, offsets::SavedOffsets, offsets::Topics, Failed, KeyedProducer, Partitioning,
        ProduceCause, ProduceError, Produced, ProducerBuilder<SimpleProducer>, SimpleProducer,
        protocol::Answer, protocol::Header<'_>, protocol::Init, protocol::Message<'_>, protocol::Output<'_>,
        protocol::OwnedHeader, protocol::OwnedMessage, protocol::ProtocolError, protocol::Request,
        protocol::binary::Binary, protocol::binary::BinaryHandler, protocol::jsonl::Jsonl,
        protocol::jsonl::JsonlHandler, ApiKey, BrokerError, DiscoveryService, MemoryConsumer, MemoryKafka,
        MemoryMessage, MemoryProducer, MockError, MockKafka, Served,
    ];
    // One thread at a time: a consumer that has nobody to share with, callbacks that may change something.
    let sent = types![Send: KafkaSimpleConsumer, kafkavisor::multiprocessing::Builder];
    // Lent to a handler for one message, on the thread that calls it; what the listing shows and nobody can name.
    let neither = ["Context", "Before"];
    let named: BTreeSet<_> = shared.into_iter().chain(sent).chain(neither).collect();
    let listing = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/public-surface.txt"));
    let listing = listing.expect("the listing is there");
    let types = listing.lines().filter(|line| line.starts_with("struct ") || line.starts_with("enum "));
    let missing: Vec<_> = types.filter(|line| !named.contains(name(line))).collect();
    assert!(missing.is_empty(), "say of each whether it may be sent and shared: {missing:#?}");
}
