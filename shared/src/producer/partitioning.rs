//! Which partition a key goes to, as others say it.

/// How a key chooses its partition. Whoever else produces to a topic must do it alike, or a key's messages stand in two partitions.
///
/// Both are held against what the originals were recorded to do, see `tests/fixtures/partitions`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Partitioning {
    /// As the Java client, and everything that follows it: 32 bits of murmur2 without the sign, modulo the number of partitions. Of
    /// kafka-python 0.9.5 this is the `Murmur2Partitioner`, and in later ones the default.
    #[default]
    #[doc(alias = "Murmur2Partitioner")]
    #[doc(alias = "murmur2")]
    Java,
    /// As kafka-python 0.9.5 under a Python 2 of 64 bits, which is what yelp_kafka's producers did: `hash(key) % partitions`, where
    /// Python's remainder of a negative hash is not negative. It takes a Python that does not randomise hashes, as Python 2 doesn't
    /// unless told to (`-R`, `PYTHONHASHSEED`).
    #[doc(alias = "HashedPartitioner")]
    #[doc(alias = "LegacyPartitioner")]
    KafkaPython2,
}

impl Partitioning {
    /// Which of `partitions` a key goes to, counted from 0 in the order of their numbers; none where there are none.
    ///
    /// ```
    /// use kafkavisor::producer::Partitioning;
    ///
    /// assert_eq!(Partitioning::Java.index(b"key", 12), Some(1));
    /// assert_eq!(Partitioning::KafkaPython2.index(b"key", 12), Some(2));
    /// ```
    pub fn index(self, key: &[u8], partitions: usize) -> Option<usize> {
        let count = i64::try_from(partitions).ok().filter(|count| *count > 0)?;
        let hash = match self {
            Self::Java => i64::from(murmur2(key) & i32::MAX.cast_unsigned()),
            Self::KafkaPython2 => python2_hash(key),
        };
        usize::try_from(hash.rem_euclid(count)).ok()
    }
}

/// As `org.apache.kafka.common.utils.Utils.murmur2`.
fn murmur2(key: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    let (words, rest) = key.as_chunks::<4>();
    // Java's arrays are no longer than that.
    let length = u32::try_from(key.len()).unwrap_or(u32::MAX);
    let mut hash = SEED ^ length;
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !rest.is_empty() {
        let tail = rest.iter().rev().fold(0, |tail, byte| (tail << 8) | u32::from(*byte));
        hash = (hash ^ tail).wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

/// As CPython 2.7's `hash()` of a `str`, where a `long` of C's has 64 bits.
fn python2_hash(key: &[u8]) -> i64 {
    let Some(first) = key.first() else { return 0 };
    let begin = i64::from(*first) << 7;
    let hash = key.iter().fold(begin, |hash, byte| hash.wrapping_mul(1_000_003) ^ i64::from(*byte));
    let hash = hash ^ i64::try_from(key.len()).unwrap_or(i64::MAX);
    // To Python -1 is an error.
    if hash == -1 { -2 } else { hash }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde::Deserialize;

    use super::*;

    const COUNTS: [usize; 6] = [1, 2, 3, 7, 12, 100];

    #[derive(Deserialize)]
    struct Recorded {
        key: String,
        hash: String,
        partitions: [usize; 6],
    }

    impl Recorded {
        fn key(&self) -> Vec<u8> {
            let digits = self.key.as_bytes().chunks(2);
            digits.map(|two| u8::from_str_radix(str::from_utf8(two).unwrap(), 16).unwrap()).collect()
        }
    }

    fn is_as_recorded(recorded: &str, partitioning: Partitioning, hash: impl Fn(&[u8]) -> i64) {
        let recorded: Vec<Recorded> = serde_json::from_str(recorded).unwrap();
        for vector in &recorded {
            let key = vector.key();
            assert_eq!(hash(&key).to_string(), vector.hash, "{}", vector.key);
            let partitions = COUNTS.map(|count| partitioning.index(&key, count).unwrap());
            assert_eq!(partitions, vector.partitions, "{}", vector.key);
        }
        let has = |what: &str, which: fn(&Recorded) -> bool| {
            assert!(recorded.iter().any(which), "no vector that is {what}");
        };
        has("empty", |vector| vector.key.is_empty());
        has("negative", |vector| vector.hash.starts_with('-'));
        has("not ASCII", |vector| !vector.key().is_ascii());
        let lengths: BTreeSet<_> = recorded.iter().map(|vector| vector.key.len() / 2 % 4).collect();
        assert_eq!(lengths.len(), 4);
    }

    #[test]
    fn keys_go_where_the_java_client_sends_them() {
        let recorded = include_str!("../../tests/fixtures/partitions/java.json");
        is_as_recorded(recorded, Partitioning::Java, |key| i64::from(murmur2(key).cast_signed()));
    }

    #[test]
    fn keys_go_where_kafka_python_sent_them_under_python_2() {
        let recorded = include_str!("../../tests/fixtures/partitions/python2.json");
        is_as_recorded(recorded, Partitioning::KafkaPython2, python2_hash);
    }

    #[test]
    fn without_partitions_there_is_none_to_go_to() {
        assert_eq!(Partitioning::Java.index(b"key", 0), None);
        assert_eq!(Partitioning::KafkaPython2.index(b"key", 0), None);
    }
}
