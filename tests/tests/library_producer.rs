//! The library's producers on a real Kafka: messages land where they should, errors say whether a retry is worth it, and metrics
//! reach whoever they are for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kafkavisor::cluster_config::ClusterConfig;
use kafkavisor::config::Secret;
use kafkavisor::discovery::{Discovery, Settings};
use kafkavisor::metrics::{Emitter, MetricsResponder, SignalFxResponder, Target, set_default_responder};
use kafkavisor::producer::{
    KeyedProducer, Partitioning, ProduceCause, ProduceError, Produced, ProducerBuilder, SimpleProducer,
};
use kafkavisor::testing::{DiscoveryService, Served};
use kafkavisor_tests::environment::{brokers, secure, unique, zookeeper};
use kafkavisor_tests::ingest::Ingest;
use kafkavisor_tests::reading::{Read, read_partition};
use kafkavisor_tests::secure::{self, User};
use kafkavisor_tests::topic::Topic;
use kafkavisor_tests::waiting::until;
use serde_json::{Value, json};

fn cluster() -> ClusterConfig {
    ClusterConfig::new("standard", "tests", brokers(), zookeeper())
}

fn simple() -> ProducerBuilder<SimpleProducer> {
    SimpleProducer::builder(&cluster()).client_id("my-client-id")
}

/// Keys and values of a partition, as text; `-` is null.
fn contents(topic: &Topic, partition: i32, count: usize) -> Vec<(String, String)> {
    let text =
        |bytes: Option<Vec<u8>>| bytes.map_or("-".to_owned(), |bytes| String::from_utf8(bytes).unwrap());
    let read = read_partition(topic, partition, count).into_iter();
    read.map(|Read { key, value, .. }| (text(key), text(value))).collect()
}

fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> Vec<(String, String)> {
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec()
}

/// The document's example of a producer, line by line.
fn the_documents_example(discovery: &Discovery, my_topic: &str) -> Result<(), Box<dyn std::error::Error>> {
    // Get cluster configuration (we recommend using the region cluster, which defaults to the region of the caller)
    let cluster_config = discovery.region_cluster("standard", None)?;
    // Create the producer and send 2 messages
    let producer =
        SimpleProducer::builder(&cluster_config).client_id("my-client-id").report_metrics(true).build()?;
    match producer.send_messages(my_topic, ["message1", "message2"]) {
        Ok(_) => Ok(()),
        // Usually we want to retry a certain number of times when encountering these
        Err(error) if error.is_retriable() => Err("try again".into()),
        Err(error) => Err(error.into()),
    }
}

#[test]
fn the_documents_example_does_what_it_says() {
    let topic = Topic::new(1);
    let broker_list = brokers().split(',').map(str::to_owned).collect();
    let service =
        DiscoveryService::start(Served { broker_list, zookeeper: zookeeper(), ..Served::default() }).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let region = folder.path().join("region");
    std::fs::write(&region, "acceptance_test_region\n").unwrap();
    let settings = Settings { region, ..Settings::default() };
    let discovery = Discovery::with(settings.with_url(&service.url()).unwrap(), "my-client-id");
    the_documents_example(&discovery, &topic.name).unwrap();
    assert_eq!(contents(&topic, 0, 2), pairs([("-", "message1"), ("-", "message2")]));
}

#[test]
fn calls_are_dealt_out_to_the_partitions_and_keep_their_order() {
    let topic = Topic::new(3);
    let producer = simple().build().unwrap();
    let calls: Vec<Vec<Produced>> = (0..6)
        .map(|call| producer.send_messages(&topic.name, [format!("{call}a"), format!("{call}b")]).unwrap())
        .collect();
    let first = calls[0][0].partition.0;
    for (turn, produced) in (0..).zip(&calls) {
        assert!(produced.iter().all(|produced| produced.partition.0 == (first + turn) % 3), "{calls:?}");
    }
    for turn in 0..3_u8 {
        let partition = (first + i32::from(turn)) % 3;
        let (one, other) = (turn, turn + 3);
        let values = [format!("{one}a"), format!("{one}b"), format!("{other}a"), format!("{other}b")];
        let expected: Vec<_> = values.into_iter().map(|value| ("-".to_owned(), value)).collect();
        assert_eq!(contents(&topic, partition, 4), expected);
        let offsets = calls[usize::from(other)].iter().map(|produced| produced.offset.0);
        assert_eq!(offsets.collect::<Vec<_>>(), [2, 3]);
    }
}

