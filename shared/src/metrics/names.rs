//! The names of figures, as yelp_kafka has them: a prefix for who reports, and what is reported.

use super::responder::Measure;

/// Who reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// A producer; its dimensions are `client_id`, `cluster_type` and `cluster_name`.
    Producer,
    /// A consumer group; its dimensions are `group_id`, `cluster_type`, `cluster_name` and those of `metrics_dimensions`.
    ConsumerGroup,
}

impl Role {
    /// What its figures' names begin with.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Producer => "yelp_kafka.YelpKafkaProducer.",
            Self::ConsumerGroup => "yelp_kafka.KafkaConsumerGroup.",
        }
    }
}

macro_rules! metrics {
    ($(#[doc = $doc:literal] $measure:ident $variant:ident $name:literal;)*) => {
        /// A figure.
        ///
        /// librdkafka tells how long a broker's answers take, and not by kind of request. So a request that somebody waits for is
        /// measured where it is waited for; of those that librdkafka makes on its own account, which are fetches, its statistics speak.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Metric {
            $(#[doc = concat!("`", $name, "`")] #[doc = ""] #[doc = $doc] $variant,)*
        }

        impl Metric {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Its name behind the prefix.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// Whether it is a time or a count.
            pub fn measure(self) -> Measure {
                match self { $(Self::$variant => Measure::$measure),* }
            }
        }
    };
}

metrics! {
    #[doc = "How long it took to hear which partitions a topic has, in milliseconds. Measured for each time that a producer or a group asks."]
    Timer MetadataRequest "metadata_request_timer";
    #[doc = "How long a call that sends messages waited until all were confirmed or had failed, in milliseconds. Measured for each call; retries are in it."]
    Timer ProduceRequest "produce_request_timer";
    #[doc = "How long a broker took to answer fetches, in milliseconds; up to `fetch_wait_max_ms` of it is waiting for messages. From librdkafka's statistics (`rtt.p50`), for each broker and interval in which most of its requests were fetches."]
    Timer FetchRequest "fetch_request_timer";
    #[doc = "How long it took to hear where logs begin or end, in milliseconds. Measured for each time that a group asks; a producer never does."]
    Timer OffsetRequest "offset_request_timer";
    #[doc = "How long a commit took, in milliseconds, where offsets are kept in ZooKeeper. Measured for each; a producer has none."]
    Timer OffsetCommitRequest "offset_commit_request_timer";
    #[doc = "How long it took to read committed offsets from ZooKeeper, in milliseconds. Measured for each time; a producer never does."]
    Timer OffsetFetchRequest "offset_fetch_request_timer";
    #[doc = "How long it took to find a group's coordinator, in milliseconds. librdkafka does that within the requests that need it and does not say how long it took: it never comes."]
    Timer ConsumerMetadataRequest "consumer_metadata_request_timer";
    #[doc = "How long a commit took, in milliseconds, where offsets are kept in Kafka. Measured for each; a producer has none."]
    Timer OffsetCommitRequestKafka "offset_commit_request_timer_kafka";
    #[doc = "How long it took to read committed offsets from Kafka, in milliseconds. Measured for each time; a producer never does."]
    Timer OffsetFetchRequestKafka "offset_fetch_request_timer_kafka";
    #[doc = "Of a producer: messages that were sent and not confirmed. Of a group: requests whose connection broke off, from librdkafka's statistics (`txerrs` and `rxerrs`). The name is spelt as in the original."]
    Counter FailedPayloads "failed_paylads_count";
    #[doc = "How often an offset to go on at was no longer, or not yet, in its partition. A producer has none."]
    Counter OutOfRange "out_of_range_counts";
    #[doc = "How often another broker led the partition by then. Of a producer, messages that failed for it; where librdkafka asks anew on its own, it does not say."]
    Counter NotLeaderForPartition "not_leader_for_partition_count";
    #[doc = "Requests that no broker answered in time. From librdkafka's statistics (`req_timeouts`)."]
    Counter RequestTimedOut "request_timed_out_count";
    #[doc = "Calls of a producer that ended in an error. A group has none."]
    Counter ProduceException "produce_exception_count";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_named_as_in_yelp_kafka() {
        let of = |measure: Measure| {
            let those = Metric::ALL.iter().filter(move |metric| metric.measure() == measure);
            those.map(|metric| metric.name()).collect::<Vec<_>>()
        };
        assert_eq!(
            of(Measure::Timer),
            [
                "metadata_request_timer",
                "produce_request_timer",
                "fetch_request_timer",
                "offset_request_timer",
                "offset_commit_request_timer",
                "offset_fetch_request_timer",
                "consumer_metadata_request_timer",
                "offset_commit_request_timer_kafka",
                "offset_fetch_request_timer_kafka",
            ]
        );
        assert_eq!(
            of(Measure::Counter),
            [
                "failed_paylads_count",
                "out_of_range_counts",
                "not_leader_for_partition_count",
                "request_timed_out_count",
                "produce_exception_count",
            ]
        );
    }
}
