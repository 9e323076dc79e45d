//! Where offsets are kept, by name.

use std::fmt;
use std::str::FromStr;

/// Where a group's offsets are kept: yelp_kafka's `offset_storage`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetStorage {
    /// In Kafka.
    Kafka,
    /// In ZooKeeper's classic layout: `/consumers/<group>/offsets/<topic>/<partition>`, decimal text.
    Zookeeper,
    /// In both. Only for writing.
    Dual,
}

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
        match text {
            "kafka" => Ok(Self::Kafka),
            "zookeeper" => Ok(Self::Zookeeper),
            "dual" => Ok(Self::Dual),
            other => Err(InvalidOffsetStorageError::Unknown { given: other.to_owned() }),
        }
    }
}

impl fmt::Display for OffsetStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kafka => "kafka",
            Self::Zookeeper => "zookeeper",
            Self::Dual => "dual",
        })
    }
}

impl OffsetStorage {
    /// One place.
    pub(super) fn for_reading(self) -> Result<Self, InvalidOffsetStorageError> {
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
        for storage in [OffsetStorage::Kafka, OffsetStorage::Zookeeper, OffsetStorage::Dual] {
            assert_eq!(storage.to_string().parse(), Ok(storage));
        }
        for other in ["", "Kafka", "both", "random_storage"] {
            let error = other.parse::<OffsetStorage>().unwrap_err().to_string();
            assert!(error.contains("zookeeper, kafka or dual"), "{error}");
        }
    }

    #[test]
    fn both_are_written_and_not_read() {
        assert_eq!(OffsetStorage::Dual.for_reading(), Err(InvalidOffsetStorageError::ReadingBoth));
        assert_eq!(OffsetStorage::Kafka.for_reading(), Ok(OffsetStorage::Kafka));
    }
}
