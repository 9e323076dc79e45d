//! Where offsets are kept, by name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Where a group's offsets are kept: yelp_kafka's `offset_storage`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OffsetStorage {
    /// In Kafka.
    Kafka,
    /// In ZooKeeper's classic layout: `/consumers/<group>/offsets/<topic>/<partition>`, decimal text.
    Zookeeper,
    /// In both. Kafka's are read where there are any; the library's functions only write there.
    Dual,
}

/// All of them, by name.
pub(crate) const STORAGES: &[(&str, OffsetStorage)] = &[
    ("kafka", OffsetStorage::Kafka),
    ("zookeeper", OffsetStorage::Zookeeper),
    ("dual", OffsetStorage::Dual),
];

/// A place where offsets can't be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOffsetStorageError {
    /// No such word.
    #[error("{given:?} is no storage of offsets: write zookeeper, kafka or dual")]
    Unknown {
        /// As given.
        given: String,
    },
    /// As in the original, two places are written and not read.
    #[error("offsets are read from one place: ask for zookeeper or kafka instead of dual")]
    ReadingBoth,
    /// The cluster has no ZooKeeper.
    #[error("offsets in ZooKeeper need its address, and the cluster is named without one")]
    WithoutZookeeper,
}

impl FromStr for OffsetStorage {
    type Err = InvalidOffsetStorageError;

    fn from_str(text: &str) -> Result<Self, InvalidOffsetStorageError> {
        let named = STORAGES.iter().find(|(name, _)| *name == text);
        let unknown = || InvalidOffsetStorageError::Unknown { given: text.to_owned() };
        named.map(|(_, storage)| *storage).ok_or_else(unknown)
    }
}

impl fmt::Display for OffsetStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = STORAGES.iter().find(|(_, storage)| storage == self).map_or("", |(name, _)| name);
        f.write_str(name)
    }
}

impl OffsetStorage {
    /// One place.
    #[cfg(feature = "offsets")]
    pub(crate) fn for_reading(self) -> Result<Self, InvalidOffsetStorageError> {
        match self {
            Self::Kafka | Self::Zookeeper => Ok(self),
            Self::Dual => Err(InvalidOffsetStorageError::ReadingBoth),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn storages_read_as_they_are_written() {
        for (name, storage) in STORAGES {
            assert_eq!((storage.to_string().as_str(), name.parse()), (*name, Ok(*storage)));
        }
        for other in ["", "Kafka", "both", "random_storage"] {
            let error = other.parse::<OffsetStorage>().unwrap_err().to_string();
            assert!(error.contains("zookeeper, kafka or dual"), "{error}");
        }
    }

    #[cfg(feature = "offsets")]
    #[test]
    fn both_are_written_and_not_read() {
        assert_eq!(OffsetStorage::Dual.for_reading(), Err(InvalidOffsetStorageError::ReadingBoth));
        assert_eq!(OffsetStorage::Kafka.for_reading(), Ok(OffsetStorage::Kafka));
    }
}
