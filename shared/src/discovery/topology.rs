//! Topology files: the second source, which knows the clusters of a type without any service.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use kafkavisor_types::text::named;
use serde_json::Value;

use super::answers;
use super::errors::{ConfigurationError, DiscoveryError};
use super::files::{read_yaml, wrong};
use crate::cluster_config::ClusterConfig;

/// Where topology files stand: in the first of these that has one of the type.
pub const DEFAULT_TOPOLOGY: [&str; 2] =
    ["/nail/srv/configs/kafka_discovery_configs", "/nail/etc/kafka_discovery"];

const REMEDY: &str = "write `clusters: {NAME: {broker_list: [HOST:PORT], zookeeper: HOST:PORT}}` and `local_config: {cluster: NAME}`";

/// The clusters of one type, as the file `<type>.yaml` has them. From yelp_kafka: `config.TopologyConfiguration`.
///
/// ```
/// use kafkavisor::discovery::TopologyConfiguration;
///
/// let folder = tempfile::tempdir()?;
/// std::fs::write(folder.path().join("standard.yaml"), "
/// clusters:
///   uswest1-devc: {broker_list: ['k1:9092', 'k2:9092'], zookeeper: 'zk1:2181/kafka'}
/// local_config: {cluster: uswest1-devc}
/// ")?;
/// let topology = TopologyConfiguration::load("standard", &[folder.path()])?;
/// assert_eq!(topology.local_cluster()?.broker_list, ["k1:9092", "k2:9092"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct TopologyConfiguration {
    cluster_type: String,
    file: PathBuf,
    clusters: BTreeMap<String, ClusterConfig>,
    local: Local,
}

/// `local_config`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Local {
    cluster: Option<String>,
    prefix: Option<String>,
}

/// Two are equal when they say the same, wherever they stand.
impl PartialEq for TopologyConfiguration {
    fn eq(&self, other: &Self) -> bool {
        (&self.cluster_type, &self.clusters, &self.local)
            == (&other.cluster_type, &other.clusters, &other.local)
    }
}

impl Eq for TopologyConfiguration {}

impl TopologyConfiguration {
    /// Reads `<cluster_type>.yaml` in the first of `folders` that has it; [`DEFAULT_TOPOLOGY`] names the usual ones.
    ///
    /// Fails when none has it, or when it is malformed: both `clusters` and `local_config` must be there.
    pub fn load<P: AsRef<Path>>(cluster_type: &str, folders: &[P]) -> Result<Self, DiscoveryError> {
        let wanted = || format!("the topology of clusters of type {cluster_type:?}");
        let configuration = |error| DiscoveryError::Configuration { wanted: wanted(), error };
        if let Some(found) = Self::find(cluster_type, folders)? {
            return Ok(found);
        }
        let tried: Vec<String> = folders.iter().map(|folder| named(folder.as_ref().display())).collect();
        let name = PathBuf::from(format!("{cluster_type}.yaml"));
        let problem = format!("there is no such topology file in {}", tried.join(", "));
        Err(configuration(wrong(&name, problem, "check the type and the folders")))
    }

    /// As [`Self::load`]; none where no folder has the file.
    pub(super) fn find<P: AsRef<Path>>(
        cluster_type: &str,
        folders: &[P],
    ) -> Result<Option<Self>, DiscoveryError> {
        if cluster_type.is_empty() || cluster_type.contains(['/', '\0']) {
            return Err(DiscoveryError::InvalidClusterType {
                cluster_type: cluster_type.to_owned(),
                answer: "it can't be the name of a topology file".to_owned(),
            });
        }
        for folder in folders {
            let file = folder.as_ref().join(format!("{cluster_type}.yaml"));
            let read = read_yaml(&file)
                .and_then(|found| found.map(|value| Self::of(cluster_type, &file, &value)).transpose());
            let read = read.map_err(|error| DiscoveryError::Configuration {
                wanted: format!("the topology of clusters of type {cluster_type:?}"),
                error,
            })?;
            if read.is_some() {
                return Ok(read);
            }
        }
        Ok(None)
    }

