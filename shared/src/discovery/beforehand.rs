//! What is found out about a cluster before the service is asked, by looking at files alone.

use super::Wanted;
use super::client::Discovery;
use super::errors::DiscoveryError;
use crate::cluster_config::ClusterConfig;

impl Discovery {
    /// Whatever [`Self::region_cluster`] would find wrong before it asks the service: which region, and where the service is.
    pub fn look_for_region_cluster(
        &self,
        cluster_type: &str,
        region: Option<&str>,
    ) -> Result<(), DiscoveryError> {
        let region = self.region_of_cluster(cluster_type, region)?;
        self.service(&Wanted::RegionCluster { cluster_type, region: &region }).map(drop)
    }

    /// The same for [`Self::superregion_cluster`].
    pub fn look_for_superregion_cluster(
        &self,
        cluster_type: &str,
        superregion: Option<&str>,
    ) -> Result<(), DiscoveryError> {
        let superregion = self.superregion_of_cluster(cluster_type, superregion)?;
        self.service(&Wanted::SuperregionCluster { cluster_type, superregion: &superregion }).map(drop)
    }

    /// The same for [`Self::kafka_cluster`]; where no service is configured, the cluster that the topology file has.
    pub fn look_for_kafka_cluster(
        &self,
        cluster_type: &str,
        name: &str,
    ) -> Result<Option<ClusterConfig>, DiscoveryError> {
        let wanted = Wanted::NamedCluster { cluster_type, name };
        match self.without_service(&wanted)? {
            None => Ok(None),
            Some(why) => {
                self.topology_instead(why, cluster_type, |topology| topology.cluster_by_name(name)).map(Some)
            }
        }
    }
}