#[test]
fn a_key_goes_where_the_java_client_sends_it_or_where_kafka_python_did() {
    let topic = Topic::new(7);
    let keys = ["", "key", "my_key", "straße", "a", "user-1000000007"];
    let mut expected: BTreeMap<usize, usize> = BTreeMap::new();
    for partitioning in [Partitioning::Java, Partitioning::KafkaPython2] {
        let producer = KeyedProducer::builder(&cluster()).partitioning(partitioning).build().unwrap();
        for key in keys {
            let produced = producer.send_messages(&topic.name, key, ["one", "two"]).unwrap();
            let index = partitioning.index(key.as_bytes(), 7).unwrap();
            assert!(
                produced.iter().all(|produced| usize::try_from(produced.partition.0) == Ok(index)),
                "{key}"
            );
            *expected.entry(index).or_default() += 2;
        }
    }
    for (partition, count) in expected {
        assert_eq!(contents(&topic, i32::try_from(partition).unwrap(), count).len(), count);
    }
    let producer = KeyedProducer::builder(&cluster()).build().unwrap();
    let single = Topic::new(1);
    producer.send_messages(&single.name, "k", ["value"]).unwrap();
    assert_eq!(producer.send_tombstone(&single.name, "k").unwrap().offset.0, 1);
    assert_eq!(contents(&single, 0, 2), pairs([("k", "value"), ("k", "-")]));
}

fn failed(result: Result<Vec<Produced>, ProduceError>) -> (ProduceCause, bool) {
    let error = result.unwrap_err();
    (error.cause().unwrap().clone(), error.is_retriable())
}

#[test]
fn what_is_worth_a_retry_is_told_apart() {
    let topic = Topic::with(1, &[("max.message.bytes", "2000")]);
    let producer = simple().timeout(Duration::from_secs(10)).build().unwrap();
    let missing = unique("missing");
    let unknown = failed(producer.send_messages(&missing, ["a"]));
    assert_eq!(unknown, (ProduceCause::UnknownTopicOrPartition, true));

    let large = "x".repeat(3000);
    let too_large = failed(producer.send_messages(&topic.name, [&large]));
    assert_eq!(too_large, (ProduceCause::TooLarge, false));

    // Each of them fits, though all together don't.
    let half = "x".repeat(900);
    assert_eq!(producer.send_messages(&topic.name, [&half; 8]).unwrap().len(), 8);
    let error = producer.send_messages(&topic.name, [&half, &large, &half]).unwrap_err();
    let indexes: Vec<_> = error.failed().iter().map(|failed| failed.index).collect();
    assert_eq!((indexes, error.confirmed().len()), (vec![1], 2), "{error}");

    let nobody = ClusterConfig::new("standard", "nobody", "127.0.0.1:9", "");
    let nobody = SimpleProducer::builder(&nobody).timeout(Duration::from_secs(2)).build().unwrap();
    let unavailable = failed(nobody.send_messages(&topic.name, ["a"]));
    assert_eq!(unavailable, (ProduceCause::KafkaUnavailable("127.0.0.1:9".to_owned()), true));

    let waiting = Topic::without_a_replica();
    let short = simple().timeout(Duration::from_secs(3)).build().unwrap();
    let (_, retriable) = failed(short.send_messages(&waiting.name, ["a"]));
    assert!(retriable);
    waiting.take_messages();
    until("one replica is enough", || short.send_messages(&waiting.name, ["a"]).ok());
}

#[test]
fn who_may_not_write_is_told_so_and_goes_on_once_they_may() {
    let topic = secure::topic(1);
    let user = User::new();
    let cluster = ClusterConfig::new("standard", "secure", secure("SASL_TLS"), "");
    let with = |password: &str| {
        let mut properties = user.scram();
        properties["sasl.password"] = json!(password);
        let properties = properties.as_object().unwrap().clone().into_iter();
        let builder = SimpleProducer::builder(&cluster).timeout(Duration::from_secs(10));
        properties.fold(builder, |builder, (name, value)| builder.property(name, value.as_str().unwrap()))
    };
    user.allow("describe", &format!("topic:{}", topic.name));
    let producer = with(&user.password).build().unwrap();
    let error = producer.send_messages(&topic.name, ["a"]).unwrap_err();
    assert!(!error.is_retriable() && error.to_string().contains("give this user WRITE on it"), "{error}");
    user.allow("write", &format!("topic:{}", topic.name));
    until("the right is there", || producer.send_messages(&topic.name, ["a"]).ok());

    let stranger = with("no password of theirs").build().unwrap();
    let error = stranger.send_messages(&topic.name, ["a"]).unwrap_err();
    assert!(!error.is_retriable() && error.to_string().contains("Kafka refuses to let us in"), "{error}");
}

