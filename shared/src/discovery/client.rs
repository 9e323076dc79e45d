//! The functions that find clusters and logs, over the service and the topology files.

use super::answers;
use super::asking::{WITH_NAME, named};
use super::errors::{ConfigurationError, DiscoveryError};
use super::files::read_name;
use super::pattern;
use super::settings::Settings;
use super::{ClusterTopics, Wanted};
use crate::cluster_config::ClusterConfig;

/// Finds clusters, topics and logs. Each call asks anew, blocks its caller, and is bounded: 2 s for an exchange with the service,
/// tried twice, and [`Settings::kafka_timeout`] for a cluster's Kafka.
///
/// A producer or consumer for the local region's cluster begins with
///
/// ```no_run
/// use kafkavisor::discovery::Discovery;
///
/// let discovery = Discovery::new("my-client-id");
/// let cluster = discovery.region_cluster("standard", None)?;
/// println!("brokers {:?}, ZooKeeper {}", cluster.broker_list, cluster.zookeeper);
/// # Ok::<(), kafkavisor::discovery::DiscoveryError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Discovery {
    settings: Settings,
    client_id: String,
}

impl Discovery {
    /// As yelp_kafka would look: [`Settings::default`]. The client id names who asks, to the service and to Kafka (quotas).
    pub fn new(client_id: &str) -> Self {
        Self::with(Settings::default(), client_id)
    }

    /// Looks where `settings` say.
    pub fn with(settings: Settings, client_id: &str) -> Self {
        Self { settings, client_id: client_id.to_owned() }
    }

    /// Where it looks.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// In whose name it asks.
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// The cluster of that type for a region, the local one by default. From yelp_kafka: `discovery.get_region_cluster`.
    #[doc(alias = "get_region_cluster")]
    pub fn region_cluster(
        &self,
        cluster_type: &str,
        region: Option<&str>,
    ) -> Result<ClusterConfig, DiscoveryError> {
        let region = self.region_of_cluster(cluster_type, region)?;
        let wanted = Wanted::RegionCluster { cluster_type, region: &region };
        let arguments = [("type", cluster_type), ("region", region.as_str())];
        self.service(&wanted)?.cluster(&wanted, "getClustersWithRegion", &arguments)
    }

    /// The cluster of that type for a superregion, the local one by default. From yelp_kafka: `discovery.get_superregion_cluster`.
    #[doc(alias = "get_superregion_cluster")]
    pub fn superregion_cluster(
        &self,
        cluster_type: &str,
        superregion: Option<&str>,
    ) -> Result<ClusterConfig, DiscoveryError> {
        let superregion = self.superregion_of_cluster(cluster_type, superregion)?;
        let wanted = Wanted::SuperregionCluster { cluster_type, superregion: &superregion };
        let arguments = [("type", cluster_type), ("superregion", superregion.as_str())];
        self.service(&wanted)?.cluster(&wanted, "getClustersWithSuperregion", &arguments)
    }

    /// The cluster of that type and name; of the topology files where no service is configured or reached. From yelp_kafka:
    /// `discovery.get_kafka_cluster`.
    #[doc(alias = "get_kafka_cluster")]
    pub fn kafka_cluster(&self, cluster_type: &str, name: &str) -> Result<ClusterConfig, DiscoveryError> {
        let wanted = Wanted::NamedCluster { cluster_type, name };
        self.service_or_topology(
            &wanted,
            cluster_type,
            |service| service.cluster(&wanted, WITH_NAME, &named(cluster_type, name)),
            |topology| topology.cluster_by_name(name),
        )
    }

    /// All clusters of that type; of the topology files where no service is configured or reached. From yelp_kafka:
    /// `discovery.get_all_clusters`.
    #[doc(alias = "get_all_clusters")]
    pub fn all_clusters(&self, cluster_type: &str) -> Result<Vec<ClusterConfig>, DiscoveryError> {
        let wanted = Wanted::Clusters { cluster_type };
        self.service_or_topology(
            &wanted,
            cluster_type,
            |service| service.all_clusters(&wanted, cluster_type),
            |topology| match topology.all_clusters() {
                none if none.is_empty() => Err(wanted.refused(format!(
                    "{} has no clusters",
                    kafkavisor_types::text::named(topology.file().display())
                ))),
                all => Ok(all),
            },
        )
    }

