//! Where discovery looks.

use std::path::PathBuf;
use std::time::Duration;

use super::service::Service;
use super::service_error::ServiceError;
use super::topology::DEFAULT_TOPOLOGY;
use crate::config::KafkaProperties;

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
    pub kafka: KafkaProperties,
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
            kafka: KafkaProperties::default(),
            kafka_timeout: Duration::from_secs(10),
        }
    }
}

impl From<&crate::config::Discovery> for Settings {
    /// What a configuration file says; the rest as by default.
    fn from(section: &crate::config::Discovery) -> Self {
        let crate::config::Discovery { url, services, topology, region, superregion } = section.clone();
        Self { url, services, topology, region, superregion, ..Self::default() }
    }
}

impl Settings {
    /// Asks the service at `url`, `http://HOST:PORT` and whatever its root is behind, and none that `services` names.
    pub fn with_url(self, url: &str) -> Result<Self, ServiceError> {
        Service::at(url, "")?;
        Ok(Self { url: Some(url.to_owned()), ..self })
    }
}
