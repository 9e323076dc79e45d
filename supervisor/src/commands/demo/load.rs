//! The messages of the demo.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use kafkavisor::clock::now;
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use super::{PARTITIONS, RATE, TOPIC, WITHIN};
use crate::exit::Failure;

/// Produces in the background until stopped.
pub(super) struct Load {
    stop: Arc<AtomicBool>,
    produced: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl Load {
    pub(super) fn start(brokers: &str) -> Result<Self, Failure> {
        let bug = |error: &dyn std::fmt::Display| {
            Failure::bug(format!("demo: the producer can't be started: {error}"))
        };
        let producer: BaseProducer =
            ClientConfig::new().set("bootstrap.servers", brokers).create().map_err(|error| bug(&error))?;
        let stop = Arc::new(AtomicBool::new(false));
        let produced = Arc::new(AtomicU64::new(0));
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&produced));
        let work = move || produce(&producer, &stopped, &counted);
        let thread =
            thread::Builder::new().name("load".to_owned()).spawn(work).map_err(|error| bug(&error))?;
        Ok(Self { stop, produced, thread })
    }

    pub(super) fn finish(self) -> u64 {
        self.stop.store(true, Ordering::Release);
        let _panicked = self.thread.join();
        self.produced.load(Ordering::Acquire)
    }
}

fn produce(producer: &BaseProducer, stop: &AtomicBool, produced: &AtomicU64) {
    let began = now();
    let mut count = 0u64;
    while !stop.load(Ordering::Acquire) {
        let due =
            u64::try_from(now().saturating_duration_since(began).as_millis()).unwrap_or(0) * RATE / 1000;
        while count < due {
            let (key, payload) =
                (format!("order-{count}"), format!("{{\"order\":{count},\"amount\":{}}}", count * 7 % 100));
            let partition = i32::try_from(count % u64::from(PARTITIONS.unsigned_abs())).unwrap_or(0);
            let record = BaseRecord::to(TOPIC).partition(partition).key(&key).payload(&payload);
            if producer.send(record).is_err() {
                break;
            }
            count += 1;
        }
        producer.poll(Duration::from_millis(10));
    }
    let _late_messages_are_not_counted = producer.flush(WITHIN);
    produced.store(count, Ordering::Release);
}
