//! What comes of a call when something goes wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kafkavisor::clock::now;
use kafkavisor::producer::{
    Failed, Partitioning, ProduceCause, ProduceError, ProduceKeyed as _, Produced, SimpleProducer,
};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr as Answer};

use super::mock::Mock;

const SHORT: Duration = Duration::from_millis(1500);

fn offsets(produced: &[Produced]) -> Vec<i64> {
    produced.iter().map(|produced| produced.offset.0).collect()
}

fn cause(result: Result<Vec<Produced>, ProduceError>) -> ProduceCause {
    result.unwrap_err().cause().unwrap().clone()
}

#[test]
fn a_producer_may_be_shared_and_used_from_an_async_program() {
    fn is_shared<T: Send + Sync + 'static>(_: &T) {}
    let mock = Mock::with("t", 3);
    let producer = mock.simple().build().unwrap();
    is_shared(&producer);
    is_shared(&mock.keyed().build().unwrap());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..20 {
                    assert_eq!(producer.send_messages("t", ["a", "b"]).unwrap().len(), 2);
                }
            });
        }
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let produced = runtime.block_on(async { producer.send_messages("t", ["in an async program"]) });
    assert_eq!(produced.unwrap().len(), 1);
}

#[test]
fn a_call_without_messages_asks_nobody() {
    let nobody = kafkavisor::cluster_config::ClusterConfig::new("standard", "n", "127.0.0.1:1", "");
    let producer = SimpleProducer::builder(&nobody).build().unwrap();
    assert_eq!(producer.send_messages("t", Vec::<&str>::new()), Ok(Vec::new()));
}

#[test]
fn what_librdkafka_tries_again_comes_once() {
    let mock = Mock::with("t", 1);
    let producer = mock.simple().build().unwrap();
    let not_leader = Answer::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION;
    mock.answer_produce(&[not_leader, Answer::RD_KAFKA_RESP_ERR__TRANSPORT, not_leader]);
    assert_eq!(offsets(&producer.send_messages("t", ["a", "b"]).unwrap()), [0, 1]);
}

/// Calls whose first request is refused while others may be on their way, tried again as the document says: where each message of each
/// is said to stand, and where the log ends.
fn sent_over_refusals(in_flight: Option<&str>) -> (Vec<Vec<i64>>, i64) {
    let mock = Mock::with("t", 1);
    let mut builder = mock.simple();
    if let Some(in_flight) = in_flight {
        builder = builder.property("max.in.flight.requests.per.connection", in_flight);
    }
    let producer = builder.build().unwrap();
    let mut calls = Vec::new();
    for _ in 0..30 {
        mock.answer_produce(&[Answer::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART]);
        let (mut places, mut left) = (BTreeMap::new(), (0..20).collect::<Vec<usize>>());
        while !left.is_empty() {
            match producer.send_messages("t", vec!["m"; left.len()]) {
                Ok(produced) => {
                    places.extend(left.drain(..).zip(offsets(&produced)));
                }
                Err(error) => {
                    assert!(error.is_retriable(), "{error}");
                    places.extend(error.confirmed().iter().map(|(index, at)| (left[*index], at.offset.0)));
                    left = error.failed().iter().map(|failed| left[failed.index]).collect();
                }
            }
        }
        calls.push(places.into_values().collect());
    }
    let mut looks = ClientConfig::new();
    looks.set("bootstrap.servers", mock.0.bootstrap_servers()).set("group.id", "g");
    let looks: BaseConsumer = looks.create().unwrap();
    let (_, end) = looks.fetch_watermarks("t", 0, Duration::from_secs(20)).unwrap();
    (calls, end)
}

#[test]
fn what_is_confirmed_stands_where_it_is_said_to_however_many_requests_are_on_their_way() {
    let (calls, end) = sent_over_refusals(Some("5"));
    let places: BTreeSet<_> = calls.iter().flatten().copied().collect();
    assert_eq!(places.len(), 30 * 20, "each has a place of its own");
    assert!(places.iter().all(|offset| (0..end).contains(offset)), "the log ends at {end}: {places:?}");
    // Where nothing is set, each comes once, too, and in order.
    let (calls, end) = sent_over_refusals(None);
    assert!(calls.iter().flatten().copied().eq(0..30 * 20), "{calls:?}");
    assert_eq!(end, 30 * 20);
}