    /// The topics of a log stream of a region, the local one by default, by cluster. From yelp_kafka:
    /// `discovery.get_region_logs_stream`.
    ///
    /// ```no_run
    /// # use kafkavisor::discovery::{ClusterTopics, Discovery};
    /// // A stream that does not exist is an error.
    /// for ClusterTopics { cluster, topics } in Discovery::new("my-client-id").region_logs_stream("ranger", Some("uswest1-prod"))? {
    ///     println!("{topics:?} in {}", cluster.name);
    /// }
    /// # Ok::<(), kafkavisor::discovery::DiscoveryError>(())
    /// ```
    #[doc(alias = "get_region_logs_stream")]
    pub fn region_logs_stream(
        &self,
        stream: &str,
        region: Option<&str>,
    ) -> Result<Vec<ClusterTopics>, DiscoveryError> {
        self.region_logs_regex(&pattern::of_stream(stream), region)
    }

    /// As [`Self::region_logs_stream`], for all streams that the regex matches; it is the service's own engine that matches. From
    /// yelp_kafka: `discovery.get_region_logs_regex`.
    #[doc(alias = "get_region_logs_regex")]
    pub fn region_logs_regex(
        &self,
        regex: &str,
        region: Option<&str>,
    ) -> Result<Vec<ClusterTopics>, DiscoveryError> {
        pattern::check(regex)?;
        let region =
            self.local_region(region, &format!("the logs that match {regex:?} in the local region"))?;
        let wanted = Wanted::RegionLogs { regex, region: &region };
        self.service(&wanted)?.some(
            &wanted,
            "getLogsForRegionWithRegex",
            &[("region", &region), ("regex", regex)],
            answers::logs,
        )
    }

    /// The topics of a log stream of a superregion, the local one by default, by cluster. From yelp_kafka:
    /// `discovery.get_superregion_logs_stream`.
    ///
    /// ```no_run
    /// # use kafkavisor::discovery::Discovery;
    /// let of_each_cluster = Discovery::new("my-client-id").superregion_logs_stream("ranger", None)?;
    /// # Ok::<(), kafkavisor::discovery::DiscoveryError>(())
    /// ```
    #[doc(alias = "get_superregion_logs_stream")]
    pub fn superregion_logs_stream(
        &self,
        stream: &str,
        superregion: Option<&str>,
    ) -> Result<Vec<ClusterTopics>, DiscoveryError> {
        self.superregion_logs_regex(&pattern::of_stream(stream), superregion)
    }

    /// As [`Self::superregion_logs_stream`], for all streams that the regex matches. From yelp_kafka:
    /// `discovery.get_superregion_logs_regex`.
    #[doc(alias = "get_superregion_logs_regex")]
    pub fn superregion_logs_regex(
        &self,
        regex: &str,
        superregion: Option<&str>,
    ) -> Result<Vec<ClusterTopics>, DiscoveryError> {
        pattern::check(regex)?;
        let local = format!("the logs that match {regex:?} in the local superregion");
        let superregion = self.local_superregion(superregion, &local)?;
        let wanted = Wanted::SuperregionLogs { regex, superregion: &superregion };
        let arguments = [("superregion", superregion.as_str()), ("regex", regex)];
        self.service(&wanted)?.some(&wanted, "getLogsForSuperregionWithRegex", &arguments, answers::logs)
    }

    /// All regions that have logs. From yelp_kafka: `discovery.get_all_logs_regions`.
    #[doc(alias = "get_all_logs_regions")]
    pub fn all_logs_regions(&self) -> Result<Vec<String>, DiscoveryError> {
        self.service(&Wanted::LogsRegions)?.some(&Wanted::LogsRegions, "getLogsRegions", &[], answers::names)
    }

    /// The region that a cluster is wanted for.
    pub(super) fn region_of_cluster(
        &self,
        cluster_type: &str,
        region: Option<&str>,
    ) -> Result<String, DiscoveryError> {
        self.local_region(region, &format!("the cluster of type {cluster_type:?} for the local region"))
    }

    /// The superregion that a cluster is wanted for.
    pub(super) fn superregion_of_cluster(
        &self,
        cluster_type: &str,
        superregion: Option<&str>,
    ) -> Result<String, DiscoveryError> {
        let local = format!("the cluster of type {cluster_type:?} for the local superregion");
        self.local_superregion(superregion, &local)
    }

    fn local_region(&self, given: Option<&str>, wanted: &str) -> Result<String, DiscoveryError> {
        local(given, || read_name(&self.settings.region, "region"), wanted)
    }

    fn local_superregion(&self, given: Option<&str>, wanted: &str) -> Result<String, DiscoveryError> {
        local(given, || read_name(&self.settings.superregion, "superregion"), wanted)
    }
}

/// What was given, else what the file names. As in yelp_kafka an empty text is nothing given.
fn local(
    given: Option<&str>,
    read: impl FnOnce() -> Result<String, ConfigurationError>,
    wanted: &str,
) -> Result<String, DiscoveryError> {
    match given.filter(|given| !given.is_empty()) {
        Some(given) => Ok(given.to_owned()),
        None => read().map_err(|error| DiscoveryError::Configuration { wanted: wanted.to_owned(), error }),
    }
}
