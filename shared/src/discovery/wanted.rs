//! What somebody wants to know: for errors, which name it, and which differ by it.

use std::fmt;

use super::errors::DiscoveryError;
use super::service_error::ServiceError;
use crate::cluster_config::ClusterConfig;

/// What is wanted.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wanted<'a> {
    RegionCluster {
        cluster_type: &'a str,
        region: &'a str,
    },
    SuperregionCluster {
        cluster_type: &'a str,
        superregion: &'a str,
    },
    NamedCluster {
        cluster_type: &'a str,
        name: &'a str,
    },
    Clusters {
        cluster_type: &'a str,
    },
    RegionLogs {
        regex: &'a str,
        region: &'a str,
    },
    SuperregionLogs {
        regex: &'a str,
        superregion: &'a str,
    },
    LogsRegions,
    /// Something of a cluster's Kafka.
    OfCluster {
        what: &'a str,
        cluster: &'a ClusterConfig,
    },
}

impl fmt::Display for Wanted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RegionCluster { cluster_type, region } => {
                write!(f, "the cluster of type {cluster_type:?} for region {region:?}")
            }
            Self::SuperregionCluster { cluster_type, superregion } => {
                write!(f, "the cluster of type {cluster_type:?} for superregion {superregion:?}")
            }
            Self::NamedCluster { cluster_type, name } => {
                write!(f, "the cluster of type {cluster_type:?} named {name:?}")
            }
            Self::Clusters { cluster_type } => write!(f, "all clusters of type {cluster_type:?}"),
            Self::RegionLogs { regex, region } => {
                write!(f, "the logs that match {regex:?} in region {region:?}")
            }
            Self::SuperregionLogs { regex, superregion } => {
                write!(f, "the logs that match {regex:?} in superregion {superregion:?}")
            }
            Self::LogsRegions => f.write_str("the regions that have logs"),
            // One that somebody knows the brokers of and nothing else.
            Self::OfCluster { what, cluster } if cluster.name.is_empty() => f.write_str(what),
            Self::OfCluster { what, cluster } => {
                write!(f, "{what} of the cluster {:?} of type {:?}", cluster.name, cluster.cluster_type)
            }
        }
    }
}

impl Wanted<'_> {
    /// Whether this is a cluster of the type and name that are wanted.
    pub(super) fn is(&self, cluster: &ClusterConfig) -> bool {
        match self {
            Self::NamedCluster { cluster_type, name } => {
                (*cluster_type, *name) == (cluster.cluster_type.as_str(), cluster.name.as_str())
            }
            Self::RegionCluster { cluster_type, .. }
            | Self::SuperregionCluster { cluster_type, .. }
            | Self::Clusters { cluster_type } => *cluster_type == cluster.cluster_type,
            Self::RegionLogs { .. }
            | Self::SuperregionLogs { .. }
            | Self::LogsRegions
            | Self::OfCluster { .. } => true,
        }
    }

    /// What the service's trouble means: an answer that there is no such thing is an error of its own.
    pub(super) fn service(&self, error: ServiceError) -> DiscoveryError {
        // Not a missing document, nor these: a missing right, a wrong method, being asked too often say nothing of what was asked for.
        let of_the_service = |status: &u16| matches!(status, 401 | 403 | 405 | 407 | 408 | 429);
        if let ServiceError::Status { asked, status: status @ 400..=499, text } = &error
            && asked.operation.is_some()
            && !of_the_service(status)
        {
            return self.refused(format!("{asked} answers {status}{text}"));
        }
        DiscoveryError::Service { wanted: self.to_string(), error }
    }

    /// There is no such thing.
    pub(super) fn refused(&self, answer: String) -> DiscoveryError {
        let own = |text: &str| text.to_owned();
        match *self {
            Self::RegionCluster { cluster_type, region } => DiscoveryError::InvalidClusterTypeOrRegion {
                cluster_type: own(cluster_type),
                region: own(region),
                answer,
            },
            Self::SuperregionCluster { cluster_type, superregion } => {
                DiscoveryError::InvalidClusterTypeOrSuperregion {
                    cluster_type: own(cluster_type),
                    superregion: own(superregion),
                    answer,
                }
            }
            Self::NamedCluster { cluster_type, name } => DiscoveryError::InvalidClusterTypeOrName {
                cluster_type: own(cluster_type),
                name: own(name),
                answer,
            },
            Self::Clusters { cluster_type } => {
                DiscoveryError::InvalidClusterType { cluster_type: own(cluster_type), answer }
            }
            Self::OfCluster { cluster, .. } => {
                DiscoveryError::InvalidClusterType { cluster_type: cluster.cluster_type.clone(), answer }
            }
            Self::RegionLogs { regex, region } => {
                DiscoveryError::InvalidLogOrRegion { regex: own(regex), region: own(region), answer }
            }
            Self::SuperregionLogs { regex, superregion } => DiscoveryError::InvalidLogOrSuperregion {
                regex: own(regex),
                superregion: own(superregion),
                answer,
            },
            Self::LogsRegions => DiscoveryError::NoLogsRegions { answer },
        }
    }
}