#[test]
fn a_batch_that_is_too_large_is_sent_message_by_message() {
    let mock = Mock::with("t", 1);
    // Long enough for all to be in one batch.
    let producer = mock.simple().property("linger.ms", "500").build().unwrap();
    let too_large = Answer::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
    mock.answer_produce(&[too_large]);
    assert_eq!(offsets(&producer.send_messages("t", ["a", "b", "c"]).unwrap()), [0, 1, 2]);

    mock.answer_produce(&[too_large, Answer::RD_KAFKA_RESP_ERR_NO_ERROR, too_large]);
    let error = producer.send_messages("t", ["d", "too large", "e"]).unwrap_err();
    assert_eq!(error.failed(), [Failed { index: 1, cause: ProduceCause::TooLarge }]);
    let confirmed: Vec<_> =
        error.confirmed().iter().map(|(index, produced)| (*index, produced.offset.0)).collect();
    assert_eq!(confirmed, [(0, 3), (2, 4)]);
    assert!(!error.is_retriable());
    assert!(error.to_string().starts_with("1 of 3 messages to t were not produced: "), "{error}");
}

#[test]
fn what_is_sent_alone_keeps_its_order_where_one_fails_for_something_else() {
    let mock = Mock::with("t", 1);
    let producer = mock.simple().property("linger.ms", "500").build().unwrap();
    let (too_large, ok) = (Answer::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, Answer::RD_KAFKA_RESP_ERR_NO_ERROR);
    mock.answer_produce(&[too_large, ok, Answer::RD_KAFKA_RESP_ERR_POLICY_VIOLATION]);
    let error = producer.send_messages("t", ["a", "b", "c", "d"]).unwrap_err();
    let confirmed: Vec<_> = error.confirmed().iter().map(|(index, _)| *index).collect();
    let failed: Vec<_> = error.failed().iter().map(|failed| failed.index).collect();
    assert_eq!((confirmed, failed), (vec![0], vec![1, 2, 3]), "none of the later ones stands before b");
    assert_eq!(offsets(&producer.send_messages("t", ["e"]).unwrap()), [1]);
}

#[test]
fn a_right_that_is_missing_is_no_matter_for_a_retry_until_it_is_given() {
    let mock = Mock::with("t", 1);
    let producer = mock.simple().build().unwrap();
    mock.answer_produce(&[Answer::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED]);
    let error = producer.send_messages("t", ["a"]).unwrap_err();
    assert!(!error.is_retriable(), "{error}");
    assert!(error.to_string().contains("give this user WRITE on it"), "{error}");
    assert_eq!(producer.send_messages("t", ["a"]).unwrap().len(), 1);
}

#[test]
fn a_client_that_has_given_up_for_good_is_made_anew() {
    let mock = Mock::with("t", 1);
    let denied = Answer::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED;
    mock.0.request_errors(RDKafkaApiKey::InitProducerId, &[denied]);
    let producer = mock.simple().build().unwrap();
    let error = producer.send_messages("t", ["a", "b"]).unwrap_err();
    assert!(!error.is_retriable(), "{error}");
    assert!(error.to_string().contains("give this user WRITE on it"), "{error}");
    assert_eq!(offsets(&producer.send_messages("t", ["a", "b"]).unwrap()), [0, 1]);
}

#[test]
fn without_brokers_kafka_is_unavailable_until_they_are_back() {
    let mock = Mock::with("t", 1);
    let producer = mock.simple().timeout(SHORT).build().unwrap();
    mock.0.broker_down(1).unwrap();
    let begun = now();
    let unasked = cause(producer.send_messages("t", ["a"]));
    assert_eq!(unasked, ProduceCause::KafkaUnavailable(mock.0.bootstrap_servers()));
    assert!(unasked.is_retriable());
    assert!(begun.elapsed() < SHORT * 10, "{:?}", begun.elapsed());

    mock.0.broker_up(1).unwrap();
    let produced = (0..20).find_map(|_| producer.send_messages("t", ["a"]).ok());
    assert!(produced.is_some());

    mock.0.broker_down(1).unwrap();
    let asked = cause(producer.send_messages("t", ["a"]));
    assert_eq!(asked, unasked);
}

