//! What a consumer group reports of itself: how long its requests take, and what goes wrong with them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Debug, Formatter};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kafkavisor_group::starts::Timed;
use kafkavisor_kafka::fetch::Statistics;
use kafkavisor_kafka::offsets::{Answers, MemberNode, OffsetStore, Stored};

use super::ConsumerError;
use super::reach::no_thread;
use crate::clock::now;
use crate::consumer_config::KafkaConsumerConfig;
use crate::ids::TopicPartition;
use crate::metrics::{Metric, MetricsResponder, Reporter, Role, default_responder};

/// Whether there is anything to report, and to whom.
#[derive(Clone, Default)]
pub(super) struct Reports {
    pub(super) off: bool,
    pub(super) responder: Option<Arc<dyn MetricsResponder>>,
}

impl Debug for Reports {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reports").field("off", &self.off).finish_non_exhaustive()
    }
}

impl Reports {
    /// Whoever reports for a group that begins, where there is anybody to report to.
    pub(super) fn start(&self, config: &KafkaConsumerConfig) -> Result<Option<Arc<Reporter>>, ConsumerError> {
        let Some(responder) = self.responder.clone().or_else(default_responder).filter(|_| !self.off) else {
            return Ok(None);
        };
        let started = Reporter::start(Role::ConsumerGroup, &config.metrics_dimensions(), responder);
        Ok(Some(Arc::new(started.map_err(no_thread)?)))
    }
}

/// Hands librdkafka's statistics on.
pub(super) fn statistics(reporter: &Arc<Reporter>) -> Statistics {
    let reporter = Arc::clone(reporter);
    Box::new(move |json| match serde_json::from_slice(json) {
        Ok(statistics) => reporter.statistics(statistics),
        Err(error) => log::debug!("librdkafka's statistics are not understood: {error}"),
    })
}

/// Measures how long it takes to hear where logs begin and end.
pub(super) fn timed(reporter: Option<&Arc<Reporter>>) -> Timed {
    let reporter = reporter.map(Arc::clone);
    Timed(
        reporter.map(|reporter| {
            Box::new(move |time: Duration| reporter.took(Metric::OffsetRequest, time)) as Box<_>
        }),
    )
}

/// A store whose requests are measured.
#[derive(Debug)]
pub(super) struct Measured {
    store: Arc<dyn OffsetStore>,
    reporter: Arc<Reporter>,
    read: Metric,
    written: Metric,
}

impl Measured {
    /// One in Kafka, measured where anybody wants to know.
    pub(super) fn in_kafka(
        store: Arc<dyn OffsetStore>,
        reporter: Option<&Arc<Reporter>>,
    ) -> Arc<dyn OffsetStore> {
        Self::of(store, reporter, Metric::OffsetFetchRequestKafka, Metric::OffsetCommitRequestKafka)
    }

    /// The same of one in ZooKeeper.
    pub(super) fn in_zookeeper(
        store: Arc<dyn OffsetStore>,
        reporter: Option<&Arc<Reporter>>,
    ) -> Arc<dyn OffsetStore> {
        Self::of(store, reporter, Metric::OffsetFetchRequest, Metric::OffsetCommitRequest)
    }

    fn of(
        store: Arc<dyn OffsetStore>,
        reporter: Option<&Arc<Reporter>>,
        read: Metric,
        written: Metric,
    ) -> Arc<dyn OffsetStore> {
        match reporter {
            Some(reporter) => Arc::new(Self { store, reporter: Arc::clone(reporter), read, written }),
            None => store,
        }
    }

    fn measure<T>(&self, metric: Metric, request: impl FnOnce(&dyn OffsetStore) -> T) -> T {
        let begun = now();
        let answer = request(&*self.store);
        self.reporter.took(metric, now().saturating_duration_since(begun));
        answer
    }
}

impl OffsetStore for Measured {
    fn read(&self, of: &BTreeSet<TopicPartition>, deadline: Instant) -> Answers<Option<Stored>> {
        if of.is_empty() {
            return Answers::new();
        }
        self.measure(self.read, |store| store.read(of, deadline))
    }

    fn write(&self, offsets: &BTreeMap<TopicPartition, Stored>, deadline: Instant) -> Answers<()> {
        self.measure(self.written, |store| store.write(offsets, deadline))
    }

    fn write_as(
        &self,
        member: &MemberNode,
        offsets: &BTreeMap<TopicPartition, Stored>,
        deadline: Instant,
    ) -> Answers<()> {
        if offsets.is_empty() {
            return Answers::new();
        }
        self.measure(self.written, |store| store.write_as(member, offsets, deadline))
    }

    fn begin(
        &self,
        member: Option<&MemberNode>,
        offsets: &BTreeMap<TopicPartition, Stored>,
        deadline: Instant,
    ) -> Answers<()> {
        self.measure(self.written, |store| store.begin(member, offsets, deadline))
    }

    fn complete(&self, found: &BTreeMap<TopicPartition, Stored>, deadline: Instant) -> Answers<bool> {
        self.store.complete(found, deadline)
    }
}
