//! Finding clusters, topics and logs: from the discovery service, from topology files, and from Kafka itself.
//!
//! [`Discovery`] has yelp_kafka's functions, without their `get_`. The service is driven by its Swagger 2.0 document; the topology files
//! answer what is asked of all clusters of a type, or by name, where no service is configured or reached. What could not be found
//! is a [`DiscoveryError`], which names what was wanted, what was asked of whom, and what to do.
//!
//! | file | holds |
//! |---|---|
//! | `client`, `topics`, `consumers`, `settings` | the functions: over the service and topology files, over Kafka, for a consumer; where they look |
//! | `asking` | what is asked of the service and, where it is not there, of topology files |
//! | `beforehand` | what files alone tell, before anybody is asked |
//! | `service`, `exchange`, `service_error` | a conversation with the service, on a thread of its own; one HTTP exchange of it; how it fails |
//! | `swagger`, `answers` | what the service's document and its answers mean: pure |
//! | `topology`, `files`, `yaml` | topology files; `services.yaml`, the local region's file; YAML of other programs |
//! | `pattern`, `scribe` | regexes as Python anchors them; the names of scribe topics |
//! | `wanted`, `errors` | what was wanted, and why it was not found |

mod answers;
mod asking;
mod beforehand;
mod client;
mod consumers;
mod errors;
mod exchange;
mod files;
mod pattern;
mod scribe;
mod service;
mod service_error;
mod settings;
mod swagger;
mod topics;
mod topology;
mod wanted;
mod yaml;

use serde::Serialize;

pub use crate::cluster_config::ClusterConfig;
#[doc(inline)]
pub use crate::config::KafkaProperties;
pub use client::Discovery;
pub use errors::{ConfigurationError, DiscoveryError, InvalidRegex};
pub use pattern::Pattern;
pub use scribe::{NoScribeTopic, extract_datacenter, extract_stream_name, make_scribe_topic};
pub use service_error::{Asked, ServiceError};
pub use settings::Settings;
pub use topics::KafkaConnection;
pub use topology::{DEFAULT_TOPOLOGY, TopologyConfiguration};
use wanted::Wanted;

/// Topics that one cluster has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClusterTopics {
    /// The cluster.
    pub cluster: ClusterConfig,
    /// The topics, each once.
    pub topics: Vec<crate::ids::Topic>,
}
