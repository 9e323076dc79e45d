//! Dead letters: a message that can't be handled, read once more and produced to the dead-letter topic, confirmed by its
//! brokers, before it counts as done.
//!
//! All of it on a thread of its own, with clients of its own that exist only once there is a dead letter: the worker's loop never
//! waits, and messages in flight need not be kept for the few that end here.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use kafkavisor::ids::{Offset, Topic, TopicPartition};
use kafkavisor::protocol::Message;
use kafkavisor_kafka::dead_letter::{Origin, Producer, passes, refusal};
use kafkavisor_kafka::error::KafkaError;
use kafkavisor_kafka::fetch::{Consumer, Fetched};
use kafkavisor_kafka::properties::reason;
use kafkavisor_link::message::{DeadLetter, Start};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::gethostname;
use rdkafka::message::OwnedHeaders;
use rdkafka::producer::BaseRecord;

/// Kafka may be away for as long as it likes; so often it is asked again.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// What is heard of a dead letter.
#[derive(Debug)]
pub(crate) struct News {
    pub(crate) offset: Offset,
    pub(crate) what: What,
}

/// See [`News`].
#[derive(Debug)]
pub(crate) enum What {
    /// It is not confirmed yet, for this reason, and tried again.
    Kept(String),
    /// The bytes of its key and value, or why it can't be produced.
    Settled(Result<u64, String>),
}

/// Letters on their way.
pub(crate) struct DeadLetters {
    office: Office,
    dead_letters: Option<Sender<DeadLetter>>,
    news: Option<Receiver<News>>,
    wake: UnixStream,
    waker: UnixStream,
}

impl DeadLetters {
    pub(crate) fn new(start: &Start) -> io::Result<Self> {
        let (wake, waker) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        let office = Office {
            partition: start.partition.clone(),
            group: start.group.to_string(),
            topic: start.handler.poison.topic.clone(),
            max_bytes: start.handler.max_in_flight.bytes,
            kafka: start.kafka.clone(),
        };
        Ok(Self { office, dead_letters: None, news: None, wake, waker })
    }

    /// Readable when there is something in [`DeadLetters::news`].
    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }

    /// Sends a dead letter on its way.
    pub(crate) fn post(&mut self, dead_letter: DeadLetter) -> io::Result<()> {
        let dead_letters = match &self.dead_letters {
            Some(dead_letters) => dead_letters,
            None => self.open()?,
        };
        dead_letters.send(dead_letter).map_err(|_| io::Error::other("the thread for dead letters has ended"))
    }

    fn open(&mut self) -> io::Result<&Sender<DeadLetter>> {
        let (dead_letters, to_post) = channel::<DeadLetter>();
        let (told, news) = channel();
        let (office, waker) = (self.office.clone(), self.waker.try_clone()?);
        let work = move || {
            for dead_letter in to_post {
                let tell = |what| {
                    let heard = told.send(News { offset: dead_letter.offset, what }).is_ok();
                    heard && (&waker).write_all(b"!").is_ok()
                };
                let kept = |why| {
                    let _nobody_listens = tell(What::Kept(why));
                };
                if !tell(What::Settled(office.post(&dead_letter, &kept))) {
                    return;
                }
            }
        };
        thread::Builder::new().name("dead-letters".to_owned()).spawn(work)?;
        self.news = Some(news);
        Ok(self.dead_letters.insert(dead_letters))
    }

    /// What has been heard since.
    pub(crate) fn news(&mut self) -> Vec<News> {
        let mut sink = [0; 64];
        while self.wake.read(&mut sink).is_ok_and(|count| count == sink.len()) {}
        self.news.iter().flat_map(|news| news.try_iter()).collect()
    }
}

/// What the thread knows.
#[derive(Clone)]
struct Office {
    partition: TopicPartition,
    group: String,
    topic: Option<Topic>,
    max_bytes: u64,
    kafka: BTreeMap<String, String>,
}

impl Office {
    fn post(&self, dead_letter: &DeadLetter, kept: &dyn Fn(String)) -> Result<u64, String> {
        let topic = self.topic.as_ref().ok_or("no topic for dead letters is configured")?;
        let consumer = Consumer::start(&self.kafka, self.max_bytes, &self.partition, dead_letter.offset);
        let mut consumer = consumer.map_err(|error| error.to_string())?;
        loop {
            consumer.fetch().map_err(|error| error.to_string())?;
            let produced = consumer.front(|fetched| match fetched {
                Fetched::Message { message, bytes } if message.offset == dead_letter.offset.0 => {
                    (true, self.produce(topic, dead_letter, &message, kept).map(|()| bytes))
                }
                Fetched::Message { .. } | Fetched::End(_) => {
                    (true, Err("it is not in the log any more".to_owned()))
                }
                Fetched::StartLost(error) => (true, Err(error)),
                Fetched::Denied(error) => (true, Err(error.to_string())),
            });
            if let Some(produced) = produced {
                return produced;
            }
            let mut descriptors = [PollFd::new(consumer.descriptor(), PollFlags::POLLIN)];
            let second = u16::try_from(TRY_AGAIN.as_millis()).unwrap_or(u16::MAX);
            let _interrupted = poll(&mut descriptors, PollTimeout::from(second));
        }
    }

    fn produce(
        &self,
        topic: &Topic,
        dead_letter: &DeadLetter,
        message: &Message<'_>,
        kept: &dyn Fn(String),
    ) -> Result<(), String> {
        let producer = Producer::new(&self.kafka).map_err(|error| reason(&error))?;
        let headers = self.headers(dead_letter, message);
        loop {
            let mut record = BaseRecord::to(topic.as_str()).headers(headers.clone());
            (record.key, record.payload) = (message.key, message.value);
            match producer.produce(record, |why| kept(format!("topic {topic}: {why}"))) {
                Ok(_offset) => return Ok(()),
                Err(error) if passes(&error) => {
                    kept(format!("topic {topic}: {}", KafkaError::from(error)));
                    thread::park_timeout(TRY_AGAIN);
                }
                Err(error) => return Err(format!("topic {topic}: {}", refusal(&error))),
            }
        }
    }

    fn headers(&self, dead_letter: &DeadLetter, message: &Message<'_>) -> OwnedHeaders {
        let host = gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let origin = Origin {
            partition: &self.partition,
            offset: dead_letter.offset,
            group: &self.group,
            attempts: dead_letter.attempts,
            error: &dead_letter.error,
            stderr: &dead_letter.stderr,
            host: &host,
        };
        origin.headers(message)
    }
}
