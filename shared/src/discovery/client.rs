//! The functions that find clusters and logs, over the service and the topology files.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::answers;
use super::errors::DiscoveryError;
use super::files::{read_name, service_root, wrong};
use super::pattern;
use super::service::{Asked, Conversation, Service, ServiceError};
use super::topology::{DEFAULT_TOPOLOGY, TopologyConfiguration};
use super::{ClusterTopics, Wanted};
use crate::cluster_config::ClusterConfig;

/// Where discovery looks. The defaults are yelp_kafka's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The service's root, `http://HOST:PORT`; none: as `services` has it.
    pub url: Option<String>,
    /// The file that has host and port of the service under `kafka_discovery.main`.
    pub services: PathBuf,
    /// Folders with topology files; the first that has one of the type counts.
    pub topology: Vec<PathBuf>,
    /// The file that names the local region.
    pub region: PathBuf,
    /// The file that names the local superregion.
    pub superregion: PathBuf,
    /// librdkafka's properties for clients of Kafka, such as for TLS.
    pub kafka: BTreeMap<String, String>,
    /// How long a cluster's Kafka may stay unreachable.
    pub kafka_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            url: None,
            services: "/nail/etc/services/services.yaml".into(),
            topology: DEFAULT_TOPOLOGY.map(PathBuf::from).into(),
            region: "/nail/etc/region".into(),
            superregion: "/nail/etc/superregion".into(),
            kafka: BTreeMap::new(),
            kafka_timeout: Duration::from_secs(10),
        }
    }
}

impl Settings {
    /// Asks the service at `url`, `http://HOST:PORT` and whatever its root is behind, and none that `services` names.
    pub fn with_url(self, url: &str) -> Result<Self, ServiceError> {
        Service::at(url, "")?;
        Ok(Self { url: Some(url.to_owned()), ..self })
    }
}

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

/// Where to ask.
enum Source {
    Service(Service),
    /// No service is configured, and why.
    None(String),
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
        let region =
            self.local_region(region, &format!("the cluster of type {cluster_type:?} for the local region"))?;
        let wanted = Wanted::RegionCluster { cluster_type, region: &region };
        self.service(&wanted)?.ask(
            &wanted,
            "getClustersWithRegion",
            &[("type", cluster_type), ("region", &region)],
            answers::cluster,
        )
    }

    /// The cluster of that type for a superregion, the local one by default. From yelp_kafka: `discovery.get_superregion_cluster`.
    #[doc(alias = "get_superregion_cluster")]
    pub fn superregion_cluster(
        &self,
        cluster_type: &str,
        superregion: Option<&str>,
    ) -> Result<ClusterConfig, DiscoveryError> {
        let local = format!("the cluster of type {cluster_type:?} for the local superregion");
        let superregion = self.local_superregion(superregion, &local)?;
        let wanted = Wanted::SuperregionCluster { cluster_type, superregion: &superregion };
        let arguments = [("type", cluster_type), ("superregion", superregion.as_str())];
        self.service(&wanted)?.ask(&wanted, "getClustersWithSuperregion", &arguments, answers::cluster)
    }

    /// The cluster of that type and name; of the topology files where no service is configured or reached. From yelp_kafka:
    /// `discovery.get_kafka_cluster`.
    #[doc(alias = "get_kafka_cluster")]
    pub fn kafka_cluster(&self, cluster_type: &str, name: &str) -> Result<ClusterConfig, DiscoveryError> {
        let wanted = Wanted::NamedCluster { cluster_type, name };
        self.service_or_topology(
            &wanted,
            cluster_type,
            |service| service.ask(&wanted, WITH_NAME, &named(cluster_type, name), answers::cluster),
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
            |topology| Ok(topology.all_clusters()),
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

    fn local_region(&self, given: Option<&str>, wanted: &str) -> Result<String, DiscoveryError> {
        local(given, || read_name(&self.settings.region, "region"), wanted)
    }

    fn local_superregion(&self, given: Option<&str>, wanted: &str) -> Result<String, DiscoveryError> {
        local(given, || read_name(&self.settings.superregion, "superregion"), wanted)
    }

    fn source(&self, wanted: &Wanted<'_>) -> Result<Source, DiscoveryError> {
        let file = &self.settings.services;
        let root = match &self.settings.url {
            Some(url) => Some(url.clone()),
            None => service_root(file)
                .map_err(|error| DiscoveryError::Configuration { wanted: wanted.to_string(), error })?,
        };
        let Some(root) = root else {
            let problem = if file.exists() { "has no `kafka_discovery.main`" } else { "no such file" };
            return Ok(Source::None(problem.to_owned()));
        };
        Service::at(&root, &self.client_id).map(Source::Service).map_err(|error| wanted.service(error))
    }

    /// The service, where no other source will do.
    fn service(&self, wanted: &Wanted<'_>) -> Result<Service, DiscoveryError> {
        match self.source(wanted)? {
            Source::Service(service) => Ok(service),
            Source::None(problem) => Err(self.no_service(wanted, problem)),
        }
    }

    fn no_service(&self, wanted: &Wanted<'_>, problem: String) -> DiscoveryError {
        let remedy = "give the discovery service's URL (--discovery, `discovery.url`), or write `kafka_discovery.main: {host: HOST, port: PORT}` there";
        DiscoveryError::Configuration {
            wanted: wanted.to_string(),
            error: wrong(&self.settings.services, problem, remedy),
        }
    }

    fn service_or_topology<T>(
        &self,
        wanted: &Wanted<'_>,
        cluster_type: &str,
        ask: impl FnOnce(&Service) -> Result<T, DiscoveryError>,
        look: impl FnOnce(&TopologyConfiguration) -> Result<T, DiscoveryError>,
    ) -> Result<T, DiscoveryError> {
        let why = match self.source(wanted)? {
            Source::None(problem) => self.no_service(wanted, problem),
            Source::Service(service) => match ask(&service) {
                Err(error) if error.is_unreachable() => error,
                answered => return answered,
            },
        };
        let Some(topology) = TopologyConfiguration::find(cluster_type, &self.settings.topology)? else {
            return Err(self.and_no_topology(why, cluster_type));
        };
        if why.is_unreachable() {
            log::warn!("{why}; {} answers instead", topology.file().display());
        } else {
            log::debug!("{} answers, as no discovery service is configured", topology.file().display());
        }
        look(&topology)
    }

    /// What is wrong with the first source, and that the second has nothing.
    fn and_no_topology(&self, mut why: DiscoveryError, cluster_type: &str) -> DiscoveryError {
        let folders: Vec<String> =
            self.settings.topology.iter().map(|path| path.display().to_string()).collect();
        if let DiscoveryError::Service { wanted, .. } | DiscoveryError::Configuration { wanted, .. } =
            &mut why
        {
            *wanted =
                format!("{wanted} (no topology file {cluster_type}.yaml in {} either)", folders.join(", "));
        }
        why
    }
}

const WITH_NAME: &str = "getClustersWithName";

/// All clusters, and what was asked for their names; else the name of that which was not told, and why.
type AllClusters = Result<(Asked, Vec<ClusterConfig>), (String, ServiceError)>;

fn named<'a>(cluster_type: &'a str, name: &'a str) -> [(&'static str, &'a str); 2] {
    [("type", cluster_type), ("kafka_cluster_name", name)]
}

