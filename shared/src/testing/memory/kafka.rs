//! The Kafka in memory that producers and consumers of a test share.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::broker::Broker;
#[cfg(feature = "consumer")]
use crate::consumer::ConsumerError;
use crate::ids::{Group, InvalidName, Offset, Partition, Topic, TopicPartition};
#[cfg(feature = "producer")]
use crate::producer::ProduceCause;

/// A Kafka in memory; clones are the same one. From yelp_kafka: `yelp_kafka.testing.kafka_mock`.
///
/// What a program gets from it are a `MemoryProducer` and a `MemoryConsumer`, which do what
/// `Produce`, `ProduceKeyed` and `Consume` promise; so a function that takes one of those traits can be tested without a network. A topic
/// comes into being when something is produced to it, with one partition.
///
#[cfg_attr(all(feature = "consumer", feature = "producer"), doc = "```")]
#[cfg_attr(not(all(feature = "consumer", feature = "producer")), doc = "```ignore")]
/// use kafkavisor::consumer::{Consume, ConsumerError};
/// use kafkavisor::ids::Offset;
/// use kafkavisor::producer::{Produce, ProduceCause};
/// use kafkavisor::testing::MemoryKafka;
///
/// // What is to be tested.
/// fn copy(from: &mut impl Consume, to: &impl Produce) -> Result<(), Box<dyn std::error::Error>> {
///     let message = from.next()?;
///     to.send_messages("copies", &[message.value.as_deref().unwrap_or_default()])?;
///     Ok(from.task_done(&message)?)
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let kafka = MemoryKafka::new();
/// kafka.producer().send_messages("orders", &[b"one", b"two"])?;
/// let mut consumer = kafka.consumer("services.copy", ["orders"])?;
///
/// copy(&mut consumer, &kafka.producer())?;
/// assert_eq!(kafka.messages("copies")[0].value.as_deref(), Some(b"one".as_slice()));
/// assert_eq!(kafka.committed("services.copy", "orders:0"), Some(Offset(1)));
///
/// kafka.fail_next_produce(ProduceCause::LeaderNotAvailable);
/// assert!(copy(&mut consumer, &kafka.producer()).is_err());
/// assert_eq!(kafka.committed("services.copy", "orders:0"), Some(Offset(1)), "it is not done");
/// assert!(matches!(consumer.next(), Err(ConsumerError::Timeout(_))));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
#[doc(alias = "kafka_mock")]
pub struct MemoryKafka(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    broker: Mutex<Broker>,
    /// Something was produced, or is to fail.
    changed: Condvar,
}

