//! What the service's answers mean: clusters, names, logs. An answer of another shape says what was expected where.

use serde_json::Value;

use crate::cluster_config::{BrokerList, ClusterConfig};
use crate::ids::Topic;

use super::ClusterTopics;

/// A value in few words, for "expected ..., found ...".
pub(super) fn found(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => {
            format!("the text {:?}", kafkavisor_types::text::bounded(text.as_bytes(), text.len(), 100))
        }
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

/// A cluster: `name`, `type`, `broker_list`, `zookeeper`. From yelp_kafka: `parse_as_cluster_config`.
pub(super) fn cluster(answer: &Value) -> Result<ClusterConfig, String> {
    if !answer.is_object() {
        return Err(format!("expected a cluster, found {}", found(answer)));
    }
    placed_cluster(text(answer, "type")?, text(answer, "name")?, answer)
}

/// A cluster whose type and name are said elsewhere.
pub(super) fn placed_cluster(cluster_type: &str, name: &str, value: &Value) -> Result<ClusterConfig, String> {
    if !value.is_object() {
        return Err(format!("expected a cluster with `broker_list` and `zookeeper`, found {}", found(value)));
    }
    let brokers = brokers(value)?;
    let cluster = ClusterConfig::new(cluster_type, name, brokers, text(value, "zookeeper")?);
    if cluster.broker_list.is_empty() {
        return Err("`broker_list` names no broker".to_owned());
    }
    Ok(cluster)
}

fn brokers(cluster: &Value) -> Result<BrokerList, String> {
    const WHAT: &str = "expected a list of brokers, or a text with commas between them";
    let wrong = |value: &Value| format!("`broker_list`: {WHAT}, found {}", found(value));
    match cluster.get("broker_list") {
        None => Err("has no `broker_list`".to_owned()),
        Some(Value::String(text)) => Ok(BrokerList::from(text.as_str())),
        Some(Value::Array(items)) => {
            let broker = |item: &Value| {
                let broker = item.as_str().map(str::to_owned);
                broker.ok_or_else(|| format!("{} in it", wrong(item)))
            };
            Ok(BrokerList::from(items.iter().map(broker).collect::<Result<Vec<String>, String>>()?))
        }
        Some(other) => Err(wrong(other)),
    }
}

/// A list of names: of clusters, of regions.
pub(super) fn names(answer: &Value) -> Result<Vec<String>, String> {
    let Value::Array(items) = answer else {
        return Err(format!("expected a list of names, found {}", found(answer)));
    };
    let name = |(at, item): (usize, &Value)| {
        let name = item.as_str().map(str::to_owned);
        name.ok_or_else(|| format!("[{at}]: expected a name, found {}", found(item)))
    };
    items.iter().enumerate().map(name).collect()
}

/// The topics of all logs, grouped by cluster, in the order in which clusters and topics come. From yelp_kafka:
/// `parse_as_logs_topics`; a topic that several logs name is there once.
pub(super) fn logs(answer: &Value) -> Result<Vec<ClusterTopics>, String> {
    let Value::Array(logs) = answer else {
        return Err(format!("expected a list of logs, found {}", found(answer)));
    };
    let mut grouped: Vec<ClusterTopics> = Vec::new();
    for (at, log) in logs.iter().enumerate() {
        let inside = |what: String| format!("[{at}]: {what}");
        let topics = match log.get("topics") {
            Some(Value::Array(topics)) => topics,
            Some(other) => return Err(inside(format!("`topics`: expected a list, found {}", found(other)))),
            None => return Err(inside("has no `topics`".to_owned())),
        };
        for (number, topic) in topics.iter().enumerate() {
            let inside = |what: String| inside(format!("`topics[{number}]`: {what}"));
            let (topic, cluster) = log_topic(topic).map_err(inside)?;
            match grouped.iter_mut().find(|group| group.cluster == cluster) {
                Some(group) if group.topics.contains(&topic) => {}
                Some(group) => group.topics.push(topic),
                None => grouped.push(ClusterTopics { cluster, topics: vec![topic] }),
            }
        }
    }
    Ok(grouped)
}

fn log_topic(value: &Value) -> Result<(Topic, ClusterConfig), String> {
    let topic = Topic::new(text(value, "topic")?).map_err(|error| format!("`topic`: {error}"))?;
    let cluster = match value.get("cluster") {
        Some(value) => cluster(value).map_err(|what| format!("`cluster`: {what}"))?,
        None => return Err("has no `cluster`".to_owned()),
    };
    Ok((topic, cluster))
}

fn text<'a>(value: &'a Value, key: &str) -> Result<&'a str, String> {
    match value.get(key) {
        Some(Value::String(text)) => Ok(text),
        Some(other) => Err(format!("`{key}`: expected a text, found {}", found(other))),
        None => Err(format!("has no `{key}`")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn one() -> Value {
        json!({"type": "type1", "name": "cluster1", "broker_list": ["mybroker"], "zookeeper": "zk_hosts/kafka"})
    }

    #[test]
    fn brokers_may_be_a_list_or_a_text() {
        for brokers in [json!(["k1:9092", "k2:9092"]), json!("k1:9092,k2:9092"), json!(" k1:9092, k2:9092,")]
        {
            let mut answer = one();
            answer["broker_list"] = brokers;
            assert_eq!(cluster(&answer).unwrap().broker_list, ["k1:9092", "k2:9092"]);
        }
        assert_eq!(
            cluster(&one()),
            Ok(ClusterConfig::new("type1", "cluster1", ["mybroker"], "zk_hosts/kafka"))
        );
    }

    #[test]
    fn a_cluster_of_another_shape_says_what_was_expected() {
        for (key, value, says) in [
            ("broker_list", Some(json!(null)), "`broker_list`: expected a list of brokers, or a text"),
            ("broker_list", Some(json!([])), "names no broker"),
            ("broker_list", Some(json!(", ")), "names no broker"),
            ("broker_list", Some(json!([7])), "found 7 in it"),
            ("broker_list", None, "has no `broker_list`"),
            ("zookeeper", None, "has no `zookeeper`"),
            ("zookeeper", Some(json!(null)), "`zookeeper`: expected a text, found null"),
            ("name", Some(json!({})), "`name`: expected a text, found an object"),
            ("type", None, "has no `type`"),
        ] {
            let mut answer = one();
            match value {
                Some(value) => answer[key] = value,
                None => drop(answer.as_object_mut().unwrap().remove(key)),
            }
            let error = cluster(&answer).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
        for answer in [json!(null), json!([]), json!("x")] {
            assert!(cluster(&answer).unwrap_err().contains("expected a cluster"));
        }
    }

    #[test]
    fn names_are_a_list_of_texts() {
        assert_eq!(names(&json!(["a", "b"])), Ok(vec!["a".to_owned(), "b".to_owned()]));
        assert!(names(&json!({"names": []})).unwrap_err().contains("found an object"));
        assert_eq!(names(&json!(["a", 7])), Err("[1]: expected a name, found 7".to_owned()));
    }

    #[test]
    fn topics_are_grouped_by_cluster_each_once() {
        let two = json!({"type": "type1", "name": "cluster2", "broker_list": "mybroker2", "zookeeper": "zk"});
        let log = |topics: Value| json!({"name": "n", "region": "r", "superregion": "s", "topics": topics});
        let answer = json!([
            log(
                json!([{"topic": "a.b.stream1", "cluster": one()}, {"topic": "a.c.stream1", "cluster": two}])
            ),
            log(
                json!([{"topic": "a.b.stream2", "cluster": one()}, {"topic": "a.b.stream1", "cluster": one()}])
            ),
            log(json!([])),
        ]);
        let grouped = logs(&answer).unwrap();
        let names = |group: &ClusterTopics| {
            (
                group.cluster.name.clone(),
                group.topics.iter().map(|topic| topic.as_str().to_owned()).collect::<Vec<_>>(),
            )
        };
        assert_eq!(
            grouped.iter().map(names).collect::<Vec<_>>(),
            [
                ("cluster1".to_owned(), vec!["a.b.stream1".to_owned(), "a.b.stream2".to_owned()]),
                ("cluster2".to_owned(), vec!["a.c.stream1".to_owned()])
            ]
        );
        assert_eq!(logs(&json!([])), Ok(vec![]));
    }

    #[test]
    fn logs_of_another_shape_say_what_was_expected_where() {
        for (answer, says) in [
            (json!({}), "expected a list of logs, found an object"),
            (json!([7]), "[0]: has no `topics`"),
            (json!([{"topics": null}]), "[0]: `topics`: expected a list, found null"),
            (json!([{"topics": [{}]}]), "[0]: `topics[0]`: has no `topic`"),
            (json!([{"topics": [{"topic": "a b", "cluster": one()}]}]), "`topic`: topic \"a b\" holds ' '"),
            (json!([{"topics": [{"topic": "t"}]}]), "[0]: `topics[0]`: has no `cluster`"),
            (json!([{"topics": [{"topic": "t", "cluster": {"type": "x"}}]}]), "`cluster`: has no `name`"),
        ] {
            let error = logs(&answer).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }
}
