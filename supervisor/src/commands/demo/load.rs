//! The messages of the demo.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use kafkavisor::clock::now;
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use super::trouble::SPOILT;
use super::{PARTITIONS, RATE, TOPIC, WITHIN};
use crate::exit::Failure;

/// Produces in the background until stopped.
pub(super) struct Load {
    stop: Arc<AtomicBool>,
    spoil: Arc<AtomicBool>,
    /// Gives how many it has produced.
    thread: Option<JoinHandle<u64>>,
}

impl Load {
    pub(super) fn start(brokers: &str) -> Result<Self, Failure> {
        let bug = |error: &dyn std::fmt::Display| {
            Failure::bug(format!("demo: the producer can't be started: {error}"))
        };
        let producer: BaseProducer =
            ClientConfig::new().set("bootstrap.servers", brokers).create().map_err(|error| bug(&error))?;
        let [stop, spoil] = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
        let (stopped, spoilt) = (Arc::clone(&stop), Arc::clone(&spoil));
        let work = move || produce(&producer, &stopped, &spoilt);
        let thread =
            thread::Builder::new().name("load".to_owned()).spawn(work).map_err(|error| bug(&error))?;
        Ok(Self { stop, spoil, thread: Some(thread) })
    }

    /// Makes the next order of one partition one that our handler rejects.
    pub(super) fn spoil(&self) {
        self.spoil.store(true, Ordering::Release);
    }

    /// Ends it, and gives how many it has produced.
    pub(super) fn finish(&mut self) -> u64 {
        self.stop.store(true, Ordering::Release);
        self.thread.take().and_then(|thread| thread.join().ok()).unwrap_or(0)
    }
}

fn produce(producer: &BaseProducer, stop: &AtomicBool, spoil: &AtomicBool) -> u64 {
    let began = now();
    let mut count = 0u64;
    while !stop.load(Ordering::Acquire) {
        let due =
            u64::try_from(now().saturating_duration_since(began).as_millis()).unwrap_or(0) * RATE / 1000;
        while count < due && send(producer, spoil, count) {
            count += 1;
        }
        producer.poll(Duration::from_millis(10));
    }
    let _late_messages_are_not_counted = producer.flush(WITHIN);
    count
}

/// Whether there was room for it.
fn send(producer: &BaseProducer, spoil: &AtomicBool, number: u64) -> bool {
    let partition = i32::try_from(number % u64::from(PARTITIONS.unsigned_abs())).unwrap_or(0);
    let is_spoilt = partition == SPOILT && spoil.swap(false, Ordering::AcqRel);
    let amount = if is_spoilt { "\"free\"".to_owned() } else { (number * 7 % 100).to_string() };
    let key = format!("order-{number}");
    let payload = format!("{{\"order\":{number},\"amount\":{amount}}}");
    let record = BaseRecord::to(TOPIC).partition(partition).key(&key).payload(&payload);
    producer.send(record).is_ok()
}
