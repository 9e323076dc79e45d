//! Letters on their way back to where they came from.

use std::collections::BTreeMap;

use kafkavisor::ids::{Topic, TopicPartition};
use kafkavisor_kafka::dead_letter::Letter;

use super::super::super::note;
use super::super::super::offsets::target::failure;
use super::super::pace::Pace;
use super::super::print;
use super::super::progress::Progress;
use super::super::sender::{Sender, Unsent};
use super::super::target::{Offsets, Target, no_topic};
use super::{Outcome, ended};
use crate::cli::{Place, RedriveArgs};
use crate::exit::{Exit, Failure};

/// See the module.
pub(super) struct WayBack<'a> {
    target: &'a Target,
    /// None where nothing is sent.
    sender: Option<Sender>,
    /// How many partitions topics have; none where there is no such topic. A producer might make one that is gone.
    topics: BTreeMap<Topic, Option<i32>>,
    pace: Option<Pace>,
    progress: Progress,
    json: bool,
    sent: u64,
}

impl<'a> WayBack<'a> {
    pub(super) fn new(target: &'a Target, args: &RedriveArgs) -> Result<Self, Failure> {
        let sender = if args.dry_run { None } else { Some(Sender::new(&target.properties)?) };
        let (pace, json) = (args.rate.map(Pace::new), args.letters.json);
        Ok(Self {
            target,
            sender,
            topics: BTreeMap::new(),
            pace,
            progress: Progress::new(json),
            json,
            sent: 0,
        })
    }

    /// From these offsets to the ends of the logs.
    pub(super) fn goes(&mut self, begins: &Offsets) {
        self.progress.goes(self.target, begins);
    }

    /// Sends those that are named, and moves no position.
    pub(super) fn named(&mut self, letters: &[(Place, Letter)]) -> Result<Exit, Failure> {
        let mut stay = Vec::new();
        let result = letters.iter().try_for_each(|(place, letter)| match self.send(place, letter)? {
            Outcome::Done => Ok(()),
            Outcome::Stays(why) => {
                stay.push(format!("{why}: it stays where it is"));
                Ok(())
            }
            Outcome::Untold(Failure { exit, message }) => {
                Err(Failure { exit, message: format!("{place} is sent back all the same: {message}") })
            }
        });
        if self.sender.is_none() {
            note("nothing was sent (--dry-run)");
        }
        ended(result, &stay)
    }

    /// Sends it and waits until that is confirmed.
    pub(super) fn send(&mut self, place: &Place, letter: &Letter) -> Result<Outcome, Failure> {
        let from = &letter.from;
        let stays = |why| Ok(Outcome::Stays(format!("{place}: can't be sent back to {from}: {why}")));
        if let Some(why) = self.nowhere(from)? {
            return stays(why);
        }
        let mut to = None;
        if let Some(sender) = &mut self.sender {
            self.pace.iter_mut().for_each(Pace::keep);
            match sender.send(letter) {
                Ok(offset) => to = Some(offset.0),
                Err(Unsent::Refused(why)) => return stays(why),
                Err(Unsent::Unknown(why)) => {
                    return Err(Failure::unreachable(format!(
                        "{place}: Kafka has not confirmed in time that it is back in {from} ({why}): it is not done, and comes again"
                    )));
                }
            }
        }
        self.sent += 1;
        Ok(self.tell(place, letter, to).map_or_else(Outcome::Untold, |()| Outcome::Done))
    }

    fn tell(&mut self, place: &Place, letter: &Letter, to: Option<i64>) -> Result<(), Failure> {
        let line = if self.json {
            print::json_line(&print::sent(place, letter, to))?
        } else {
            let offset = to.map(|offset| format!(":{offset}")).unwrap_or_default();
            format!("{place} -> {}{offset}\n", letter.from)
        };
        self.progress.print(&line, &format!("{} sent back", self.sent), place)
    }

    /// Why there is no such place any more.
    fn nowhere(&mut self, to: &TopicPartition) -> Result<Option<String>, Failure> {
        let client = &self.target.client;
        if !self.topics.contains_key(&to.topic) {
            let counts = client.partition_counts(std::slice::from_ref(&to.topic)).map_err(failure)?;
            self.topics.insert(to.topic.clone(), counts.get(&to.topic).copied());
        }
        Ok(match self.topics.get(&to.topic).copied().flatten() {
            None => Some(no_topic(&to.topic, client)),
            Some(count) if to.partition.0 >= count => Some(format!("it has {count} partitions, from 0 on")),
            Some(_) => None,
        })
    }
}
