//! `list` and `show`: letters are read and printed, and nothing else happens.

use kafkavisor_kafka::dead_letter::{Letter, NotALetter};

use super::super::{note, print as write};
use super::choice::{self, Filter};
use super::print;
use super::reading::{Next, Read, read};
use super::target::Target;
use crate::cli::{Begin, LettersArgs, Place};
use crate::exit::{Exit, Failure};

/// `dead-letters list`.
pub(super) fn list(args: &LettersArgs) -> Result<Exit, Failure> {
    let mut headed = false;
    each(args, |place, letter| {
        if args.json {
            return write(&print::json_line(&print::row(place, letter))?);
        }
        if !headed {
            headed = true;
            write(&print::heading(place))?;
        }
        write(&print::line(place, letter))
    })
}

/// `dead-letters show`.
pub(super) fn show(args: &LettersArgs) -> Result<Exit, Failure> {
    each(args, |place, letter| {
        write(&if args.json {
            print::json_line(&print::whole(place, letter))?
        } else {
            print::in_full(place, letter)
        })
    })
}

/// Hands over each letter that is meant.
fn each(
    args: &LettersArgs,
    mut take: impl FnMut(&Place, &Letter) -> Result<(), Failure>,
) -> Result<Exit, Failure> {
    choice::check(args)?;
    let target = Target::reach(&args.dead)?;
    if !args.letters.is_empty() {
        choice::named(args, &target)?.iter().try_for_each(|(place, letter)| take(place, letter))?;
        return Ok(Exit::Clean);
    }
    let filter = Filter::of(args);
    let (mut shown, mut others) = (0, Vec::new());
    read(&target, &target.begins(args.span.from.unwrap_or(Begin::Earliest))?, |key, read| {
        let Read::Message(offset, found) = read else { return Ok(Next::More) };
        let place = Place { partition: key.clone(), offset };
        match found {
            Ok(letter) if filter.matches(&letter) => {
                take(&place, &letter)?;
                shown += 1;
            }
            Ok(_) => {}
            Err(why) => others.push((place, why)),
        }
        Ok(if args.span.count.is_some_and(|count| shown >= count) { Next::Enough } else { Next::More })
    })?;
    if shown == 0 {
        note(&format!("no dead letters in {} that are asked for", target.topic));
    }
    say_others(&others);
    Ok(Exit::Clean)
}

fn say_others(others: &[(Place, NotALetter)]) {
    if let Some((place, why)) = others.first() {
        let count = others.len();
        note(&format!(
            "left out: {count} in it that no supervisor has put there, the first at {place}: {why}"
        ));
    }
}
