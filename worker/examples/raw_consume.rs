//! The raw librdkafka loop that `script/bench` compares with: takes COUNT messages of TOPIC:0 in batches and does nothing
//! with them. Usage: `raw_consume BROKERS TOPIC COUNT`; prints messages per second, from the first batch to the last.
#![expect(unsafe_code, reason = "the batch call is librdkafka's own")]
#![expect(clippy::print_stdout, clippy::expect_used, reason = "a program for benchmarks")]

use std::ffi::CString;
use std::ptr;

use kafkavisor::clock::now;
use rdkafka::bindings as rd;
use rdkafka::types::{RDKafkaRespErr, RDKafkaType};

const BATCH: usize = 1000;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut next = |what| arguments.next().expect(what);
    let (brokers, topic) = (next("BROKERS"), next("TOPIC"));
    let count: usize = next("COUNT").parse().expect("a number");
    let (brokers, topic) = (CString::new(brokers).expect("text"), CString::new(topic).expect("text"));
    let mut error = [0; 512];
    // SAFETY: librdkafka's interface used as documented: the configuration is taken by rd_kafka_new, strings are C strings,
    // every message is destroyed once, and the process ends with the handle.
    unsafe {
        let conf = rd::rd_kafka_conf_new();
        for (key, value) in [(c"bootstrap.servers", brokers.as_c_str()), (c"fetch.queue.backoff.ms", c"5")] {
            rd::rd_kafka_conf_set(conf, key.as_ptr(), value.as_ptr(), error.as_mut_ptr(), error.len());
        }
        let rk = rd::rd_kafka_new(RDKafkaType::RD_KAFKA_CONSUMER, conf, error.as_mut_ptr(), error.len());
        assert!(!rk.is_null(), "librdkafka can't be started");
        let queue = rd::rd_kafka_queue_new(rk);
        let handle = rd::rd_kafka_topic_new(rk, topic.as_ptr(), ptr::null_mut());
        rd::rd_kafka_consume_start_queue(handle, 0, 0, queue);
        let mut batch = vec![ptr::null_mut(); BATCH];
        let (mut taken, mut first) = (0usize, None);
        while taken < count {
            let got = rd::rd_kafka_consume_batch_queue(queue, 1000, batch.as_mut_ptr(), BATCH);
            for message in batch.iter().take(usize::try_from(got).unwrap_or(0)) {
                taken += usize::from((**message).err == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR);
                rd::rd_kafka_message_destroy(*message);
            }
            first = first.or_else(|| (taken > 0).then(|| (now(), taken)));
        }
        let (since, before) = first.expect("messages");
        let seconds = now().saturating_duration_since(since).as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
        let rate = (taken - before) as f64 / seconds;
        println!("{rate:.0}");
    }
}
