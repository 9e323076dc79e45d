//! Whose letters are next, and from where on.

use std::collections::BTreeSet;

use kafkavisor::clock::wall_millis;
use kafkavisor::ids::Group;
use kafkavisor_link::logging::timestamp;

use super::super::super::note;
use super::super::positions::{NoPosition, goes_on};
use super::super::reading::{Next, Read, read};
use super::super::target::{Offsets, Target};
use crate::cli::Begin;
use crate::exit::Failure;

/// What is ahead of a group's position.
pub(super) struct Ahead {
    pub(super) group: Group,
    /// The group whose offsets are the position.
    pub(super) position: Group,
    pub(super) begins: Offsets,
}

impl Ahead {
    /// None where nobody's letters are there.
    pub(super) fn look(
        target: &Target,
        group: Option<&Group>,
        from: Option<Begin>,
    ) -> Result<Option<Self>, Failure> {
        if let Some(Begin::Time(millis)) = from
            && millis > wall_millis()
        {
            return Err(Failure::usage(format!(
                "--from {}: that is still to come, and no letter is as young: say earliest, or a time that is past",
                timestamp(millis)
            )));
        }
        let Some(group) = group.cloned().map_or_else(|| sole_group(target), |group| Ok(Some(group)))? else {
            note(&format!("there are no dead letters in {}", target.topic));
            return Ok(None);
        };
        let position = Group::new(&format!("{group}.dead-letters"));
        let position = position.map_err(|error| Failure::usage(error.to_string()))?;
        let begins = match from {
            Some(from) => target.begins(from)?,
            None => next(target, &position)?,
        };
        Ok(Some(Self { group, position, begins }))
    }
}

fn next(target: &Target, position: &Group) -> Result<Offsets, Failure> {
    match goes_on(&target.logs, &target.committed(position)?) {
        Ok((begins, gone)) => {
            for key in gone {
                note(&format!(
                    "{key}: the log begins behind the position: letters are gone by the topic's retention"
                ));
            }
            Ok(begins)
        }
        Err(NoPosition::None) => Err(Failure::usage(format!(
            "there is no position yet, or it has expired (offsets of group {position}): say where to begin, --from earliest or --from TIME"
        ))),
        Err(NoPosition::Beyond(key, offset)) => Err(Failure::usage(format!(
            "{key}: the position, {offset}, is beyond the log's end: was the topic made anew? Say where to begin, --from earliest or --from TIME"
        ))),
    }
}

/// The group whose letters are there; several have to be told apart.
fn sole_group(target: &Target) -> Result<Option<Group>, Failure> {
    let mut groups = BTreeSet::new();
    read(target, &target.starts(), |_, read| {
        if let Read::Message(_, Ok(letter)) = read {
            groups.insert(letter.group.clone());
        }
        Ok(Next::More)
    })?;
    if groups.len() > 1 {
        let names: Vec<_> = groups.iter().map(Group::as_str).collect();
        return Err(Failure::usage(format!(
            "there are letters of several groups in {}: {}. Say which, with -g GROUP",
            target.topic,
            names.join(", ")
        )));
    }
    Ok(groups.into_iter().next())
}
