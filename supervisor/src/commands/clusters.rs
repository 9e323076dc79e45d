//! `kafkavisor clusters`.

use super::discovery;
use crate::cli::ClustersArgs;
use crate::exit::{Exit, Failure};

pub(super) fn run(args: &ClustersArgs) -> Result<Exit, Failure> {
    let (discovery, _) = discovery::discovery(&args.places)?;
    let clusters = discovery::clusters(&discovery, &args.cluster_type, &args.which)?;
    let rows = clusters.iter().map(|cluster| {
        [
            cluster.cluster_type.clone(),
            cluster.name.clone(),
            cluster.broker_list.join(","),
            cluster.zookeeper.clone(),
        ]
    });
    discovery::print(args.places.json, &clusters, ["TYPE", "NAME", "BROKERS", "ZOOKEEPER"], rows)
}
