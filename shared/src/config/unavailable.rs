//! Parts of the contract that this version does not have yet: recognised, so that they are not called unknown, and refused.
//!
//! Deleting a row from a table makes the part available where its value is read already.

use super::errors::{Place, Problems};

/// Keys, with the one value that is meant where others are fine.
const NOT_YET: &[(&str, Option<&str>)] = &[
    ("admin.details", None),
    ("admin.hosts", None),
    ("admin.http", None),
    ("assignment.mode", Some("kafka")),
    ("cluster.zookeeper_auth", None),
    ("cluster.zookeeper_tls", None),
    ("handler.null_keys", None),
    ("handler.order", None),
    ("handler.processes", None),
    ("handler.protocol", Some("kcl")),
    ("handler.rate", None),
    ("handler.retry", None),
    ("metrics", None),
    ("metrics.per_partition", None),
    ("oauth", None),
];

/// What begins the names of librdkafka's TLS and SASL properties.
const SECURITY: &[&str] = &["enable.sasl.", "enable.ssl.", "https.", "sasl.", "security.protocol", "ssl."];

/// Refuses the key `path` where it is in the table without a value; says whether it did.
pub(super) fn refuse_key(path: &str, place: Place, problems: &mut Problems) -> bool {
    let refused = NOT_YET.contains(&(path, None));
    if refused {
        let message = match place {
            Place::Flag(_) => "not available yet in this version; leave it out".to_owned(),
            Place::File { .. } | Place::WholeFile | Place::Nowhere => {
                format!("`{path}` is not available yet in this version; remove it")
            }
        };
        problems.at(place, message);
    }
    refused
}

/// Refuses `value` of the key `path` where it is in the table; says whether it did.
pub(super) fn refuse_value(path: &str, value: &str, place: Place, problems: &mut Problems) -> bool {
    let refused = NOT_YET.contains(&(path, Some(value)));
    if refused {
        let message = match place {
            Place::Flag(_) => format!("`{value}` is not available yet in this version; use another"),
            Place::File { .. } | Place::WholeFile | Place::Nowhere => {
                format!("`{path}: {value}` is not available yet in this version; use another or remove it")
            }
        };
        problems.at(place, message);
    }
    refused
}

/// Why a librdkafka property can't be used yet.
pub(super) fn kafka_property(name: &str) -> Option<&'static str> {
    let security = SECURITY.iter().any(|start| name.starts_with(start));
    security.then_some("TLS and SASL are not available yet in this version; remove it")
}
