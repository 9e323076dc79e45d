//! One partition as a queue of messages and ends, in order, without blocking.

use std::collections::{BTreeMap, VecDeque};
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use kafkavisor_types::ids::{Offset, TopicPartition};
use kafkavisor_types::message::{Header, Message};
use rdkafka::types::RDKafkaRespErr;

use crate::error::KafkaError;

use super::handle::FetchError;
use super::native::Client;
use super::properties::consumer_properties;
use super::raw_message::RawMessage;

/// What stands at the front of the queue.
#[derive(Debug)]
pub enum Fetched<'a> {
    /// A message.
    Message {
        /// As it is handed on.
        message: Message<'a>,
        /// Bytes of its key and value.
        bytes: u64,
    },
    /// Everything below this has been seen, and there is nothing more for now.
    End(Offset),
    /// The place to read from is not in the log, or the topic is gone.
    StartLost(String),
    /// A right on the topic is missing.
    Denied(KafkaError),
}

/// Fetches one partition.
#[derive(Debug)]
pub struct Consumer {
    // Fields are dropped in this order: messages before the client that made them, the socket last.
    queue: VecDeque<RawMessage>,
    client: Client,
    wake: UnixStream,
    _waker: UnixStream,
}

impl Consumer {
    /// Starts fetching `partition` at `offset`, some `ahead` bytes before they are asked for.
    pub fn start(
        properties: &BTreeMap<String, String>,
        ahead: u64,
        partition: &TopicPartition,
        offset: Offset,
    ) -> Result<Self, FetchError> {
        let io = |error: std::io::Error| FetchError::Start(error.to_string());
        let (wake, waker) = UnixStream::pair().map_err(io)?;
        wake.set_nonblocking(true).map_err(io)?;
        waker.set_nonblocking(true).map_err(io)?;
        let properties = consumer_properties(properties, ahead);
        let client = Client::start(
            &properties,
            partition.topic.as_str(),
            partition.partition.0,
            offset.0,
            waker.as_fd(),
        )?;
        Ok(Self { queue: VecDeque::new(), client, wake, _waker: waker })
    }

    /// Readable when there is something new to take.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }

    /// The end of the partition as last heard.
    pub fn high_watermark(&self) -> Option<Offset> {
        self.client.high_watermark().map(Offset)
    }

    /// Takes a batch from librdkafka if none is left here.
    pub fn fetch(&mut self) -> Result<(), FetchError> {
        if self.queue.is_empty() {
            let mut sink = [0u8; 256];
            // Before looking: what comes after wakes us again.
            while self.wake.read(&mut sink).is_ok_and(|count| count == sink.len()) {}
        }
        self.client.serve()?;
        let mut left = true;
        // What is left in librdkafka's queue wakes nobody, and a batch may hold nothing that tells something.
        while self.queue.is_empty() && left {
            left = false;
            let taken = self.client.take().inspect(|_| left = true);
            self.queue.extend(taken.filter(tells_something));
        }
        Ok(())
    }

    /// Hands the front of the queue to `take`, which says whether it took it; its result for the queue's emptiness.
    pub fn front<R>(&mut self, take: impl FnOnce(Fetched<'_>) -> (bool, R)) -> Option<R> {
        let front = self.queue.front()?;
        let mut headers: Vec<Header<'_>> = Vec::new();
        front.headers(&mut headers);
        let (taken, result) = take(fetched(front, &headers));
        if taken {
            self.queue.pop_front();
        }
        Some(result)
    }

    /// Timestamp of the message at the front, where there is one.
    pub fn front_timestamp(&self) -> Option<i64> {
        self.queue
            .front()
            .filter(|m| m.error() == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR)
            .map(RawMessage::timestamp)
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "`tells_something` lets only these through")]
fn fetched<'a>(raw: &'a RawMessage, headers: &'a [Header<'a>]) -> Fetched<'a> {
    match raw.error() {
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => {
            let (key, value) = (raw.key(), raw.value());
            let size = |part: Option<&[u8]>| part.map_or(0, |bytes| bytes.len() as u64);
            let bytes = size(key) + size(value);
            let message = Message { offset: raw.offset(), timestamp: raw.timestamp(), key, value, headers };
            Fetched::Message { message, bytes }
        }
        RDKafkaRespErr::RD_KAFKA_RESP_ERR__PARTITION_EOF => Fetched::End(Offset(raw.offset())),
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED => {
            Fetched::Denied(KafkaError::TopicDenied)
        }
        _ => Fetched::StartLost(raw.error_text()),
    }
}

