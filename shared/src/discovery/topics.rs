//! Topics: what a cluster's Kafka has.

use std::collections::BTreeMap;

use kafkavisor_kafka::clients::Clients;
use kafkavisor_kafka::error::KafkaError;
use kafkavisor_kafka::properties::client_properties;

use super::client::Discovery;
use super::errors::DiscoveryError;
use super::pattern::Pattern;
use super::{ClusterTopics, Wanted};
use crate::clock::in_time;
use crate::cluster_config::ClusterConfig;
use crate::ids::{Partition, Topic};

/// A client of one cluster's Kafka that has been connected; it is closed when it is dropped.
#[derive(Debug)]
pub struct KafkaConnection {
    discovery: Discovery,
    cluster: ClusterConfig,
    client: Clients,
}

impl KafkaConnection {
    /// Whose it is.
    pub fn cluster(&self) -> &ClusterConfig {
        &self.cluster
    }

    /// Its topics and their partitions.
    pub fn topics(&self) -> Result<BTreeMap<Topic, Vec<Partition>>, DiscoveryError> {
        let listed = self.client.topics(in_time(self.discovery.settings().kafka_timeout));
        listed.map_err(|error| self.discovery.kafka_error("topics", &self.cluster, &error))
    }
}

/// Topics in clusters' Kafka.
impl Discovery {
    /// The topics of a cluster and their partitions. From yelp_kafka: `discovery.discover_topics`.
    #[doc(alias = "get_kafka_topics")]
    pub fn discover_topics(
        &self,
        cluster: &ClusterConfig,
    ) -> Result<BTreeMap<Topic, Vec<Partition>>, DiscoveryError> {
        self.unconnected("topics", cluster)?.topics()
    }

    /// Those of `clusters` that have the topic. From yelp_kafka: `discovery.search_topic`.
    pub fn search_topic(
        &self,
        topic: &str,
        clusters: &[ClusterConfig],
    ) -> Result<Vec<(Topic, ClusterConfig)>, DiscoveryError> {
        let mut found = Vec::new();
        for cluster in clusters {
            let topics = self.discover_topics(cluster)?;
            let have = topics.into_keys().find(|have| have.as_str() == topic);
            found.extend(have.map(|topic| (topic, cluster.clone())));
        }
        Ok(found)
    }

    /// The topics of `clusters` that match from their name's first character on, for each cluster that has some; the end is
    /// open. From yelp_kafka: `discovery.search_topics_by_regex`.
    pub fn search_topics_by_regex(
        &self,
        pattern: &str,
        clusters: &[ClusterConfig],
    ) -> Result<Vec<ClusterTopics>, DiscoveryError> {
        let pattern = Pattern::new(pattern)?;
        let mut found = Vec::new();
        for cluster in clusters {
            let topics = self.discover_topics(cluster)?;
            let topics: Vec<Topic> =
                topics.into_keys().filter(|topic| pattern.matches(topic.as_str())).collect();
            if !topics.is_empty() {
                found.push(ClusterTopics { cluster: cluster.clone(), topics });
            }
        }
        Ok(found)
    }

    /// Whether the local region's cluster of that type has the topic. From yelp_kafka: `discovery.local_topic_exists`.
    pub fn local_topic_exists(&self, cluster_type: &str, topic: &str) -> Result<bool, DiscoveryError> {
        let cluster = self.region_cluster(cluster_type, None)?;
        Ok(!self.search_topic(topic, &[cluster])?.is_empty())
    }

    /// The clusters of that type that have the topic; an error where none has. From yelp_kafka:
    /// `discovery.search_topic_in_all_clusters`.
    pub fn search_topic_in_all_clusters(
        &self,
        cluster_type: &str,
        topic: &str,
    ) -> Result<Vec<(Topic, ClusterConfig)>, DiscoveryError> {
        let clusters = self.all_clusters(cluster_type)?;
        let found = self.search_topic(topic, &clusters)?;
        if found.is_empty() {
            let (topic, cluster_type) = (topic.to_owned(), cluster_type.to_owned());
            return Err(DiscoveryError::UnknownTopic { topic, cluster_type, clusters: names(&clusters) });
        }
        Ok(found)
    }

