//! What the examples of `getting-started.md` need beside what they show: a stand-in for the discovery service with the shared Kafka and
//! ZooKeeper behind it, and topics of their own.

use kafkavisor::config::Reset;
use kafkavisor::consumer_config::Builder;
use kafkavisor::discovery::{Discovery, Settings};
use kafkavisor::testing::{DiscoveryService, Served};
use tempfile::TempDir;

use crate::environment::{brokers, secure, unique, zookeeper};
pub use crate::library::take as consume;
use crate::message::numbered;
use crate::topic::Topic;

/// A machine that yelp_kafka would be at home on.
#[derive(Debug)]
pub struct Machine {
    service: DiscoveryService,
    files: TempDir,
    stream: String,
}

impl Machine {
    /// One whose region has logs of one stream, with so many messages in its topic.
    pub fn with_stream(messages: usize) -> Self {
        let stream = unique("ranger");
        let served = of_a_cluster(&brokers(), &zookeeper(), &stream);
        logged(&served, messages);
        Self::with(served, stream)
    }

    /// One in a superregion of two regions, each with a cluster, and so many messages of one stream in each.
    pub fn with_stream_in_two_clusters(messages: usize) -> Self {
        let stream = unique("ranger");
        let second = Served {
            cluster: "second_cluster".to_owned(),
            region: "second_region".to_owned(),
            ..of_a_cluster(&secure("BROKERS"), &secure("ZOOKEEPER"), &stream)
        };
        let served =
            Served { others: vec![second.clone()], ..of_a_cluster(&brokers(), &zookeeper(), &stream) };
        [&served, &second].into_iter().for_each(|served| logged(served, messages));
        Self::with(served, stream)
    }

    fn with(served: Served, stream: String) -> Self {
        let files = tempfile::tempdir().expect("a folder");
        for (file, name) in [("region", &served.region), ("superregion", &served.superregion)] {
            std::fs::write(files.path().join(file), name).expect("a file");
        }
        let service = DiscoveryService::start(served).expect("the stand-in starts");
        Self { service, files, stream }
    }

    /// One like any other.
    pub fn new() -> Self {
        Self::with_stream(0)
    }

    /// Its stream.
    pub fn stream(&self) -> &str {
        &self.stream
    }

    /// Discovery as on this machine.
    pub fn discovery(&self, client_id: &str) -> Discovery {
        let settings = Settings {
            url: Some(self.service.url()),
            region: self.files.path().join("region"),
            superregion: self.files.path().join("superregion"),
            ..Settings::default()
        };
        Discovery::with(settings, client_id)
    }
}

impl Default for Machine {
    fn default() -> Self {
        Self::new()
    }
}

/// The name of a topic with so many messages.
pub fn topic_with(messages: usize) -> String {
    let topic = Topic::new(2);
    topic.produce(&numbered(2, messages));
    topic.name
}

fn of_a_cluster(brokers: &str, zookeeper: &str, stream: &str) -> Served {
    Served {
        broker_list: brokers.split(',').map(str::to_owned).collect(),
        zookeeper: zookeeper.to_owned(),
        streams: vec![stream.to_owned()],
        ..Served::default()
    }
}

/// Makes the topics of its streams, with so many messages.
fn logged(served: &Served, messages: usize) {
    for stream in &served.streams {
        let topic =
            Topic::named(&served.broker_list.join(","), &format!("scribe.{}.{stream}", served.region));
        topic.create(1, &[]);
        topic.produce(&numbered(1, messages));
    }
}

/// As quick as a test wants it, from the beginning.
pub fn quick(config: Builder) -> Builder {
    config.auto_offset_reset(Reset::Earliest).partitioner_cooldown(std::time::Duration::from_millis(200))
}
