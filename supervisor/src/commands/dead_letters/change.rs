//! `redrive` and `discard`: a group's letters, in order, and the position that moves on behind what is done.

mod ahead;
mod way_back;

use std::time::{Duration, Instant};

use kafkavisor::clock::now;
use kafkavisor::ids::{Offset, TopicPartition};
use kafkavisor::offsets::OffsetStorage;
use kafkavisor_kafka::dead_letter::Letter;

use self::ahead::Ahead;
use self::way_back::WayBack;
use super::super::note;
use super::super::offsets::target::failure;
use super::choice::{self, Filter};
use super::interrupt::Interrupt;
use super::positions::Positions;
use super::print;
use super::progress::Progress;
use super::reading::{Next, Read, read};
use super::target::Target;
use crate::cli::{DiscardArgs, Place, RedriveArgs};
use crate::exit::{Exit, Failure};

/// The position is committed this often: so much comes again after a kill.
const COMMIT_EVERY: Duration = Duration::from_secs(1);

/// Said where a signal has ended it.
const INTERRUPTED: &str =
    "interrupted: the position is behind what is done, and the same command without --from goes on there";

/// What became of a letter.
enum Outcome {
    Done,
    /// It is done, and that can't be told.
    Untold(Failure),
    /// It stays where it is.
    Stays(String),
}

/// `dead-letters redrive`.
pub(super) fn redrive(args: &RedriveArgs) -> Result<Exit, Failure> {
    let letters = &args.letters;
    choice::check(letters)?;
    let target = Target::reach(&letters.dead)?;
    let mut way_back = WayBack::new(&target, args)?;
    if !letters.letters.is_empty() {
        return way_back.named(&choice::named(letters, &target)?);
    }
    let filter = Filter::of(letters);
    let Some(ahead) = Ahead::look(&target, letters.dead.group.as_ref(), letters.span.from)? else {
        return Ok(Exit::Clean);
    };
    way_back.goes(&ahead.begins);
    let mut change = Change::new(&target, ahead, letters.span.count, args.dry_run)?;
    let ended = change.run(|letter| filter.matches(letter), |place, letter| way_back.send(place, letter));
    drop(way_back);
    let done = if args.dry_run { "would be sent back: nothing was sent (--dry-run)" } else { "sent back" };
    change.tell(done);
    ended
}

/// `dead-letters discard`.
pub(super) fn discard(args: &DiscardArgs) -> Result<Exit, Failure> {
    if let Some(place) = args.letters.first() {
        return Err(Failure::usage(format!(
            "{place}: letters are discarded in order, by a position that moves past them: name none, and say --count N"
        )));
    }
    let target = Target::reach(&args.dead)?;
    let Some(ahead) = Ahead::look(&target, args.dead.group.as_ref(), args.span.from)? else {
        return Ok(Exit::Clean);
    };
    let mut progress = Progress::new(args.json);
    progress.goes(&target, &ahead.begins);
    let mut change = Change::new(&target, ahead, args.span.count, args.dry_run)?;
    let mut count = 0_u64;
    let let_go = |place: &Place, letter: &Letter| {
        count += 1;
        let line = if args.json {
            print::json_line(&print::row(place, letter))?
        } else {
            print::line(place, letter)
        };
        Ok(progress
            .print(&line, &format!("{count} let go"), place)
            .map_or_else(Outcome::Untold, |()| Outcome::Done))
    };
    let ended = change.run(|_| true, let_go);
    drop(progress);
    let done = if args.dry_run { "would be discarded: nothing was changed (--dry-run)" } else { "discarded" };
    change.tell(done);
    ended
}

/// How it ends where these letters stay.
fn ended(result: Result<(), Failure>, stay: &[String]) -> Result<Exit, Failure> {
    let stay = stay.join("\n");
    match result {
        Ok(()) if stay.is_empty() => Ok(Exit::Clean),
        Ok(()) => Err(Failure::failed(stay)),
        Err(failure) if stay.is_empty() => Err(failure),
        Err(Failure { exit, message }) => Err(Failure { exit, message: format!("{stay}\n{message}") }),
    }
}

/// One group's letters on their way out.
struct Change<'a> {
    target: &'a Target,
    ahead: Ahead,
    positions: Positions,
    count: Option<u64>,
    dry_run: bool,
    interrupt: Interrupt,
    commit_at: Instant,
    done: u64,
    /// The first letter that a filter has left out.
    left_out: Option<Place>,
    /// Messages that no supervisor has put there.
    others: u64,
    stay: Vec<String>,
}

