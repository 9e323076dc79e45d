//! Parts of the contract that this version does not have yet: recognised, so that they are not called unknown, and refused.
//!
//! Deleting a row from a table makes the part available where its value is read already.

use super::errors::{Place, Problems};

/// Keys, with the one value that is meant where others are fine.
const NOT_YET: &[(&str, Option<&str>)] = &[
    ("assignment.mode", Some("kafka")),
    ("handler.null_keys", None),
    ("handler.order", None),
    ("handler.processes", None),
    ("handler.protocol", Some("kcl")),
    ("handler.rate", None),
    ("handler.retry", None),
];

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
