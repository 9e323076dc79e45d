//! Whom to ask for clusters that are not named by their brokers: `discovery`, and the forms of `cluster` that need it.
//!
//! Everything has yelp_kafka's default, so the section is seldom there. Nothing is asked here, and no file is read.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::address::host_port;
use super::document::shown;
use super::errors::Problems;
use super::reader::{Field, Section, Setting};
use crate::text::without_secrets;

const KEYS: &[&str] = &["url", "services", "topology", "region", "superregion"];
const TOPOLOGY: &str = "a list of folders such as [/nail/etc/kafka_discovery]";
const URL: &str = "an address such as http://127.0.0.1:8888";

/// Whom to ask for clusters, topics and logs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Discovery {
    /// The service's root, `http://host:port`; without it, the service that `services` names is asked.
    pub url: Option<String>,
    /// The file that names host and port of the service, under `kafka_discovery.main`.
    pub services: PathBuf,
    /// Folders of topology files, the first one that has a type's file wins.
    pub topology: Vec<PathBuf>,
    /// The file that holds the name of the local region.
    pub region: PathBuf,
    /// The file that holds the name of the local superregion.
    pub superregion: PathBuf,
}

impl Default for Discovery {
    fn default() -> Self {
        Self {
            url: None,
            services: "/nail/etc/services/services.yaml".into(),
            topology: vec![
                "/nail/srv/configs/kafka_discovery_configs".into(),
                "/nail/etc/kafka_discovery".into(),
            ],
            region: "/nail/etc/region".into(),
            superregion: "/nail/etc/superregion".into(),
        }
    }
}

/// A cluster that is to be found by discovery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterQuery {
    /// What the cluster is for: `standard`, `scribe`, ...
    pub cluster_type: String,
    /// Which of that type.
    pub which: WhichCluster,
}

/// Which cluster of its type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WhichCluster {
    /// The one of this region; without a name, of the local region.
    Region(Option<String>),
    /// The one of this superregion.
    Superregion(String),
    /// The one of this name.
    Name(String),
}

impl fmt::Display for ClusterQuery {
    /// For messages: `type standard, region uswest2`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "type {}, ", self.cluster_type)?;
        match &self.which {
            WhichCluster::Region(None) => f.write_str("the local region"),
            WhichCluster::Region(Some(region)) => write!(f, "region {region}"),
            WhichCluster::Superregion(superregion) => write!(f, "superregion {superregion}"),
            WhichCluster::Name(name) => write!(f, "name {name}"),
        }
    }
}

pub(super) fn read(root: &Section<'_>, p: &mut Problems) -> Discovery {
    let section = root.section("discovery", KEYS, p);
    let default = Discovery::default();
    let url = section.get("url").and_then(|field| field.parsed(URL, service_url, p));
    let mut path = |key: &str, default: PathBuf| {
        let path = section.get(key).and_then(|field| field.parsed("a path", self::path, p));
        path.unwrap_or(default)
    };
    Discovery {
        url,
        services: path("services", default.services),
        region: path("region", default.region),
        superregion: path("superregion", default.superregion),
        topology: section.get("topology").and_then(|field| topology(field, p)).unwrap_or(default.topology),
    }
}

/// Folders, in their order; none at all means that no topology file is looked at.
fn topology(field: &Field<'_>, p: &mut Problems) -> Option<Vec<PathBuf>> {
    let items = field.list(TOPOLOGY, p)?;
    Some(items.iter().filter_map(|item| item.parsed("a path", path, p)).collect())
}

fn path(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() || text.contains('\0') {
        return Err(format!("expected a path, found {:?}", shown(text)));
    }
    Ok(text.into())
}

/// Checks the address of a service: `http://HOST[:PORT][/PATH]`.
pub(super) fn service_url(text: &str) -> Result<String, String> {
    let wrong = |why: &str| format!("expected {URL}, found {:?}{why}", shown(&without_secrets(text)));
    if text.starts_with("https://") {
        return Err(wrong(": it is asked without TLS, over http"));
    }
    web_url(text, URL)
}

/// Checks the address of what is below `http://HOST[:PORT][/PATH]`, or the same with `https`; `expected` in words.
pub(super) fn web_url(text: &str, expected: &str) -> Result<String, String> {
    let wrong = |why: &str| format!("expected {expected}, found {:?}{why}", shown(&without_secrets(text)));
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    let rest = rest.ok_or_else(|| wrong(""))?;
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let plain = |c: char| {
        c.is_ascii_graphic() && !matches!(c, '?' | '#' | '"' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}')
    };
    if host.contains('@') {
        return Err(wrong(": it is asked without name and password"));
    }
    if !path.chars().all(plain) {
        return Err(wrong(": it ends with its path"));
    }
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
    let whole = if has_port { host.to_owned() } else { format!("{host}:80") };
    host_port(&whole).map_err(|error| wrong(&format!(": {error}")))?;
    Ok(text.trim_end_matches('/').to_owned())
}

/// The keys of `cluster` that say which of its type it is.
const WAYS: &[&str] = &["region", "superregion", "name"];

/// The cluster that `type` and its like ask for, if any of them is there.
pub(super) fn query(cluster: &Section<'_>, p: &mut Problems) -> Option<Setting<ClusterQuery>> {
    let cluster_type = cluster.get("type");
    let ways: Vec<(&str, &Field<'_>)> =
        WAYS.iter().filter_map(|key| Some((*key, cluster.get(key)?))).collect();
    let place = cluster_type.or(ways.first().map(|(_, field)| *field))?.key;
    Some(Setting { place, value: one_query(cluster_type, &ways, p) })
}

fn one_query(
    cluster_type: Option<&Field<'_>>,
    ways: &[(&str, &Field<'_>)],
    p: &mut Problems,
) -> Option<ClusterQuery> {
    let mut read = |field: &Field<'_>| field.parsed("a name", name, p);
    let known = cluster_type.and_then(&mut read);
    let which: Vec<_> = ways.iter().map(|(key, field)| Some(which(key, read(field)?))).collect();
    if let [(first, _), .., (last, field)] = ways {
        let message =
            format!("`cluster.{last}` beside `cluster.{first}`: a cluster is found by one of them; keep one");
        p.at(field.key, message);
        return None;
    }
    if let (None, Some((key, field))) = (cluster_type, ways.first()) {
        let message =
            format!("`cluster.{key}` needs `cluster.type`: add the cluster's type, such as `type: standard`");
        p.at(field.key, message);
    }
    let which = which.into_iter().next().unwrap_or(Some(WhichCluster::Region(None)))?;
    Some(ClusterQuery { cluster_type: known?, which })
}

fn which(key: &str, value: String) -> WhichCluster {
    match key {
        "region" => WhichCluster::Region(Some(value)),
        "superregion" => WhichCluster::Superregion(value),
        _ => WhichCluster::Name(value),
    }
}

/// A name as discovery has them: anything but blanks and control characters.
fn name(text: &str) -> Result<String, String> {
    if text.is_empty() || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(format!("expected a name, found {:?}", shown(text)));
    }
    Ok(text.to_owned())
}
