//! librdkafka's mock cluster, on a thread of its own: it may be used from one alone.

use std::fmt;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rdkafka::error::KafkaError;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::RDKafkaRespErr;

use super::{ApiKey, BrokerError};

/// All brokers, in librdkafka's words.
const ALL: i32 = -1;

type Cluster = MockCluster<'static, DefaultProducerContext>;
type Work = Box<dyn FnOnce(&Cluster) + Send>;

/// Why a mock cluster did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the mock Kafka failed to {what}: {why}")]
pub struct MockError {
    what: &'static str,
    why: String,
}

/// A Kafka inside the test, with real brokers' protocol on loopback: any client of librdkafka's may use it, those of this library among them.
/// It ends when it is dropped.
///
/// It is librdkafka's mock cluster: it produces, fetches, looks after groups and their offsets, and makes topics when they are
/// asked for. There is no ZooKeeper beside it, and its messages are kept in memory, 5,000 a partition. What a broker never does by
/// itself it does here when it is told to:
///
/// ```
/// use std::time::Duration;
/// use kafkavisor::testing::{ApiKey, BrokerError, MockKafka};
///
/// # fn main() -> Result<(), kafkavisor::testing::MockError> {
/// let kafka = MockKafka::start(3)?;
/// kafka.create_topic("orders", 2)?;
/// println!("a client's bootstrap.servers: {}", kafka.brokers());
/// kafka.fail_next(ApiKey::Produce, &[BrokerError::NotLeaderForPartition, BrokerError::Disconnect])?;
/// kafka.round_trip_time(Some(1), Duration::from_millis(50))?;
/// kafka.broker_down(None)?;
/// kafka.broker_up(None)?;
/// # Ok(())
/// # }
/// ```
pub struct MockKafka {
    brokers: String,
    work: Option<Sender<Work>>,
    thread: Option<JoinHandle<()>>,
}

impl MockKafka {
    /// Starts one with so many brokers, which are numbered from 1.
    pub fn start(brokers: i32) -> Result<Self, MockError> {
        let failed = |why: String| MockError { what: "start", why };
        if brokers < 1 {
            return Err(failed(format!("{brokers} brokers are none: at least one is needed")));
        }
        let (work_in, work) = channel();
        let (started_in, started) = channel();
        let thread = thread::Builder::new()
            .name("mock-kafka".to_owned())
            .spawn(move || run(brokers, &started_in, &work))
            .map_err(|error| failed(error.to_string()))?;
        let mut kafka = Self { brokers: String::new(), work: Some(work_in), thread: Some(thread) };
        let started = started.recv().unwrap_or_else(|_| Err("it has ended".to_owned()));
        kafka.brokers = started.map_err(failed)?;
        Ok(kafka)
    }

    /// Where its brokers are, `HOST:PORT,...`.
    pub fn brokers(&self) -> &str {
        &self.brokers
    }

    fn ask<T: Send + 'static>(
        &self,
        what: &'static str,
        work: impl FnOnce(&Cluster) -> Result<T, KafkaError> + Send + 'static,
    ) -> Result<T, MockError> {
        let failed = |why: String| MockError { what, why };
        let ended = || failed("it has ended".to_owned());
        let (answer_in, answer) = channel();
        let work: Work = Box::new(move |cluster| drop(answer_in.send(work(cluster))));
        self.work.as_ref().ok_or_else(ended)?.send(work).map_err(|_| ended())?;
        answer.recv().map_err(|_| ended())?.map_err(|error| failed(error.to_string()))
    }

    /// Makes a topic with so many partitions, each on one broker.
    pub fn create_topic(&self, topic: &str, partitions: i32) -> Result<(), MockError> {
        let what = "create a topic";
        if partitions < 1 {
            return Err(MockError {
                what,
                why: format!("{partitions} partitions are none: at least one is needed"),
            });
        }
        let topic = topic.to_owned();
        self.ask(what, move |cluster| cluster.create_topic(&topic, partitions, 1))
    }

    /// The next requests of this kind fail so, one after the other, whoever sends them; those behind them are answered.
    pub fn fail_next(&self, requests: ApiKey, errors: &[BrokerError]) -> Result<(), MockError> {
        let errors: Vec<RDKafkaRespErr> = errors.iter().map(|error| error.native()).collect();
        self.ask("take errors", move |cluster| {
            cluster.request_errors(requests.native(), &errors);
            Ok(())
        })
    }

    /// No request of this kind fails any more.
    pub fn fail_no_more(&self, requests: ApiKey) -> Result<(), MockError> {
        self.ask("forget errors", move |cluster| {
            cluster.clear_request_errors(requests.native());
            Ok(())
        })
    }

    /// From here on each answer of a broker, or of all, takes so long. Whole milliseconds.
    pub fn round_trip_time(&self, broker: Option<i32>, time: Duration) -> Result<(), MockError> {
        self.ask("take a round-trip time", move |cluster| {
            cluster.broker_round_trip_time(broker.unwrap_or(ALL), time)
        })
    }

    /// A broker, or all of them, cuts its connections and takes no more. Leaders stay where they are.
    pub fn broker_down(&self, broker: Option<i32>) -> Result<(), MockError> {
        self.ask("take a broker down", move |cluster| cluster.broker_down(broker.unwrap_or(ALL)))
    }

    /// ... takes connections again.
    pub fn broker_up(&self, broker: Option<i32>) -> Result<(), MockError> {
        self.ask("bring a broker up", move |cluster| cluster.broker_up(broker.unwrap_or(ALL)))
    }

    /// This broker leads the partition from here on; `None` is nobody.
    pub fn partition_leader(
        &self,
        topic: &str,
        partition: i32,
        broker: Option<i32>,
    ) -> Result<(), MockError> {
        let topic = topic.to_owned();
        self.ask("name a leader", move |cluster| cluster.partition_leader(&topic, partition, broker))
    }
}

