//! One partition's letters, in order, from an offset to where its log ended when the command began. What stands there that is no
//! message (marks of transactions, what was compacted away or aborted) holds nothing up, and whoever does not answer does not for long.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use kafkavisor::clock::now;
use kafkavisor::ids::{Offset, TopicPartition};
use kafkavisor_kafka::dead_letter::{Letter, NotALetter};
use kafkavisor_kafka::error::KafkaError;
use kafkavisor_kafka::fetch::{Consumer, FetchError, Fetched};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::super::identity::WITHIN;
use super::target::{Offsets, Target};
use crate::exit::Failure;

/// Read ahead, in bytes.
const AHEAD: u64 = 4 << 20;
/// That nothing more comes is known so soon.
const FETCH_WAIT: [(&str, &str); 1] = [("fetch.wait.max.ms", "100")];
/// Something is looked for so often, whoever wakes us.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// What stands at an offset.
pub(super) type Found = Result<Box<Letter>, NotALetter>;

/// Reads one partition.
pub(super) struct Reader<'a> {
    partition: &'a TopicPartition,
    consumer: Option<Consumer>,
    next: Offset,
    end: Offset,
}

/// What the queue's front was.
enum Front {
    Message(Offset, Found),
    End(Offset),
    Lost(String),
    Denied(KafkaError),
}

impl<'a> Reader<'a> {
    /// Asks nobody where there is nothing to read.
    pub(super) fn start(
        target: &Target,
        partition: &'a TopicPartition,
        from: Offset,
    ) -> Result<Self, Failure> {
        let end = target.logs.get(partition).map_or(Offset(0), |log| log.stable_end);
        let consumer = if from < end {
            let mut properties = target.properties.clone();
            properties.extend(FETCH_WAIT.map(|(name, value)| (name.to_owned(), value.to_owned())));
            let consumer = Consumer::start(&properties, AHEAD, partition, from);
            Some(consumer.map_err(|error| refused(partition, &error))?)
        } else {
            None
        };
        Ok(Self { partition, consumer, next: from, end })
    }

    /// The next message, with its offset; none at the end.
    pub(super) fn next(&mut self) -> Result<Option<(Offset, Found)>, Failure> {
        let Some(consumer) = &mut self.consumer else { return Ok(None) };
        let until = now() + WITHIN;
        while self.next < self.end {
            consumer.fetch().map_err(|error| refused(self.partition, &error))?;
            match consumer.front(|fetched| (true, front(fetched))) {
                Some(Front::Message(offset, _)) if offset >= self.end => self.next = self.end,
                Some(Front::Message(offset, found)) => {
                    self.next = offset.next();
                    return Ok(Some((offset, found)));
                }
                Some(Front::End(offset)) => self.next = self.next.max(offset),
                Some(Front::Lost(why)) => return Err(Failure::failed(format!("{}: {why}", self.partition))),
                Some(Front::Denied(error)) => {
                    return Err(Failure::configuration(format!("{}: {error}", self.partition)));
                }
                None => wait(consumer, until, self.partition)?,
            }
        }
        Ok(None)
    }
}

fn front(fetched: Fetched<'_>) -> Front {
    match fetched {
        Fetched::Message { message, .. } => {
            Front::Message(Offset(message.offset), Letter::read(&message).map(Box::new))
        }
        Fetched::End(offset) => Front::End(offset),
        Fetched::StartLost(why) => Front::Lost(why),
        Fetched::Denied(error) => Front::Denied(error),
    }
}

fn wait(consumer: &Consumer, until: Instant, partition: &TopicPartition) -> Result<(), Failure> {
    if now() >= until {
        let within = WITHIN.as_secs();
        return Err(Failure::unreachable(format!(
            "{partition}: nothing came from Kafka within {within} s, though there is more"
        )));
    }
    let mut descriptors = [PollFd::new(consumer.descriptor(), PollFlags::POLLIN)];
    let _interrupted = poll(&mut descriptors, PollTimeout::try_from(LOOK_AGAIN).unwrap_or(PollTimeout::ZERO));
    Ok(())
}

fn refused(partition: &TopicPartition, error: &FetchError) -> Failure {
    let message = format!("{partition}: {error}");
    match error {
        FetchError::Refused(trouble) if !trouble.is_ours() => Failure::unreachable(message),
        FetchError::Refused(_) | FetchError::Property(_) => Failure::configuration(message),
        FetchError::Start(_) => Failure::failed(message),
    }
}

/// How reading goes on.
pub(super) enum Next {
    More,
    /// No more of this partition.
    OtherPartition,
    Enough,
}

/// What is read on the way: messages, and that a partition is at its end.
pub(super) enum Read {
    Message(Offset, Found),
    End(Offset),
}

/// Reads partition by partition, for as long as `take` wants more.
pub(super) fn read(
    target: &Target,
    begins: &Offsets,
    mut take: impl FnMut(&TopicPartition, Read) -> Result<Next, Failure>,
) -> Result<(), Failure> {
    for (key, from) in begins {
        if read_one(target, key, *from, &mut take)?.is_break() {
            break;
        }
    }
    Ok(())
}

fn read_one(
    target: &Target,
    key: &TopicPartition,
    from: Offset,
    take: &mut impl FnMut(&TopicPartition, Read) -> Result<Next, Failure>,
) -> Result<ControlFlow<()>, Failure> {
    let mut reader = Reader::start(target, key, from)?;
    while let Some((offset, found)) = reader.next()? {
        match take(key, Read::Message(offset, found))? {
            Next::More => {}
            Next::OtherPartition => return Ok(ControlFlow::Continue(())),
            Next::Enough => return Ok(ControlFlow::Break(())),
        }
    }
    let next = take(key, Read::End(reader.end.max(from)))?;
    Ok(if matches!(next, Next::Enough) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
}
