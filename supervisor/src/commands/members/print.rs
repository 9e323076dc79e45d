//! What is shown of a group's members.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use kafkavisor::ids::{Group, TopicPartition};
use serde::Serialize;

use super::super::print;
use super::super::table::Style;
use crate::exit::{Exit, Failure};

/// A group, as `--json` prints it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Members {
    pub(super) group: Group,
    /// The folder in ZooKeeper; none in Kafka's own membership.
    pub(super) path: Option<String>,
    /// By name; several may have the same.
    pub(super) members: Vec<String>,
    pub(super) partitions: Vec<Held>,
    /// How many of the partitions each member holds.
    #[serde(skip)]
    counts: Vec<usize>,
}

/// Who is in a group, and holds what.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) id: String,
    pub(super) partitions: BTreeSet<TopicPartition>,
}

/// A partition and who holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Held {
    topic: String,
    partition: i32,
    owner: Option<String>,
}

impl Members {
    /// `others` are no members and hold something all the same; `all` are the partitions that there are, which somebody holds or nobody.
    pub(super) fn new(
        group: &Group,
        path: Option<String>,
        mut members: Vec<Member>,
        others: Vec<(TopicPartition, String)>,
        all: BTreeSet<TopicPartition>,
    ) -> Self {
        members.sort_by(|a, b| a.id.cmp(&b.id));
        let of = |member: &Member| {
            let id = member.id.clone();
            member.partitions.clone().into_iter().map(move |key| (key, id.clone()))
        };
        let mut owners: BTreeMap<TopicPartition, Vec<Option<String>>> = BTreeMap::new();
        for (key, owner) in members.iter().flat_map(of).chain(others) {
            owners.entry(key).or_default().push(Some(owner));
        }
        for key in all {
            owners.entry(key).or_insert_with(|| vec![None]);
        }
        let row = |(key, owners): (TopicPartition, Vec<Option<String>>)| {
            let row = move |owner| Held { topic: key.topic.to_string(), partition: key.partition.0, owner };
            owners.into_iter().map(row)
        };
        let partitions = owners.into_iter().flat_map(row).collect();
        let counts = members.iter().map(|member| member.partitions.len()).collect();
        let members = members.into_iter().map(|member| member.id).collect();
        Self { group: group.clone(), path, members, partitions, counts }
    }

    pub(super) fn print(&self, json: bool) -> Result<Exit, Failure> {
        let text = if json {
            let text = serde_json::to_string_pretty(self).map_err(|error| Failure::bug(error.to_string()))?;
            format!("{text}\n")
        } else {
            self.text(Style::of_stdout())
        };
        print(&text).map(|()| Exit::Clean)
    }

    fn text(&self, style: Style) -> String {
        let count = match self.members.len() {
            0 => "no members".to_owned(),
            1 => "1 member".to_owned(),
            count => format!("{count} members"),
        };
        let path = self.path.as_ref().map_or_else(String::new, |path| format!("  {path}"));
        let mut text = format!("{}{path}  {count}\n", style.bold(self.group.as_str()));
        // Writing to a string never fails.
        for (member, count) in self.members.iter().zip(&self.counts) {
            let _written = writeln!(text, "{member}  {count} of {} partitions", self.partitions.len());
        }
        if self.partitions.is_empty() {
            return text;
        }
        let name = |held: &Held| format!("{}:{}", held.topic, held.partition);
        let width =
            self.partitions.iter().map(|held| name(held).len()).max().unwrap_or(0).max("PARTITION".len());
        let _written = writeln!(text, "{}", style.dim(&format!("{:<width$}  OWNER", "PARTITION")));
        for held in &self.partitions {
            let _written = writeln!(text, "{:<width$}  {}", name(held), held.owner.as_deref().unwrap_or("-"));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_has_its_owners_or_none() {
        let key = |name: &str| name.parse::<TopicPartition>().unwrap();
        let member = |id: &str, held: &[&str]| Member {
            id: id.to_owned(),
            partitions: held.iter().map(|name| key(name)).collect(),
        };
        let all = [key("t:0"), key("t:1"), key("t:2")].into();
        let members = vec![member("b", &["t:2"]), member("a", &["t:0", "t:2"])];
        let found = Members::new(&Group::new("g").unwrap(), None, members, Vec::new(), all);
        assert_eq!(
            serde_json::to_string(&found).unwrap(),
            r#"{"group":"g","path":null,"members":["a","b"],"partitions":[{"topic":"t","partition":0,"owner":"a"},{"topic":"t","partition":1,"owner":null},{"topic":"t","partition":2,"owner":"a"},{"topic":"t","partition":2,"owner":"b"}]}"#
        );
        let text = found.text(Style { colour: false });
        assert_eq!(
            text,
            "g  2 members\na  2 of 4 partitions\nb  1 of 4 partitions\nPARTITION  OWNER\nt:0        a\nt:1        -\nt:2        a\nt:2        b\n"
        );
    }

    #[test]
    fn members_of_the_same_name_are_counted_each() {
        let key = |name: &str| name.parse::<TopicPartition>().unwrap();
        let member = |held: &[&str]| Member {
            id: "host".to_owned(),
            partitions: held.iter().map(|name| key(name)).collect(),
        };
        let members = vec![member(&["t:0"]), member(&["t:1", "t:2"]), member(&[])];
        let orphan = vec![(key("t:3"), "session 0x1".to_owned())];
        let found = Members::new(&Group::new("g").unwrap(), None, members, orphan, BTreeSet::new());
        let text = found.text(Style { colour: false });
        assert!(
            text.starts_with(
                "g  3 members\nhost  1 of 4 partitions\nhost  2 of 4 partitions\nhost  0 of 4 partitions\n"
            ),
            "{text}"
        );
        assert!(text.ends_with("t:3        session 0x1\n"), "{text}");
    }
}
