//! A dead letter as it is read again: the message as it was, where it came from, and why it is here.

use std::collections::BTreeSet;
use std::str::FromStr;

use kafkavisor_types::ids::{Group, Offset, Topic, TopicPartition};
use kafkavisor_types::message::{Header, Message};

use super::origin::{ATTEMPTS, ERROR, GROUP, HOST, NAMES, OFFSET, PARTITION, STDERR, TIMESTAMP, TOPIC};

/// A dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Its own offset among the dead letters.
    pub offset: Offset,
    /// The partition that the message was read from.
    pub from: TopicPartition,
    /// The message's own offset there.
    pub from_offset: Offset,
    /// The message's own time, in milliseconds since 1970; -1 without one.
    pub timestamp: i64,
    /// The group that could not handle it.
    pub group: Group,
    /// How often it was given to a handler.
    pub attempts: u32,
    /// The reason, or how the handler ended.
    pub error: String,
    /// The handler's last lines.
    pub stderr: String,
    /// The machine.
    pub host: String,
    /// The key as it was.
    pub key: Option<Vec<u8>>,
    /// The value as it was.
    pub value: Option<Vec<u8>>,
    /// The headers as they were, in their order.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

/// Why a message is no dead letter of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotALetter {
    /// A header that each has.
    #[error("it is no dead letter: it has no header {0}")]
    Missing(&'static str),
    /// A header that says nothing.
    #[error("it is no dead letter: its header {name} holds {value:?}")]
    Unreadable {
        /// Which.
        name: &'static str,
        /// Its text, cut.
        value: String,
    },
}

impl Letter {
    /// Reads it. A message may have been a dead letter before it became this one: its last headers of our names are this one's.
    pub fn read(message: &Message<'_>) -> Result<Self, NotALetter> {
        let headers = Headers(message.headers);
        let partition: i32 = headers.parsed(PARTITION, |number| *number >= 0)?;
        let from = TopicPartition::new(headers.parsed::<Topic>(TOPIC, |_| true)?, partition);
        Ok(Self {
            offset: Offset(message.offset),
            from,
            from_offset: Offset(headers.parsed(OFFSET, |number| *number >= 0)?),
            timestamp: headers.parsed(TIMESTAMP, |_| true)?,
            group: headers.parsed(GROUP, |_| true)?,
            attempts: headers.parsed(ATTEMPTS, |_| true)?,
            error: headers.text(ERROR).unwrap_or_default(),
            stderr: headers.text(STDERR).unwrap_or_default(),
            host: headers.text(HOST).unwrap_or_default(),
            key: message.key.map(<[u8]>::to_vec),
            value: message.value.map(<[u8]>::to_vec),
            headers: headers.theirs(),
        })
    }
}

struct Headers<'a>(&'a [Header<'a>]);

impl Headers<'_> {
    fn last(&self, name: &str) -> Option<usize> {
        self.0.iter().rposition(|header| header.name == name.as_bytes())
    }

    fn text(&self, name: &str) -> Option<String> {
        let value = self.0.get(self.last(name)?)?.value?;
        Some(String::from_utf8_lossy(value).into_owned())
    }

    fn parsed<T: FromStr>(&self, name: &'static str, fits: impl Fn(&T) -> bool) -> Result<T, NotALetter> {
        let text = self.text(name).ok_or(NotALetter::Missing(name))?;
        let unreadable = || NotALetter::Unreadable { name, value: text.chars().take(60).collect() };
        text.parse().ok().filter(fits).ok_or_else(unreadable)
    }

    fn theirs(&self) -> Vec<(String, Option<Vec<u8>>)> {
        let ours: BTreeSet<_> = NAMES.iter().filter_map(|name| self.last(name)).collect();
        let theirs = self.0.iter().enumerate().filter(|(index, _)| !ours.contains(index));
        let owned = |header: &Header<'_>| {
            (String::from_utf8_lossy(header.name).into_owned(), header.value.map(<[u8]>::to_vec))
        };
        theirs.map(|(_, header)| owned(header)).collect()
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::message::{Headers as _, OwnedHeaders};

    use super::*;
    use crate::dead_letter::Origin;

    fn message<'a>(offset: i64, headers: &'a [Header<'a>]) -> Message<'a> {
        Message { offset, timestamp: 1_700_000_000_000, key: None, value: Some(b"v"), headers }
    }

    fn dead(message: &Message<'_>, partition: &str, group: &str) -> OwnedHeaders {
        let partition = &partition.parse().unwrap();
        let (stderr, host) = ("last words", "h1");
        let offset = Offset(message.offset);
        Origin { partition, offset, group, attempts: 5, error: "never", stderr, host }.headers(message)
    }

    fn borrowed(headers: &OwnedHeaders) -> Vec<Header<'_>> {
        headers.iter().map(|header| Header { name: header.key.as_bytes(), value: header.value }).collect()
    }

    #[test]
    fn what_was_written_is_read_and_the_message_is_as_it_was() {
        let theirs = [
            Header { name: b"mine", value: Some(b"\xff") },
            Header { name: b"mine", value: None },
            Header { name: b"kafkavisor.other", value: Some(b"") },
        ];
        let headers = dead(&message(42, &theirs), "orders:3", "billing");
        let letter = Letter::read(&message(7, &borrowed(&headers))).unwrap();
        assert_eq!((letter.from.to_string().as_str(), letter.from_offset), ("orders:3", Offset(42)));
        assert_eq!((letter.offset, letter.timestamp, letter.attempts), (Offset(7), 1_700_000_000_000, 5));
        assert_eq!((letter.group.as_str(), letter.error.as_str()), ("billing", "never"));
        assert_eq!((letter.stderr.as_str(), letter.host.as_str()), ("last words", "h1"));
        assert_eq!((letter.key, letter.value), (None, Some(b"v".to_vec())));
        let expected = [("mine", Some(&b"\xff"[..])), ("mine", None), ("kafkavisor.other", Some(&b""[..]))]
            .map(|(name, value)| (name.to_owned(), value.map(<[u8]>::to_vec)));
        assert_eq!(letter.headers, expected);
    }

    #[test]
    fn the_dead_letter_of_a_dead_letter_goes_back_as_the_one_that_it_was() {
        let first = dead(&message(42, &[]), "orders:3", "billing");
        let second = dead(&message(7, &borrowed(&first)), "orders.dead:0", "mourning");
        let letter = Letter::read(&message(0, &borrowed(&second))).unwrap();
        assert_eq!((letter.from.to_string().as_str(), letter.group.as_str()), ("orders.dead:0", "mourning"));
        let of_first = first.iter().map(|h| (h.key.to_owned(), h.value.map(<[u8]>::to_vec)));
        assert_eq!(letter.headers, of_first.collect::<Vec<_>>());
    }

    #[test]
    fn another_message_is_no_letter() {
        assert_eq!(Letter::read(&message(0, &[])), Err(NotALetter::Missing(PARTITION)));
        let headers = dead(&message(42, &[]), "orders:3", "billing");
        for (name, value) in [(PARTITION, "-1"), (TOPIC, "a/b"), (OFFSET, "x"), (ATTEMPTS, ""), (GROUP, "")] {
            let mut damaged = borrowed(&headers);
            damaged.push(Header { name: name.as_bytes(), value: Some(value.as_bytes()) });
            let unreadable = NotALetter::Unreadable { name, value: value.to_owned() };
            assert_eq!(Letter::read(&message(0, &damaged)), Err(unreadable));
        }
    }
}