impl<'a> Change<'a> {
    fn new(target: &'a Target, ahead: Ahead, count: Option<u64>, dry_run: bool) -> Result<Self, Failure> {
        Ok(Self {
            target,
            positions: Positions::new(ahead.begins.clone()),
            ahead,
            count,
            dry_run,
            interrupt: Interrupt::listen()?,
            commit_at: now() + COMMIT_EVERY,
            done: 0,
            left_out: None,
            others: 0,
            stay: Vec::new(),
        })
    }

    /// Does it with each that is `wanted`, and commits the position before, on the way, and at the end, however that is.
    fn run(
        &mut self,
        wanted: impl Fn(&Letter) -> bool,
        mut act: impl FnMut(&Place, &Letter) -> Result<Outcome, Failure>,
    ) -> Result<Exit, Failure> {
        // What can't be committed is known before anything is done.
        self.commit()?;
        let begins = self.ahead.begins.clone();
        let read = read(self.target, &begins, |key, read| {
            let next = self.take(key, read, &wanted, &mut act)?;
            if now() >= self.commit_at {
                self.commit()?;
            }
            Ok(next)
        });
        let committed = self.commit();
        let interrupted = self.interrupt.came().then(|| Failure::failed(INTERRUPTED.to_owned()));
        ended(read.and(committed).and(interrupted.map_or(Ok(()), Err)), &self.stay)
    }

    fn take(
        &mut self,
        key: &TopicPartition,
        read: Read,
        wanted: &impl Fn(&Letter) -> bool,
        act: &mut impl FnMut(&Place, &Letter) -> Result<Outcome, Failure>,
    ) -> Result<Next, Failure> {
        let (offset, letter) = match read {
            Read::End(end) => {
                self.positions.done_below(key, end);
                return Ok(Next::More);
            }
            Read::Message(offset, Ok(letter)) if letter.group == self.ahead.group => (offset, letter),
            Read::Message(offset, found) => {
                self.others += u64::from(found.is_err());
                self.positions.done_below(key, offset.next());
                return Ok(Next::More);
            }
        };
        let place = Place { partition: key.clone(), offset };
        if !wanted(&letter) {
            self.positions.hold(key, offset);
            self.left_out.get_or_insert(place);
            return Ok(Next::More);
        }
        if self.interrupt.came() {
            return Ok(Next::Enough);
        }
        match act(&place, &letter)? {
            Outcome::Untold(failure) => {
                self.settle(key, offset, Outcome::Done);
                Err(failure)
            }
            outcome @ (Outcome::Done | Outcome::Stays(_)) => Ok(self.settle(key, offset, outcome)),
        }
    }

    fn settle(&mut self, key: &TopicPartition, offset: Offset, outcome: Outcome) -> Next {
        if let Outcome::Stays(why) = outcome {
            self.positions.hold(key, offset);
            self.stay.push(format!("{why}: it stays where it is, and the position does not pass it"));
            return Next::OtherPartition;
        }
        self.positions.done_below(key, offset.next());
        self.done += 1;
        if self.count.is_some_and(|count| self.done >= count) { Next::Enough } else { Next::More }
    }

    fn commit(&mut self) -> Result<(), Failure> {
        self.commit_at = now() + COMMIT_EVERY;
        if self.dry_run {
            return Ok(());
        }
        let (client, offsets) = (&self.target.client, self.positions.offsets());
        let answers = client.commit(&self.ahead.position, OffsetStorage::Kafka, offsets).map_err(failure)?;
        let refused: Vec<_> =
            answers.into_iter().filter_map(|(key, answer)| Some((key, answer.err()?))).collect();
        let barred = refused.iter().any(|(_, error)| error.is_barred());
        let group = &self.ahead.position;
        let said = refused.iter().map(|(key, error)| {
            format!("{key}: the position of group {group} is not committed, what was done beyond it comes again: {error}")
        });
        let said = said.collect::<Vec<_>>().join("\n");
        match (refused.is_empty(), barred) {
            (true, _) => Ok(()),
            (false, true) => Err(Failure::configuration(said)),
            (false, false) => Err(Failure::failed(said)),
        }
    }

    /// Says what was done, for people.
    fn tell(&self, done: &str) {
        let letters = if self.done == 1 { "letter" } else { "letters" };
        note(&format!("{} {letters} of group {} {done}", self.done, self.ahead.group));
        if let Some(place) = &self.left_out {
            note(&format!(
                "{place} is the first that a filter leaves out: the position stays before it, and what is done behind it comes again without the filter"
            ));
        }
        if self.others > 0 {
            note(&format!("passed over: {} that no supervisor has put there", self.others));
        }
    }
}
