//! Messages to produce, and what is remembered of them.

use serde::{Deserialize, Serialize};

/// Bytes, so that they can be compared and read in a failure: short text as it is, everything else by length and hash.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Digest(pub String);

impl Digest {
    /// Of bytes, or of null.
    pub fn of(bytes: Option<&[u8]>) -> Self {
        let Some(bytes) = bytes else { return Self("null".to_owned()) };
        match str::from_utf8(bytes) {
            Ok(text) if bytes.len() <= 40 => Self(format!("{text:?}")),
            Ok(_) | Err(_) => Self(format!("{} bytes, hash {:016x}", bytes.len(), fnv(bytes))),
        }
    }
}

/// FNV-1a, 64 bits.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// A header: name, and value or null.
pub type Header<T> = (String, T);

/// A message to be produced.
#[derive(Debug, Clone, Default)]
pub struct Message {
    /// Where to.
    pub partition: i32,
    /// The key, or null.
    pub key: Option<Vec<u8>>,
    /// The value, or null.
    pub value: Option<Vec<u8>>,
    /// The headers.
    pub headers: Vec<Header<Option<Vec<u8>>>>,
    /// Milliseconds since 1970; now where there are none.
    pub timestamp: Option<i64>,
}

impl Message {
    /// To a partition, with a value.
    pub fn to(partition: i32, value: impl Into<Vec<u8>>) -> Self {
        Self { partition, value: Some(value.into()), ..Self::default() }
    }

    /// To a partition, with null as its value.
    pub fn null(partition: i32) -> Self {
        Self { partition, ..Self::default() }
    }

    /// As of this time, in milliseconds since 1970.
    #[must_use]
    pub fn at(mut self, millis: i64) -> Self {
        self.timestamp = Some(millis);
        self
    }

    /// With a key.
    #[must_use]
    pub fn key(mut self, key: impl Into<Vec<u8>>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: Option<&[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.map(<[u8]>::to_vec)));
        self
    }
}

/// `count` messages, dealt out to `partitions` in turn, each with a key and a value of its own.
pub fn numbered(partitions: i32, count: usize) -> Vec<Message> {
    (0..partitions)
        .cycle()
        .take(count)
        .enumerate()
        .map(|(number, partition)| {
            Message::to(partition, format!("value {number}")).key(format!("key {number}"))
        })
        .collect()
}

/// A message as the broker took it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Produced {
    /// Where.
    pub partition: i32,
    /// At.
    pub offset: i64,
    /// Its content.
    pub content: Content,
}

/// What a message holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// The key.
    pub key: Digest,
    /// The value.
    pub value: Digest,
    /// The headers, in their order.
    pub headers: Vec<Header<Digest>>,
}

impl From<&Message> for Content {
    fn from(message: &Message) -> Self {
        Self {
            key: Digest::of(message.key.as_deref()),
            value: Digest::of(message.value.as_deref()),
            headers: message
                .headers
                .iter()
                .map(|(name, value)| (name.clone(), Digest::of(value.as_deref())))
                .collect(),
        }
    }
}
