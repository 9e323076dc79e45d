//! What the stand-in says: one cluster of each type, in one region and superregion, and its logs; and others like it. Pure.

use regex::Regex;
use serde_json::{Value, json};

use super::http::{Answer, Request, error};

/// What a [`DiscoveryService`](super::DiscoveryService) serves; by default as yelp_kafka's acceptance tests expect it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// The cluster's name.
    pub cluster: String,
    /// Its brokers, each `host:port`.
    pub broker_list: Vec<String>,
    /// Its ZooKeeper, `host:port,...`, with a chroot if there is one.
    pub zookeeper: String,
    /// The types that there are; none: whichever is asked for.
    pub types: Option<Vec<String>>,
    /// Its region.
    pub region: String,
    /// Its superregion.
    pub superregion: String,
    /// The streams that have logs, as topics `scribe.<region>.<stream>` of the cluster of type `scribe`.
    pub streams: Vec<String>,
    /// More clusters, each in a region of its own; several may be in one superregion, whose logs are then in all of them.
    pub others: Vec<Served>,
}

impl Default for Served {
    fn default() -> Self {
        Self {
            cluster: "local_cluster".to_owned(),
            broker_list: vec!["kafka:9092".to_owned()],
            zookeeper: "zookeeper:2181".to_owned(),
            types: None,
            region: "acceptance_test_region".to_owned(),
            superregion: "acceptance_test_superregion".to_owned(),
            streams: vec!["ranger".to_owned()],
            others: Vec::new(),
        }
    }
}

impl Served {
    /// The answer to a request: what any of the clusters has, lists of all in one.
    pub(super) fn answer(&self, request: &Request) -> Answer {
        let others = self.others.iter().map(|other| other.answer(request));
        others.fold(self.alone(request), |one, other| match (one, other) {
            ((200, Value::Array(mut all)), (200, Value::Array(more))) => {
                all.extend(more);
                (200, Value::Array(all))
            }
            (refused, found @ (200, _)) if refused.0 != 200 => found,
            (first, _) => first,
        })
    }

    fn alone(&self, request: &Request) -> Answer {
        let path: Vec<&str> = request.path.iter().map(String::as_str).collect();
        match path.as_slice() {
            ["swagger.json"] => (200, document()),
            ["v1", "clusters", cluster_type, "region", region] => {
                self.cluster_of(cluster_type, region, &self.region, "region")
            }
            ["v1", "clusters", cluster_type, "superregion", superregion] => {
                self.cluster_of(cluster_type, superregion, &self.superregion, "superregion")
            }
            ["v1", "clusters", cluster_type, "named", name] => {
                self.cluster_of(cluster_type, name, &self.cluster, "cluster")
            }
            ["v1", "clusters", cluster_type] => {
                self.known(cluster_type).map_or_else(|refused| refused, |()| (200, json!([self.cluster])))
            }
            ["v1", "logs", "regions"] => (200, json!([self.region])),
            ["v1", "logs", "region", region] => self.logs(request, region, &self.region, "region"),
            ["v1", "logs", "superregion", superregion] => {
                self.logs(request, superregion, &self.superregion, "superregion")
            }
            _ => error(404, "nothing is here; the document is /swagger.json"),
        }
    }

    fn known(&self, cluster_type: &str) -> Result<(), Answer> {
        match &self.types {
            Some(types) if !types.iter().any(|known| known == cluster_type) => Err(error(
                404,
                &format!("unknown cluster type {cluster_type}; there are {}", types.join(", ")),
            )),
            _ => Ok(()),
        }
    }

    fn cluster_of(&self, cluster_type: &str, asked: &str, known: &str, what: &str) -> Answer {
        if let Err(refused) = self.known(cluster_type) {
            return refused;
        }
        if asked == known { (200, self.cluster(cluster_type)) } else { unknown(what, asked, known) }
    }

    fn cluster(&self, cluster_type: &str) -> Value {
        json!({"type": cluster_type, "name": self.cluster, "broker_list": self.broker_list, "zookeeper": self.zookeeper})
    }

    /// The logs whose names match from the first character on, as Python's `re.match` has it.
    fn logs(&self, request: &Request, asked: &str, known: &str, what: &str) -> Answer {
        if asked != known {
            return unknown(what, asked, known);
        }
        let given = request.query.iter().find(|(name, _)| name == "regex");
        let Some((_, pattern)) = given else { return error(400, "the parameter regex is missing") };
        let Ok(regex) = Regex::new(pattern) else { return error(400, &format!("{pattern:?} is no regex")) };
        let matches = |stream: &&String| regex.find(stream).is_some_and(|found| found.start() == 0);
        let logs: Vec<Value> = self.streams.iter().filter(matches).map(|stream| self.log(stream)).collect();
        if logs.is_empty() {
            return error(404, &format!("no log matches {pattern:?}; there are {}", self.streams.join(", ")));
        }
        (200, json!(logs))
    }

    fn log(&self, stream: &str) -> Value {
        let topic = format!("scribe.{}.{stream}", self.region);
        json!({"name": stream, "region": self.region, "superregion": self.superregion,
            "topics": [{"topic": topic, "cluster": self.cluster("scribe")}]})
    }
}

fn unknown(what: &str, asked: &str, known: &str) -> Answer {
    error(404, &format!("unknown {what} {asked}; there is {known}"))
}

/// The document that the answers follow.
fn document() -> Value {
    let parameter =
        |name: &str, place: &str| json!({"name": name, "in": place, "required": true, "type": "string"});
    let shared = |name: &str| json!({"$ref": format!("#/parameters/{name}")});
    let operation = |id: &str, names: &[&str]| {
        let parameters: Vec<Value> = names.iter().map(|name| shared(name)).collect();
        json!({"operationId": id, "tags": ["v1"], "produces": ["application/json"], "parameters": parameters,
            "responses": {"200": {"description": "found"}, "404": {"description": "unknown"}}})
    };
    let of_a_type =
        |id: &str, names: &[&str]| json!({"parameters": [shared("type")], "get": operation(id, names)});
    let plain = |id: &str, names: &[&str]| json!({"get": operation(id, names)});
    json!({
        "swagger": "2.0",
        "info": {"title": "kafka_discovery, a stand-in", "version": env!("CARGO_PKG_VERSION")},
        "basePath": "/v1",
        "paths": {
            "/clusters/{type}": of_a_type("getClustersAll", &[]),
            "/clusters/{type}/region/{region}": of_a_type("getClustersWithRegion", &["region"]),
            "/clusters/{type}/superregion/{superregion}": of_a_type("getClustersWithSuperregion", &["superregion"]),
            "/clusters/{type}/named/{kafka_cluster_name}": of_a_type("getClustersWithName", &["kafka_cluster_name"]),
            "/logs/regions": plain("getLogsRegions", &[]),
            "/logs/region/{region}": plain("getLogsForRegionWithRegex", &["region", "regex"]),
            "/logs/superregion/{superregion}": plain("getLogsForSuperregionWithRegex", &["superregion", "regex"]),
        },
        "parameters": {
            "type": parameter("type", "path"),
            "region": parameter("region", "path"),
            "superregion": parameter("superregion", "path"),
            "kafka_cluster_name": parameter("kafka_cluster_name", "path"),
            "regex": parameter("regex", "query"),
        },
    })
}
