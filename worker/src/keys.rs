//! The keys of what is in flight, so that whoever asks can be told which message it is that a handler is at. Kept in one piece of
//! memory: nothing is allocated for a message.

use std::collections::VecDeque;

use kafkavisor::ids::Offset;

/// Longest key that is kept whole, in bytes; of a longer one the beginning.
const LONGEST: usize = 4096;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    /// Each message's offset, and how much of `bytes` is its key; none where it is null.
    entries: VecDeque<(i64, Option<u32>)>,
    bytes: VecDeque<u8>,
}

impl Keys {
    /// A message is in flight from here on, behind those that are.
    pub(crate) fn push(&mut self, offset: Offset, key: Option<&[u8]>) {
        let kept = key.map(|key| key.get(..LONGEST).unwrap_or(key));
        self.bytes.extend(kept.unwrap_or_default());
        self.entries.push_back((offset.0, kept.map(|key| u32::try_from(key.len()).unwrap_or_default())));
    }

    /// Nothing below `acknowledged` is in flight any more.
    pub(crate) fn forget(&mut self, acknowledged: Offset) {
        while let Some((offset, length)) = self.entries.front()
            && *offset < acknowledged.0
        {
            let length = length.unwrap_or_default() as usize;
            self.bytes.drain(..length.min(self.bytes.len()));
            self.entries.pop_front();
        }
    }

    /// The key of the message at `offset`, where that is the oldest in flight; none where it is null or not known.
    pub(crate) fn of_head(&self, offset: Offset) -> Option<Vec<u8>> {
        let (_, length) = self.entries.front().filter(|(head, _)| *head == offset.0)?;
        Some(self.bytes.iter().copied().take((*length)? as usize).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heads_key_is_known_whatever_was_acknowledged_before_it() {
        let mut keys = Keys::default();
        keys.push(Offset(3), Some(b"three"));
        keys.push(Offset(4), None);
        keys.push(Offset(9), Some(b""));
        keys.push(Offset(10), Some(&[b'x'; LONGEST + 1]));
        assert_eq!(keys.of_head(Offset(3)).as_deref(), Some(&b"three"[..]));
        assert_eq!(keys.of_head(Offset(4)), None, "it is not the head");
        keys.forget(Offset(4));
        assert_eq!(keys.of_head(Offset(4)), None, "it has none");
        keys.forget(Offset(5));
        assert_eq!(keys.of_head(Offset(9)).as_deref(), Some(&b""[..]));
        keys.forget(Offset(10));
        assert_eq!(keys.of_head(Offset(10)).map(|key| key.len()), Some(LONGEST));
        keys.forget(Offset(11));
        assert!(keys.entries.is_empty() && keys.bytes.is_empty());
    }
}
