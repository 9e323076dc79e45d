//! The question that the configuration puts to discovery.

use std::time::Duration;

use kafkavisor::config::{ClusterAddress, ClusterQuery, Config, InvalidAddress, Servers, WhichCluster};
use kafkavisor::discovery::{ClusterConfig, Discovery, DiscoveryError, ServiceError, Settings};

use kafkavisor::text::named;

use crate::exit::Failure;

/// Which cluster is wanted, and whom to ask.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    discovery: Discovery,
    query: ClusterQuery,
    /// Who is asked, for messages.
    whom: String,
}

/// Why no servers were found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotFound {
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    #[error(
        "discovery ({whom}) names cluster {name:?} for {query}, with servers that can't be used: {error}"
    )]
    Servers { whom: String, query: String, name: String, error: InvalidAddress },
    #[error(
        "discovery ({whom}) names no ZooKeeper for {query}, and `assignment.mode` or `offsets.storage` needs one"
    )]
    NoZookeeper { whom: String, query: String },
    #[error(
        "discovery ({whom}) has not answered for {query} within {within:?}: is the service overloaded, and is this its address?"
    )]
    TooLate { whom: String, query: String, within: Duration },
}

impl Question {
    /// None where the cluster is named by its servers.
    pub(crate) fn of(config: &Config) -> Option<Self> {
        let ClusterAddress::Discovery(query) = &config.cluster.address else { return None };
        let client_id = config.kafka.get("client.id").unwrap_or("kafkavisor");
        let section = &config.discovery;
        let whom = section.url.clone().unwrap_or_else(|| named(section.services.display()));
        let settings = Settings::from(section);
        Some(Self { discovery: Discovery::with(settings, client_id), query: query.clone(), whom })
    }

    /// For messages: who is asked for what.
    pub(crate) fn shown(&self) -> String {
        format!("discovery ({}) for {}", self.whom, self.query)
    }

    /// Asks. It blocks for as long as discovery takes, which is bounded.
    pub(crate) fn ask(&self) -> Result<Servers, NotFound> {
        self.put_to(&self.discovery)
    }

    /// Asks again, and the service alone where there is one: while it is away nothing changes.
    pub(super) fn ask_again(&self) -> Result<Servers, NotFound> {
        self.put_to(&self.discovery.of_the_service_alone())
    }

    fn put_to(&self, discovery: &Discovery) -> Result<Servers, NotFound> {
        let kind = self.query.cluster_type.as_str();
        let found = match &self.query.which {
            WhichCluster::Region(region) => discovery.region_cluster(kind, region.as_deref()),
            WhichCluster::Superregion(superregion) => discovery.superregion_cluster(kind, Some(superregion)),
            WhichCluster::Name(name) => discovery.kafka_cluster(kind, name),
        }?;
        self.servers(found)
    }

    /// What is told without asking anybody: the servers where files alone name them, and whatever is wrong with those files.
    pub(super) fn look(&self) -> Result<Option<Servers>, NotFound> {
        let (discovery, kind) = (&self.discovery, self.query.cluster_type.as_str());
        let found = match &self.query.which {
            WhichCluster::Region(region) => {
                discovery.look_for_region_cluster(kind, region.as_deref()).map(|()| None)
            }
            WhichCluster::Superregion(superregion) => {
                discovery.look_for_superregion_cluster(kind, Some(superregion)).map(|()| None)
            }
            WhichCluster::Name(name) => discovery.look_for_kafka_cluster(kind, name),
        }?;
        found.map(|found| self.servers(found)).transpose()
    }

    fn servers(&self, found: ClusterConfig) -> Result<Servers, NotFound> {
        Servers::try_from(&found).map_err(|error| NotFound::Servers {
            whom: self.whom.clone(),
            query: self.query.to_string(),
            name: found.name,
            error,
        })
    }

    pub(super) fn too_late(&self, within: Duration) -> NotFound {
        NotFound::TooLate { whom: self.whom.clone(), query: self.query.to_string(), within }
    }

    pub(super) fn no_zookeeper(&self) -> NotFound {
        NotFound::NoZookeeper { whom: self.whom.clone(), query: self.query.to_string() }
    }
}

impl NotFound {
    /// Whether the service may only not be there yet.
    pub(super) fn may_come(&self) -> bool {
        match self {
            Self::Discovery(DiscoveryError::Service {
                error: ServiceError::Status { status, .. }, ..
            }) => *status >= 500,
            // What stands before a service that is not up yet takes connections and hangs up.
            Self::Discovery(DiscoveryError::Service { error: ServiceError::NoAnswer { .. }, .. }) => true,
            Self::Discovery(error) => error.is_unreachable(),
            Self::Servers { .. } | Self::NoZookeeper { .. } | Self::TooLate { .. } => false,
        }
    }

    /// An unknown type, region or name is a matter of configuration, and so is a file; whatever else a service answers may be
    /// right at the next start.
    pub(super) fn failure(&self) -> Failure {
        let message = self.to_string();
        match self {
            Self::Discovery(DiscoveryError::Service { error: ServiceError::Address { .. }, .. }) => {
                Failure::configuration(message)
            }
            Self::Discovery(DiscoveryError::Service { .. }) => Failure::unreachable(message),
            Self::Discovery(_) => Failure::configuration(message),
            Self::Servers { .. } | Self::NoZookeeper { .. } | Self::TooLate { .. } => {
                Failure::unreachable(message)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use kafkavisor::config::{Flags, Source};

    use super::*;

    #[test]
    fn a_topology_file_answers_at_the_start_and_not_for_a_service_that_goes_away() {
        let folder = tempfile::tempdir().unwrap();
        let clusters = "clusters: {one: {broker_list: ['t1:9092'], zookeeper: 'z1:2181'}}\nlocal_config: {cluster: one}\n";
        std::fs::write(folder.path().join("standard.yaml"), clusters).unwrap();
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let text = format!(
            "group: g\ntopics: [t]\ncluster: {{type: standard, name: one}}\nhandler: {{command: [x]}}\n\
             discovery: {{url: 'http://{closed}', topology: [{}]}}\n",
            folder.path().display()
        );
        let source = Source { name: "k.yaml".to_owned(), text };
        let config = Config::load(Some(&source), &Flags::default()).unwrap();
        let question = Question::of(&config).unwrap();
        assert_eq!(question.ask().unwrap().brokers, ["t1:9092"]);
        let error = question.ask_again().unwrap_err();
        assert!(error.may_come(), "{error}");
    }
}