    /// The topics that match in clusters of that type; an error where none does. From yelp_kafka:
    /// `discovery.search_topics_by_regex_in_all_clusters`.
    pub fn search_topics_by_regex_in_all_clusters(
        &self,
        cluster_type: &str,
        pattern: &str,
    ) -> Result<Vec<ClusterTopics>, DiscoveryError> {
        // Before anybody is asked: a pattern that is none needs no service.
        Pattern::new(pattern)?;
        let clusters = self.all_clusters(cluster_type)?;
        let found = self.search_topics_by_regex(pattern, &clusters)?;
        if found.is_empty() {
            let (pattern, cluster_type) = (pattern.to_owned(), cluster_type.to_owned());
            return Err(DiscoveryError::NoTopicMatches { pattern, cluster_type, clusters: names(&clusters) });
        }
        Ok(found)
    }

    /// A client of the local region's cluster of that type, connected. From yelp_kafka: `discovery.get_kafka_connection`.
    #[doc(alias = "get_kafka_connection")]
    pub fn kafka_connection(&self, cluster_type: &str) -> Result<KafkaConnection, DiscoveryError> {
        self.connected(&self.region_cluster(cluster_type, None)?)
    }

    /// A client of each cluster of that type. When one is not reached, those that are connected already are closed. From yelp_kafka:
    /// `discovery.get_all_kafka_connections`.
    #[doc(alias = "get_all_kafka_connections")]
    pub fn all_kafka_connections(&self, cluster_type: &str) -> Result<Vec<KafkaConnection>, DiscoveryError> {
        self.all_clusters(cluster_type)?.iter().map(|cluster| self.connected(cluster)).collect()
    }

    fn connected(&self, cluster: &ClusterConfig) -> Result<KafkaConnection, DiscoveryError> {
        let connection = self.unconnected("a connection", cluster)?;
        let reached = connection.client.reach(in_time(self.settings().kafka_timeout));
        reached.map_err(|error| self.kafka_error("a connection", cluster, &error))?;
        Ok(connection)
    }

    fn unconnected(&self, what: &str, cluster: &ClusterConfig) -> Result<KafkaConnection, DiscoveryError> {
        let mut theirs = self.settings().kafka.texts();
        theirs.entry("client.id".to_owned()).or_insert_with(|| self.client_id().to_owned());
        let usable = cluster.check_brokers().map_err(KafkaError::Configuration);
        usable.map_err(|error| self.kafka_error(what, cluster, &error))?;
        let client = Clients::outside(&client_properties(&cluster.broker_list, &theirs));
        let client = client.map_err(|error| self.kafka_error(what, cluster, &error))?;
        Ok(KafkaConnection { discovery: self.clone(), cluster: cluster.clone(), client })
    }

    fn kafka_error(&self, what: &str, cluster: &ClusterConfig, error: &KafkaError) -> DiscoveryError {
        let wanted = Wanted::OfCluster { what, cluster }.to_string();
        if let KafkaError::Configuration(_) = error {
            return DiscoveryError::KafkaProperties { wanted, reason: error.to_string() };
        }
        if let KafkaError::Security(trouble) = error {
            return DiscoveryError::KafkaRefuses {
                wanted,
                brokers: cluster.broker_list.clone(),
                reason: trouble.to_string(),
                ours: trouble.is_ours(),
            };
        }
        DiscoveryError::Kafka {
            wanted,
            brokers: cluster.broker_list.clone(),
            within: self.settings().kafka_timeout,
            reason: error.to_string(),
        }
    }
}

fn names(clusters: &[ClusterConfig]) -> Vec<String> {
    clusters.iter().map(|cluster| cluster.name.clone()).collect()
}