/// Errors that librdkafka gets over by itself are logged and nothing else.
#[expect(clippy::wildcard_enum_match_arm, reason = "librdkafka has some two hundred errors")]
fn tells_something(message: &RawMessage) -> bool {
    match message.error() {
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR
        | RDKafkaRespErr::RD_KAFKA_RESP_ERR__PARTITION_EOF
        | RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED
        | RDKafkaRespErr::RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET
        | RDKafkaRespErr::RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE
        | RDKafkaRespErr::RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION
        | RDKafkaRespErr::RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC
        | RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART
        | RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_ID => true,
        _ => {
            log::warn!("Kafka: {}", message.error_text());
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use kafkavisor_types::clock::now;
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use rdkafka::ClientConfig;
    use rdkafka::mocking::MockCluster;
    use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer as _};

    use super::*;

    const TOPIC: &str = "orders";
    const WITHIN: Duration = Duration::from_secs(30);

    struct Log {
        producer: BaseProducer,
        cluster: MockCluster<'static, DefaultProducerContext>,
    }

    impl Log {
        fn new() -> Self {
            let cluster = MockCluster::new(1).unwrap();
            cluster.create_topic(TOPIC, 1, 1).unwrap();
            let producer =
                ClientConfig::new().set("bootstrap.servers", cluster.bootstrap_servers()).create().unwrap();
            Self { producer, cluster }
        }

        fn produce(&self, count: usize) {
            for _ in 0..count {
                self.producer.send(BaseRecord::<(), str>::to(TOPIC).partition(0).payload("x")).unwrap();
            }
            self.producer.flush(WITHIN).unwrap();
        }

        /// The mock keeps an answer back for all of the wait, whatever is produced meanwhile.
        fn consumer(&self) -> Consumer {
            let properties = [
                ("bootstrap.servers", self.cluster.bootstrap_servers()),
                ("fetch.wait.max.ms", "10".to_owned()),
            ];
            let properties = properties.map(|(name, value)| (name.to_owned(), value)).into();
            Consumer::start(&properties, 1 << 24, &"orders:0".parse().unwrap(), Offset(0)).unwrap()
        }
    }

    /// Waits for nothing but the descriptor.
    fn sleep(consumer: &Consumer, until: Instant) {
        let left = PollTimeout::try_from(until.saturating_duration_since(now())).unwrap();
        let woken = poll(&mut [PollFd::new(consumer.descriptor(), PollFlags::POLLIN)], left).unwrap();
        assert!(woken > 0, "there is something, and nobody was woken");
    }

    /// Takes one thing; whether it was a message.
    fn takes_one(consumer: &mut Consumer) -> Option<bool> {
        consumer.front(|fetched| (true, matches!(fetched, Fetched::Message { .. })))
    }

    /// Takes until there is nothing more, or the messages are `count`, and sleeps only where there is nothing more.
    fn takes(consumer: &mut Consumer, count: usize, until: Instant) {
        let mut taken = 0;
        while taken < count {
            consumer.fetch().unwrap();
            match takes_one(consumer) {
                Some(message) => taken += usize::from(message),
                None => sleep(consumer, until),
            }
        }
    }

    #[test]
    fn each_message_wakes_whoever_has_taken_all_before_it() {
        let log = Log::new();
        let mut consumer = log.consumer();
        let until = now() + WITHIN;
        for count in [1, 2, 1, 3, 1, 1, 5000, 1, 1, 2500, 1] {
            log.produce(count);
            takes(&mut consumer, count, until);
        }
    }

    #[test]
    fn what_came_while_nobody_looked_wakes_whoever_looks_again() {
        let log = Log::new();
        let mut consumer = log.consumer();
        let until = now() + WITHIN;
        for _ in 0..10 {
            log.produce(1);
            // It came before anybody sleeps, and before anything is taken.
            sleep(&consumer, until);
            log.produce(1);
            takes(&mut consumer, 2, until);
        }
    }

    #[test]
    fn whoever_has_taken_all_sleeps() {
        let log = Log::new();
        let mut consumer = log.consumer();
        let until = now() + WITHIN;
        log.produce(10);
        takes(&mut consumer, 10, until);
        // What librdkafka tells besides, the log's end for one, may come yet; then there is nothing.
        loop {
            consumer.fetch().unwrap();
            while takes_one(&mut consumer).is_some() {}
            let mut descriptors = [PollFd::new(consumer.descriptor(), PollFlags::POLLIN)];
            if poll(&mut descriptors, PollTimeout::from(300u16)).unwrap() == 0 {
                break;
            }
            assert!(now() < until, "it is woken again and again, and there is nothing");
        }
    }
}