#[test]
fn a_topic_that_there_is_not_is_said_at_once() {
    let mock = Mock::with("t", 1);
    let unknown = Answer::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    mock.0.topic_error("missing", unknown).unwrap();
    let producer = mock.simple().build().unwrap();
    let error = producer.send_messages("missing", ["a", "b"]).unwrap_err();
    assert_eq!(error.cause(), Some(&ProduceCause::UnknownTopicOrPartition));
    assert!(error.is_retriable() && error.failed().len() == 2 && error.confirmed().is_empty());

    let error = producer.send_messages("no such name", ["a"]).unwrap_err();
    assert!(matches!(error.cause(), Some(ProduceCause::InvalidTopic(_))) && !error.is_retriable());
}

#[test]
fn a_topic_without_a_leader_is_waited_for_and_then_said_so() {
    let mock = Mock::with("t", 1);
    let producer = mock.simple().timeout(SHORT).build().unwrap();
    mock.0.topic_error("t", Answer::RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE).unwrap();
    assert_eq!(cause(producer.send_messages("t", ["a"])), ProduceCause::LeaderNotAvailable);
    mock.0.topic_error("t", Answer::RD_KAFKA_RESP_ERR_NO_ERROR).unwrap();
    assert_eq!(producer.send_messages("t", ["a"]).unwrap().len(), 1);
}

#[test]
fn what_was_not_confirmed_in_time_may_be_there() {
    let mock = Mock::with("t", 1);
    let producer = mock.simple().timeout(SHORT).build().unwrap();
    producer.send_messages("t", ["a"]).unwrap();
    mock.answer_produce(&[Answer::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT; 100]);
    let cause = cause(producer.send_messages("t", ["b"]));
    assert!(matches!(cause, ProduceCause::FailedPayloads(_)) && cause.is_retriable(), "{cause}");
}

#[test]
fn keys_go_where_the_partitioning_says() {
    let mock = Mock::with("t", 7);
    for partitioning in [Partitioning::Java, Partitioning::KafkaPython2] {
        let producer = mock.keyed().partitioning(partitioning).build().unwrap();
        for key in ["", "a", "my_key", "straße", "\u{65e5}\u{672c}"] {
            let produced = producer.send_messages("t", key, ["one", "two"]).unwrap();
            let expected = partitioning.index(key.as_bytes(), 7).unwrap();
            assert!(
                produced.iter().all(|produced| usize::try_from(produced.partition.0) == Ok(expected)),
                "{key:?}"
            );
        }
        assert_eq!(producer.send_tombstone("t", "a").unwrap().partition, {
            producer.send_messages("t", "a", ["three"]).unwrap()[0].partition
        });
        let without: Vec<_> =
            (0..7).map(|_| producer.send_keyed("t", None, &[b"x"]).unwrap()[0].partition).collect();
        let mut all = without.clone();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 7, "without a key one after the other: {without:?}");
    }
}

#[test]
fn brokers_that_nobody_could_reach_are_refused() {
    use kafkavisor::cluster_config::ClusterConfig;
    for (brokers, words) in [
        ("", "has no brokers"),
        (",", "has no brokers"),
        (":9092", "expected HOST:PORT"),
        ("k:0", "HOST:PORT"),
    ] {
        let cluster = ClusterConfig::new("standard", "n", brokers, "");
        let error = SimpleProducer::builder(&cluster).build().unwrap_err().to_string();
        assert!(error.contains(words), "{brokers:?}: {error}");
    }
    for brokers in ["k", "k:9092", "[::1]:9092", "PLAINTEXT://k:9092", "k1:9092, k2:9092,"] {
        let cluster = ClusterConfig::new("standard", "n", brokers, "");
        assert!(SimpleProducer::builder(&cluster).build().is_ok(), "{brokers:?}");
    }
}

#[test]
fn what_is_not_the_callers_to_set_is_refused() {
    let mock = Mock::with("t", 1);
    for (name, value, why) in [
        ("acks", "1", "a call always waits for all replicas in sync"),
        ("client.id", "me", "use client_id()"),
        ("delivery.report.only.error", "true", "a call waits for each message's confirmation"),
        ("no.such.property", "x", "No such configuration property"),
        ("enable.idempotence", "perhaps", "Expected bool value for \"enable.idempotence\""),
    ] {
        let error = mock.simple().property(name, value).build().unwrap_err();
        assert!(matches!(error, ProduceCause::Configuration(_)) && !error.is_retriable());
        assert!(error.to_string().contains(why) && error.to_string().contains(name), "{error}");
    }
}
