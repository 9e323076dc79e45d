//! What is asked of the service, and of topology files where it is not there.

use kafkavisor_types::text;

use super::answers;
use super::client::Discovery;
use super::errors::DiscoveryError;
use super::files::{service_root, wrong};
use super::service::{Conversation, Service};
use super::service_error::{Asked, ServiceError};
use super::topology::TopologyConfiguration;
use super::wanted::Wanted;
use crate::cluster_config::ClusterConfig;

/// Where to ask.
enum Source {
    Service(Service),
    /// No service is configured, and why.
    None(String),
}

impl Discovery {
    fn source(&self, wanted: &Wanted<'_>) -> Result<Source, DiscoveryError> {
        let file = &self.settings().services;
        let root = match &self.settings().url {
            Some(url) => Some(url.clone()),
            None => service_root(file)
                .map_err(|error| DiscoveryError::Configuration { wanted: wanted.to_string(), error })?,
        };
        let Some(root) = root else {
            let problem = if file.exists() { "has no `kafka_discovery.main`" } else { "no such file" };
            return Ok(Source::None(problem.to_owned()));
        };
        Service::at(&root, self.client_id()).map(Source::Service).map_err(|error| wanted.service(error))
    }

    /// The same, but a service that is configured is asked alone: what topology files say may be older.
    #[must_use]
    pub fn of_the_service_alone(&self) -> Self {
        let mut settings = self.settings().clone();
        // A file that can't be read is said, and nobody answers in its place.
        if settings.url.is_some() || !matches!(service_root(&settings.services), Ok(None)) {
            settings.topology.clear();
        }
        Self::with(settings, self.client_id())
    }

    /// The service, where no other source will do.
    pub(super) fn service(&self, wanted: &Wanted<'_>) -> Result<Service, DiscoveryError> {
        match self.source(wanted)? {
            Source::Service(service) => Ok(service),
            Source::None(problem) => Err(self.no_service(wanted, problem)),
        }
    }

    fn no_service(&self, wanted: &Wanted<'_>, problem: String) -> DiscoveryError {
        let remedy = "give the discovery service's URL (--discovery, `discovery.url`), or write `kafka_discovery.main: {host: HOST, port: PORT}` there";
        DiscoveryError::Configuration {
            wanted: wanted.to_string(),
            error: wrong(&self.settings().services, problem, remedy),
        }
    }

    /// Why nobody can be asked, where no service is configured.
    pub(super) fn without_service(
        &self,
        wanted: &Wanted<'_>,
    ) -> Result<Option<DiscoveryError>, DiscoveryError> {
        match self.source(wanted)? {
            Source::Service(_) => Ok(None),
            Source::None(problem) => Ok(Some(self.no_service(wanted, problem))),
        }
    }

    pub(super) fn service_or_topology<T>(
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
        self.topology_instead(why, cluster_type, look)
    }

    /// What the topology file says, as the service does not.
    pub(super) fn topology_instead<T>(
        &self,
        why: DiscoveryError,
        cluster_type: &str,
        look: impl FnOnce(&TopologyConfiguration) -> Result<T, DiscoveryError>,
    ) -> Result<T, DiscoveryError> {
        let Some(topology) = TopologyConfiguration::find(cluster_type, &self.settings().topology)? else {
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
            self.settings().topology.iter().map(|path| text::named(path.display())).collect();
        if folders.is_empty() {
            return why;
        }
        if let DiscoveryError::Service { wanted, .. } | DiscoveryError::Configuration { wanted, .. } =
            &mut why
        {
            *wanted = format!(
                "{wanted} (no topology file {}.yaml in {} either)",
                text::named(cluster_type),
                folders.join(", ")
            );
        }
        why
    }
}

pub(super) const WITH_NAME: &str = "getClustersWithName";

/// All clusters, and what was asked for their names; else the name of that which was not told, and why.
type AllClusters = Result<(Asked, Vec<ClusterConfig>), (String, ServiceError)>;

pub(super) fn named<'a>(cluster_type: &'a str, name: &'a str) -> [(&'static str, &'a str); 2] {
    [("type", cluster_type), ("kafka_cluster_name", name)]
}

impl Service {
    /// One cluster.
    pub(super) fn cluster(
        &self,
        wanted: &Wanted<'_>,
        operation: &'static str,
        arguments: &[(&str, &str)],
    ) -> Result<ClusterConfig, DiscoveryError> {
        let said = self.conversation(|service| service.cluster(wanted, operation, arguments));
        said.map_err(|error| wanted.service(error))
    }

    /// One operation, where no answer is an empty one.
    pub(super) fn some<T: Send>(
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
    pub(super) fn all_clusters(
        &self,
        wanted: &Wanted<'_>,
        cluster_type: &str,
    ) -> Result<Vec<ClusterConfig>, DiscoveryError> {
        let one = |service: &Conversation<'_>, name: &str| {
            let wanted = Wanted::NamedCluster { cluster_type, name };
            let asked = service.cluster(&wanted, WITH_NAME, &named(cluster_type, name));
            asked.map_err(|error| (name.to_owned(), error))
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

impl Conversation<'_> {
    /// One cluster, which must be the one that is wanted: with another one's brokers a consumer would read another one's messages.
    fn cluster(
        &self,
        wanted: &Wanted<'_>,
        operation: &'static str,
        arguments: &[(&str, &str)],
    ) -> Result<ClusterConfig, ServiceError> {
        let (asked, cluster) = self.ask(operation, arguments, answers::cluster)?;
        if wanted.is(&cluster) {
            return Ok(cluster);
        }
        let ClusterConfig { cluster_type, name, .. } = cluster;
        Err(ServiceError::AnotherCluster { asked, cluster_type, name })
    }
}