    fn of(cluster_type: &str, file: &Path, value: &Value) -> Result<Self, ConfigurationError> {
        let malformed = |what: String| wrong(file, what, REMEDY);
        let Some(Value::Object(clusters)) = value.get("clusters") else {
            return Err(malformed(expected("clusters", "a map of clusters by name", value)));
        };
        let cluster = |(name, cluster): (&String, &Value)| {
            let read = answers::placed_cluster(cluster_type, name, cluster);
            read.map(|read| (name.clone(), read))
                .map_err(|what| malformed(format!("`clusters.{name}`: {what}")))
        };
        let clusters = clusters.iter().map(cluster).collect::<Result<_, _>>()?;
        let local = match value.get("local_config") {
            Some(local @ Value::Object(_)) => Local {
                cluster: text(local, "cluster").map_err(malformed)?,
                prefix: text(local, "prefix").map_err(malformed)?,
            },
            Some(Value::Null) => Local::default(),
            _ => return Err(malformed(expected("local_config", "a map", value))),
        };
        Ok(Self { cluster_type: cluster_type.to_owned(), file: file.to_owned(), clusters, local })
    }

    /// All clusters, by name. From yelp_kafka: `get_all_clusters`.
    pub fn all_clusters(&self) -> Vec<ClusterConfig> {
        self.clusters.values().cloned().collect()
    }

    /// The cluster of that name. From yelp_kafka: `get_cluster_by_name`.
    pub fn cluster_by_name(&self, name: &str) -> Result<ClusterConfig, DiscoveryError> {
        self.clusters.get(name).cloned().ok_or_else(|| DiscoveryError::InvalidClusterTypeOrName {
            cluster_type: self.cluster_type.clone(),
            name: name.to_owned(),
            answer: format!("{} has {}", named(self.file.display()), self.names()),
        })
    }

    /// The cluster that `local_config` names. From yelp_kafka: `get_local_cluster`.
    pub fn local_cluster(&self) -> Result<ClusterConfig, DiscoveryError> {
        let wrong = |problem: String| DiscoveryError::Configuration {
            wanted: format!("the local cluster of type {:?}", self.cluster_type),
            error: wrong(&self.file, problem, REMEDY),
        };
        let name = self
            .local
            .cluster
            .as_ref()
            .ok_or_else(|| wrong("`local_config` names no `cluster`".to_owned()))?;
        let found = self.clusters.get(name).cloned();
        found.ok_or_else(|| {
            wrong(format!("`local_config.cluster` is {name:?}, but there is {}", self.names()))
        })
    }

    /// What local scribe topics begin with, where the file says it. From yelp_kafka: `get_scribe_local_prefix`.
    pub fn scribe_local_prefix(&self) -> Option<&str> {
        self.local.prefix.as_deref()
    }

    /// The file that was read.
    pub fn file(&self) -> &Path {
        &self.file
    }

    fn names(&self) -> String {
        if self.clusters.is_empty() {
            return "no clusters".to_owned();
        }
        self.clusters.keys().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")
    }
}

fn expected(key: &str, what: &str, file: &Value) -> String {
    match file.get(key) {
        None if file.is_null() => "is empty".to_owned(),
        None => format!("has no `{key}`"),
        Some(found) => format!("`{key}`: expected {what}, found {}", answers::found(found)),
    }
}

