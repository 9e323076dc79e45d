//! What every client is set up with: the operator's properties, and the few that are not theirs to set.

use std::collections::BTreeMap;

use kafkavisor_types::ids::Group;
use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;

/// A broker that does not answer must not hold the next request back for a minute.
const SOCKET_TIMEOUT_MS: u64 = 10_000;

/// The properties of every client of an instance: the operator's, where the brokers are, and a few defaults of ours.
pub fn client_properties(brokers: &[String], theirs: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut properties = theirs.clone();
    properties.insert("bootstrap.servers".to_owned(), brokers.join(","));
    properties.entry("client.id".to_owned()).or_insert_with(|| "kafkavisor".to_owned());
    properties.entry("reconnect.backoff.max.ms".to_owned()).or_insert_with(|| "1000".to_owned());
    properties
}

/// A client's configuration; without a group it asks for no coordinator until it is told to.
pub fn client_config(properties: &BTreeMap<String, String>, group: Option<&Group>) -> ClientConfig {
    let mut client = ClientConfig::new();
    client.set("socket.timeout.ms", SOCKET_TIMEOUT_MS.to_string());
    for (key, value) in properties {
        client.set(key, value);
    }
    client.remove("group.id");
    if let Some(group) = group {
        client.set("group.id", group.as_str());
    }
    client.set("enable.auto.commit", "false");
    // What concerns us comes back as an error of a request; a broker that is down would fill the log otherwise.
    client.set_log_level(RDKafkaLogLevel::Critical);
    client
}

/// Why a client could not be made, in librdkafka's words alone: those of its crate hold the property's value, which may be a secret.
pub fn reason(error: &KafkaError) -> String {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the others don't come from making a client")]
    match error {
        KafkaError::ClientConfig(_, description, ..) => description.clone(),
        KafkaError::ClientCreation(description) => description.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::Clients;

    #[test]
    fn no_value_of_a_property_that_is_refused_is_said() {
        let properties = BTreeMap::from([("sasl.oauthbearer.client.secret".to_owned(), "hush".to_owned())]);
        let error = Clients::outside(&properties).unwrap_err().to_string();
        assert!(error.contains("sasl.oauthbearer.client.secret") && !error.contains("hush"), "{error}");
    }
}