#[derive(Default)]
struct Recording(Mutex<Vec<(Emitter, f64)>>);

impl MetricsResponder for Recording {
    fn record(&self, emitter: &Emitter, value: f64, _: Option<i64>) {
        self.0.lock().unwrap().push((emitter.clone(), value));
    }
}

#[test]
fn metrics_reach_a_responder_of_ones_own_unless_there_are_to_be_none() {
    let topic = Topic::new(1);
    let recording = Arc::<Recording>::default();
    let silent = simple().metrics_responder(recording.clone()).report_metrics(false).build().unwrap();
    silent.send_messages(&topic.name, ["a"]).unwrap();
    drop(silent);
    assert!(recording.0.lock().unwrap().is_empty());

    let producer = simple().metrics_responder(recording.clone()).build().unwrap();
    producer.send_messages(&topic.name, ["a"]).unwrap();
    producer.send_messages(&unique("missing"), ["a"]).unwrap_err();
    drop(producer);
    let recorded = recording.0.lock().unwrap();
    let of = |name: &str| {
        let name = format!("yelp_kafka.YelpKafkaProducer.{name}");
        recorded
            .iter()
            .filter(|(emitter, _)| emitter.metric == name)
            .map(|(_, value)| *value)
            .collect::<Vec<_>>()
    };
    assert_eq!((of("produce_request_timer").len(), of("metadata_request_timer").len()), (2, 2));
    assert_eq!(of("produce_exception_count"), [1.0]);
}

/// A series' points that came to the receiver.
fn points(ingest: &Ingest, kind: &str, name: &str) -> Vec<Value> {
    ingest.taken(kind, &format!("yelp_kafka.YelpKafkaProducer.{name}"))
}

#[test]
fn metrics_go_to_signalfx_by_default_once_the_program_has_said_where() {
    let topic = Topic::new(1);
    let ingest = Ingest::start();
    ingest.then_say(429, "retry-after: 1\r\n");
    let target = Target { url: format!("http://{}", ingest.address()), token: Secret::text("my-token") };
    let responder = Arc::new(SignalFxResponder::start(target).unwrap());
    set_default_responder(responder.clone()).unwrap();
    assert!(set_default_responder(responder.clone()).is_err(), "once is enough");

    let client_id = unique("client");
    let producer = SimpleProducer::builder(&cluster()).client_id(&client_id).build().unwrap();
    producer.send_messages(&topic.name, ["a", "b"]).unwrap();
    producer.send_messages(&topic.name, ["c"]).unwrap();
    producer.send_messages(&unique("missing"), ["a"]).unwrap_err();
    drop(producer);
    assert!(responder.flush(Duration::from_secs(30)));
    assert_eq!(responder.dropped(), 0);

    let dimensions = json!({"client_id": client_id, "cluster_type": "standard", "cluster_name": "tests"});
    // Other tests of this process report there too.
    let ours = |kind: &str, name: &str| {
        let all = points(&ingest, kind, name).into_iter();
        all.filter(|point| point["dimensions"] == dimensions)
            .map(|point| point["value"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(ours("counter", "produce_exception_count"), [json!(1)]);
    assert_eq!(ours("counter", "produce_request_timer.count"), [json!(3)]);
    let mean = ours("gauge", "produce_request_timer");
    let max = ours("gauge", "produce_request_timer.max");
    assert!(mean[0].as_f64().unwrap() > 0.0 && mean[0].as_f64() <= max[0].as_f64(), "{mean:?} {max:?}");
    let posted = ingest.posted();
    assert_eq!((posted[0].status, posted[0].token.as_str()), (429, "my-token"));
    assert!(posted.iter().all(|posted| posted.request == "POST /v2/datapoint"));
}
