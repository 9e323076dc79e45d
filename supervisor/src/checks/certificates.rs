//! Whether the certificates and keys that properties for librdkafka name can be used, in words of our own.

use kafkavisor::config::Draft;
use kafkavisor_kafka::trouble::unusable_files;

/// Notes what can't. That they can be read was looked at before.
pub(super) fn check(draft: &mut Draft) {
    for unusable in unusable_files(&draft.kafka.texts()) {
        draft.refuse_key(&format!("kafka.{}", unusable.property), &unusable.what);
        draft.security_refused = true;
    }
}