/// Until nobody asks any more.
fn run(brokers: i32, started: &Sender<Result<String, String>>, work: &Receiver<Work>) {
    match MockCluster::new(brokers) {
        Ok(cluster) => {
            let _nobody_waits = started.send(Ok(cluster.bootstrap_servers()));
            work.iter().for_each(|work| work(&cluster));
        }
        Err(error) => drop(started.send(Err(error.to_string()))),
    }
}

impl Drop for MockKafka {
    fn drop(&mut self) {
        drop(self.work.take());
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

impl fmt::Debug for MockKafka {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MockKafka").field("brokers", &self.brokers).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::ClientConfig;
    use rdkafka::consumer::{BaseConsumer, Consumer as _};
    use rdkafka::error::RDKafkaErrorCode;
    use rdkafka::producer::{BaseRecord, DeliveryResult, Producer as _, ProducerContext, ThreadedProducer};

    use super::*;

    const WITHIN: Duration = Duration::from_secs(30);

    /// Tells what becomes of each message.
    struct Confirms(Sender<Result<(), RDKafkaErrorCode>>);

    impl rdkafka::ClientContext for Confirms {}

    impl ProducerContext for Confirms {
        type DeliveryOpaque = ();

        fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
            let code = |(error, _): &(KafkaError, _)| error.rdkafka_error_code().unwrap();
            let _nobody_waits = self.0.send(result.as_ref().map(drop).map_err(code));
        }
    }

    fn produce(kafka: &MockKafka, properties: &[(&str, &str)]) -> Result<(), RDKafkaErrorCode> {
        let (confirms_in, confirms) = channel();
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", kafka.brokers());
        for (name, value) in properties {
            config.set(*name, *value);
        }
        let producer: ThreadedProducer<Confirms> = config.create_with_context(Confirms(confirms_in)).unwrap();
        producer.send(BaseRecord::to("t").key("k").payload("x")).map_err(drop).unwrap();
        let confirmed = confirms.recv_timeout(WITHIN).unwrap();
        producer.flush(WITHIN).unwrap();
        confirmed
    }

    #[test]
    fn clients_find_the_topics_that_were_made_and_what_was_produced() {
        let kafka = MockKafka::start(2).unwrap();
        assert_eq!(kafka.brokers().split(',').count(), 2, "{}", kafka.brokers());
        kafka.create_topic("t", 1).unwrap();
        assert_eq!(produce(&kafka, &[]), Ok(()));
        let client: BaseConsumer =
            ClientConfig::new().set("bootstrap.servers", kafka.brokers()).create().unwrap();
        let metadata = client.fetch_metadata(Some("t"), WITHIN).unwrap();
        assert_eq!(metadata.topics()[0].partitions().len(), 1);
        assert_eq!(client.fetch_watermarks("t", 0, WITHIN).unwrap(), (0, 1));
    }

    #[test]
    fn requests_fail_as_they_are_told_to() {
        let kafka = MockKafka::start(1).unwrap();
        kafka.create_topic("t", 1).unwrap();
        let once = [("message.send.max.retries", "0")];
        kafka.fail_next(ApiKey::Produce, &[BrokerError::MessageTooLarge]).unwrap();
        assert_eq!(produce(&kafka, &once), Err(RDKafkaErrorCode::MessageSizeTooLarge));
        assert_eq!(produce(&kafka, &once), Ok(()), "one request was to fail");
        kafka.fail_next(ApiKey::Produce, &[BrokerError::NotLeaderForPartition; 3]).unwrap();
        assert_eq!(produce(&kafka, &[]), Ok(()), "it tries again");
        kafka.fail_next(ApiKey::Produce, &[BrokerError::MessageTooLarge]).unwrap();
        kafka.fail_no_more(ApiKey::Produce).unwrap();
        assert_eq!(produce(&kafka, &once), Ok(()));
    }

    #[test]
    fn brokers_go_down_and_come_back_and_are_as_slow_as_they_are_told_to_be() {
        let kafka = MockKafka::start(1).unwrap();
        kafka.create_topic("t", 1).unwrap();
        kafka.broker_down(None).unwrap();
        let soon = [("message.timeout.ms", "500")];
        assert_eq!(produce(&kafka, &soon), Err(RDKafkaErrorCode::MessageTimedOut));
        kafka.broker_up(None).unwrap();
        assert_eq!(produce(&kafka, &[]), Ok(()));
        kafka.round_trip_time(Some(1), Duration::from_secs(2)).unwrap();
        assert_eq!(produce(&kafka, &soon), Err(RDKafkaErrorCode::MessageTimedOut));
        kafka.round_trip_time(None, Duration::ZERO).unwrap();
        kafka.partition_leader("t", 0, None).unwrap();
        assert_eq!(produce(&kafka, &soon), Err(RDKafkaErrorCode::MessageTimedOut), "nobody leads it");
    }

    #[test]
    fn what_can_not_be_done_is_an_error_and_it_may_be_shared() {
        fn is_sent_and_shared<T: Send + Sync>() {}
        is_sent_and_shared::<MockKafka>();
        let kafka = MockKafka::start(1).unwrap();
        kafka.create_topic("t", 1).unwrap();
        let error = kafka.create_topic("t", 1).unwrap_err().to_string();
        assert!(error.contains("failed to create a topic"), "{error}");
        assert!(kafka.create_topic("none", -1).is_err() && MockKafka::start(0).is_err());
    }
}
