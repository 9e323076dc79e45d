//! A consumer of the local region's cluster, configured.

use super::{Discovery, DiscoveryError};
use crate::consumer_config::{Builder, KafkaConsumerConfig};

impl Discovery {
    /// Begins a consumer's configuration for the local region's cluster of that type, in this client's name; options are added to
    /// it, and it is checked when it is built. From yelp_kafka: `discovery.get_consumer_config`.
    ///
    /// ```no_run
    /// use kafkavisor::config::Reset;
    /// use kafkavisor::discovery::Discovery;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let config = Discovery::new("billing")
    ///     .consumer_config("standard", "services.billing")?
    ///     .auto_offset_reset(Reset::Earliest)
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "get_consumer_config")]
    pub fn consumer_config(&self, cluster_type: &str, group_id: &str) -> Result<Builder, DiscoveryError> {
        let cluster = self.region_cluster(cluster_type, None)?;
        Ok(KafkaConsumerConfig::builder(group_id, cluster).client_id(self.client_id()))
    }
}