/// A message as it stands in a [`MemoryKafka`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryMessage {
    /// The topic.
    pub topic: Topic,
    /// The partition of it.
    pub partition: Partition,
    /// Where in that.
    pub offset: Offset,
    /// When it was produced, in milliseconds since 1970.
    pub timestamp: i64,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value.
    pub value: Option<Vec<u8>>,
    /// Its headers, in their order.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl MemoryKafka {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    pub(super) fn broker(&self) -> MutexGuard<'_, Broker> {
        self.0.broker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those who wait look again.
    pub(super) fn changed(&self) {
        self.0.changed.notify_all();
    }

    /// Waits for something new, at most so long, while `idle` says that there is nothing.
    #[cfg(feature = "consumer")]
    pub(super) fn wait<'a>(
        &self,
        broker: MutexGuard<'a, Broker>,
        timeout: std::time::Duration,
        idle: impl FnMut(&mut Broker) -> bool,
    ) -> MutexGuard<'a, Broker> {
        self.0.changed.wait_timeout_while(broker, timeout, idle).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Makes a topic, or gives it more partitions: so many, at least one.
    pub fn create_topic(&self, topic: &str, partitions: i32) -> Result<(), InvalidName> {
        self.broker().create(&Topic::new(topic)?, partitions);
        self.changed();
        Ok(())
    }

    /// Appends a message as if somebody else had produced it: any key, value and headers. Says where it stands.
    pub fn append(
        &self,
        topic: &str,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[(&str, Option<&[u8]>)],
    ) -> Result<(Partition, Offset), InvalidName> {
        let topic = Topic::new(topic)?;
        let owned = |(name, value): &(&str, Option<&[u8]>)| ((*name).to_owned(), value.map(<[u8]>::to_vec));
        let mut broker = self.broker();
        let partition = broker.place(&topic, key);
        let offset = broker.append(&topic, partition, key, value, headers.iter().map(owned).collect());
        drop(broker);
        self.changed();
        Ok((partition, offset))
    }

    /// All messages of a topic, by partition, in the order of offsets; none where there is no such topic.
    pub fn messages(&self, topic: &str) -> Vec<MemoryMessage> {
        let Ok(topic) = Topic::new(topic) else { return Vec::new() };
        let broker = self.broker();
        broker.partitions(&topic).flat_map(|partition| broker.log(partition)).cloned().collect()
    }

    /// What the group has committed for a partition, written `TOPIC:PARTITION`: the next message to read. `None` where nothing is.
    pub fn committed(&self, group: &str, partition: &str) -> Option<Offset> {
        let key = (Group::new(group).ok()?, partition.parse::<TopicPartition>().ok()?);
        self.broker().committed.get(&key).copied()
    }

    /// Takes a partition, written `TOPIC:PARTITION`, from the group's consumer, as a rebalance does: nothing more comes from it, and
    /// `task_done` for its messages fails. [`give`](Self::give) gives it back.
    pub fn revoke(&self, group: &str, partition: &str) -> Result<(), InvalidName> {
        let key = (Group::new(group)?, partition.parse()?);
        let mut broker = self.broker();
        *broker.revocations.entry(key.clone()).or_default() += 1;
        broker.revoked.insert(key);
        Ok(())
    }

    /// Gives a partition back that was [revoked](Self::revoke): it begins where the group has committed.
    pub fn give(&self, group: &str, partition: &str) -> Result<(), InvalidName> {
        self.broker().revoked.remove(&(Group::new(group)?, partition.parse()?));
        self.changed();
        Ok(())
    }

    /// A producer to it.
    #[cfg(feature = "producer")]
    pub fn producer(&self) -> super::MemoryProducer {
        super::MemoryProducer::new(self.clone())
    }

    /// The only consumer of a group, with all partitions of these topics. It begins where the group has committed, else at the
    /// earliest message.
    #[cfg(feature = "consumer")]
    pub fn consumer<'a>(
        &self,
        group: &str,
        topics: impl IntoIterator<Item = &'a str>,
    ) -> Result<super::MemoryConsumer, InvalidName> {
        let topics = topics.into_iter().map(Topic::new).collect::<Result<_, _>>()?;
        Ok(super::MemoryConsumer::new(self.clone(), Group::new(group)?, topics))
    }

    /// The next call of any producer fails so, with all its messages, and nothing is produced. Said several times, so many calls
    /// fail.
    #[cfg(feature = "producer")]
    pub fn fail_next_produce(&self, cause: ProduceCause) {
        self.broker().produce_failures.push_back(cause);
    }

    /// The next call of any consumer fails so, whichever it is: `next`, `task_done` or `commit`. Said several times, so many calls fail.
    #[cfg(feature = "consumer")]
    pub fn fail_next_consume(&self, error: ConsumerError) {
        self.broker().consume_failures.push_back(error);
        self.changed();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_may_be_shared_between_threads() {
        fn is_sent_and_shared<T: Send + Sync>() {}
        is_sent_and_shared::<MemoryKafka>();
    }

    #[test]
    fn a_message_goes_by_its_key_and_without_one_to_each_partition_in_turn() {
        let kafka = MemoryKafka::new();
        kafka.create_topic("t", 3).unwrap();
        let place = |key: Option<&[u8]>| kafka.append("t", key, Some(b"x"), &[]).unwrap().0.0;
        assert_eq!([place(None), place(None), place(None), place(None)], [0, 1, 2, 0]);
        let of_key = place(Some(b"k"));
        assert!((0..10).all(|_| place(Some(b"k")) == of_key));
        assert_eq!(kafka.messages("t").len(), 15);
        assert!(kafka.messages("u").is_empty() && kafka.messages("no topic").is_empty());
        assert!(kafka.create_topic("no topic", 1).is_err());
    }

    #[test]
    fn offsets_count_and_everything_is_kept() {
        let kafka = MemoryKafka::new();
        let headers: [(&str, Option<&[u8]>); 2] = [("a", Some(b"1")), ("a", None)];
        kafka.append("t", Some(b"k"), None, &headers).unwrap();
        kafka.append("t", None, Some(b""), &[]).unwrap();
        let messages = kafka.messages("t");
        let [first, second] = messages.as_slice() else { panic!("{messages:?}") };
        assert_eq!((first.offset, second.offset), (Offset(0), Offset(1)));
        assert_eq!((first.key.as_deref(), first.value.as_deref()), (Some(b"k".as_slice()), None));
        assert_eq!(first.headers, [("a".to_owned(), Some(b"1".to_vec())), ("a".to_owned(), None)]);
        assert_eq!((second.key.as_deref(), second.value.as_deref()), (None, Some(b"".as_slice())));
    }
}
