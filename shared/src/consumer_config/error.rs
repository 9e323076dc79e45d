//! What can be wrong with a consumer's configuration, and what should be changed in it.

use std::fmt;

use crate::ids::InvalidName;

/// Why a consumer can't be configured so. From yelp_kafka: `yelp_kafka.error.ConfigurationError`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigurationError {
    /// The group's name can't be one.
    #[error("group_id: {0}")]
    GroupId(#[from] InvalidName),
    /// There is no such option.
    #[error("unknown option {option:?}; {hint}")]
    UnknownOption {
        /// As given.
        option: String,
        /// The option that was probably meant.
        hint: String,
    },
    /// The option can't have this value.
    #[error("{option}: expected {expected}, found {found}")]
    Value {
        /// The option, by the name it was given under.
        option: &'static str,
        /// What it may be.
        expected: String,
        /// What it was, as JSON, cut short.
        found: String,
    },
}

/// An option was given under the name that it had before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deprecated {
    /// The old name.
    pub old: &'static str,
    /// The name to use.
    pub new: &'static str,
    /// Whether its value is used; it is not where there is one under the new name.
    pub used: bool,
}

impl fmt::Display for Deprecated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { old, new, used } = self;
        if *used {
            write!(f, "`{old}` is deprecated: use `{new}` instead")
        } else {
            write!(f, "`{old}` is deprecated, and not used beside `{new}`: remove it")
        }
    }
}