fn text(local: &Value, key: &str) -> Result<Option<String>, String> {
    match local.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(format!("`local_config.{key}`: expected a text, found {}", answers::found(other))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RIGHT: &str = "
clusters:
  cluster1:
    broker_list: ['k1:9092', 'k2:9092']
    zookeeper: zk1:2181,zk2:2181/kafka
  cluster2: {broker_list: 'k3:9092,k4:9092', zookeeper: 'zk3:2181'}
local_config:
  cluster: cluster1
  prefix: my.prefix.
";

    fn load(text: &str) -> Result<TopologyConfiguration, DiscoveryError> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("standard.yaml"), text).unwrap();
        TopologyConfiguration::load("standard", &[folder.path()])
    }

    #[test]
    fn a_file_tells_all_clusters_one_by_name_the_local_one_and_the_prefix() {
        let topology = load(RIGHT).unwrap();
        let one = ClusterConfig::new("standard", "cluster1", "k1:9092,k2:9092", "zk1:2181,zk2:2181/kafka");
        let two = ClusterConfig::new("standard", "cluster2", ["k3:9092", "k4:9092"], "zk3:2181");
        assert_eq!(topology.all_clusters(), [one.clone(), two.clone()]);
        assert_eq!(topology.cluster_by_name("cluster2"), Ok(two));
        assert_eq!(topology.local_cluster(), Ok(one));
        assert_eq!(topology.scribe_local_prefix(), Some("my.prefix."));
        assert_eq!(topology, load(RIGHT).unwrap());
        assert_ne!(topology, load(&RIGHT.replace("k3", "k5")).unwrap());
        let error = topology.cluster_by_name("cluster3").unwrap_err().to_string();
        assert!(
            error.contains("\"cluster3\"") && error.contains("has \"cluster1\", \"cluster2\""),
            "{error}"
        );
    }

    #[test]
    fn the_first_folder_that_has_the_type_counts() {
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(second.path().join("standard.yaml"), RIGHT).unwrap();
        let folders = [first.path(), second.path()];
        assert_eq!(
            TopologyConfiguration::load("standard", &folders).unwrap().file(),
            second.path().join("standard.yaml")
        );
        std::fs::write(first.path().join("standard.yaml"), RIGHT.replace("cluster2", "other")).unwrap();
        assert!(TopologyConfiguration::load("standard", &folders).unwrap().cluster_by_name("other").is_ok());
    }

    #[test]
    fn a_missing_file_is_named_with_the_folders() {
        let error = TopologyConfiguration::load("scribe", &DEFAULT_TOPOLOGY).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, DiscoveryError::Configuration { .. }));
        for says in ["scribe.yaml", DEFAULT_TOPOLOGY[0], DEFAULT_TOPOLOGY[1], "check the type"] {
            assert!(text.contains(says), "{text}");
        }
        assert!(TopologyConfiguration::load("../standard", &DEFAULT_TOPOLOGY).is_err());
    }

    #[test]
    fn a_malformed_file_is_named_with_what_is_wrong() {
        for (text, says) in [
            ("", "is empty"),
            ("clusters: {}", "has no `local_config`"),
            ("local_config: {}", "has no `clusters`"),
            (
                "clusters: [a]\nlocal_config: {}",
                "`clusters`: expected a map of clusters by name, found a list",
            ),
            ("clusters:\nlocal_config: {}", "`clusters`: expected a map of clusters by name, found null"),
            ("clusters: {a: 7}\nlocal_config: {}", "`clusters.a`: expected a cluster"),
            ("clusters: {a: {zookeeper: z}}\nlocal_config: {}", "`clusters.a`: has no `broker_list`"),
            (
                "clusters: {a: {broker_list: 7, zookeeper: z}}\nlocal_config: {}",
                "`clusters.a`: `broker_list`",
            ),
            ("clusters: {a: {broker_list: [k], zookeeper: }}\nlocal_config: {}", "`zookeeper`"),
            ("clusters: {}\nlocal_config: 7", "`local_config`: expected a map, found 7"),
            ("clusters: {}\nlocal_config: {prefix: 7}", "`local_config.prefix`: expected a text"),
            ("text", "has no `clusters`"),
            ("a: [", "not valid YAML"),
        ] {
            let error = load(text).unwrap_err();
            assert!(matches!(error, DiscoveryError::Configuration { .. }), "{text}: {error:?}");
            let error = error.to_string();
            assert!(error.contains(says) && error.contains("standard.yaml"), "{text}: {error}");
        }
    }

    #[test]
    fn a_local_cluster_that_is_not_there_is_said() {
        for (text, says) in [
            (RIGHT.replace("cluster: cluster1", "cluster: other"), "is \"other\", but there is \"cluster1\""),
            (RIGHT.replace("  cluster: cluster1\n", ""), "names no `cluster`"),
            ("clusters: {}\nlocal_config: {cluster: a}".to_owned(), "no clusters"),
        ] {
            let error = load(&text).unwrap().local_cluster().unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