/// What was given, else what the file names. As in yelp_kafka an empty text is nothing given.
fn local(
    given: Option<&str>,
    read: impl FnOnce() -> Result<String, super::ConfigurationError>,
    wanted: &str,
) -> Result<String, DiscoveryError> {
    match given.filter(|given| !given.is_empty()) {
        Some(given) => Ok(given.to_owned()),
        None => read().map_err(|error| DiscoveryError::Configuration { wanted: wanted.to_owned(), error }),
    }
}

impl Service {
    /// One operation.
    fn ask<T: Send>(
        &self,
        wanted: &Wanted<'_>,
        operation: &'static str,
        arguments: &[(&str, &str)],
        read: impl FnOnce(&serde_json::Value) -> Result<T, String> + Send,
    ) -> Result<T, DiscoveryError> {
        let said = self.conversation(|service| service.ask(operation, arguments, read));
        said.map(|(_, answer)| answer).map_err(|error| wanted.service(error))
    }

    /// One operation, where no answer is an empty one.
    fn some<T: Send>(
        &self,
        wanted: &Wanted<'_>,
        operation: &'static str,
        arguments: &[(&str, &str)],
        read: impl FnOnce(&serde_json::Value) -> Result<Vec<T>, String> + Send,
    ) -> Result<Vec<T>, DiscoveryError> {
        let said = self.conversation(|service| service.ask(operation, arguments, read));
        let (asked, list) = said.map_err(|error| wanted.service(error))?;
        if list.is_empty() { Err(wanted.refused(format!("{asked} answers none"))) } else { Ok(list) }
    }

    /// Names first, then each cluster by its name, in one conversation.
    fn all_clusters(
        &self,
        wanted: &Wanted<'_>,
        cluster_type: &str,
    ) -> Result<Vec<ClusterConfig>, DiscoveryError> {
        let one = |service: &Conversation<'_>, name: &str| {
            let asked = service.ask(WITH_NAME, &named(cluster_type, name), answers::cluster);
            asked.map(|(_, cluster)| cluster).map_err(|error| (name.to_owned(), error))
        };
        let said: AllClusters = self
            .conversation(|service| {
                let (asked, names) =
                    service.ask("getClustersAll", &[("type", cluster_type)], answers::names)?;
                let clusters: Result<Vec<_>, _> = names.iter().map(|name| one(service, name)).collect();
                Ok(clusters.map(|clusters| (asked, clusters)))
            })
            .map_err(|error| wanted.service(error))?;
        match said {
            Ok((asked, clusters)) if clusters.is_empty() => {
                Err(wanted.refused(format!("{asked} answers none")))
            }
            Ok((_, clusters)) => Ok(clusters),
            Err((name, error)) => Err(Wanted::NamedCluster { cluster_type, name: &name }.service(error)),
        }
    }
}
