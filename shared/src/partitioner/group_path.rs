//! The group's folder in ZooKeeper, in every form that a Python member may use.
//!
//! yelp_kafka names it by the SHA-1 of `repr(sorted(topics))`, and Pythons differ in that text, so a group has to be
//! reachable in each form. Whoever finds the folder here never computes a hash again: [`GroupFolder`] also knows
//! where members with other topics of the same group are.

use std::fmt::Write as _;

use sha1::{Digest, Sha1};

use crate::ids::{Group, Topic};

/// The folder of all groups.
const ROOT: &str = "/yelp-kafka";

/// How the group's Python members wrote their topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TopicsRepr {
    /// Text in Python 3, byte strings in Python 2: `['a', 'b']`.
    #[default]
    Python3,
    /// `unicode` in Python 2, as from JSON or YAML: `[u'a', u'b']`.
    Python2Unicode,
}

/// A path that ZooKeeper would refuse.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{given:?} is no path in ZooKeeper; it must begin with '/', not end with one, and hold no empty, '.' or '..' part"
)]
pub struct InvalidPath {
    /// The path as given.
    pub given: String,
}

/// The group's folder, and where its siblings are: folders of members with the same group and other topics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupFolder {
    path: String,
    parent: Option<String>,
}

impl GroupFolder {
    /// `/yelp-kafka/<group>/<hash of the topics>`. Topics may come in any order; duplicates change the hash, as in Python.
    pub fn hashed(group: &Group, topics: &[Topic], repr: TopicsRepr) -> Self {
        let parent = format!("{ROOT}/{group}");
        Self { path: format!("{parent}/{}", hash(topics, repr)), parent: Some(parent) }
    }

    /// `/yelp-kafka/<group>`, which is what `use_group_sha: false` means.
    pub fn plain(group: &Group) -> Self {
        Self { path: format!("{ROOT}/{group}"), parent: None }
    }

    /// A path of one's own.
    pub fn at(path: &str) -> Result<Self, InvalidPath> {
        let parts = path.strip_prefix('/').filter(|parts| !parts.contains('\0'));
        let valid = parts.is_some_and(|parts| parts.split('/').all(|part| !matches!(part, "" | "." | "..")));
        if !valid {
            return Err(InvalidPath { given: path.to_owned() });
        }
        Ok(Self { path: path.to_owned(), parent: None })
    }

    /// The group's folder.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The folder that holds this one beside its siblings; none where a group has only one folder.
    pub fn parent(&self) -> Option<&str> {
        self.parent.as_deref()
    }
}

fn hash(topics: &[Topic], repr: TopicsRepr) -> String {
    let digest = Sha1::digest(python_repr(topics, repr).as_bytes());
    digest.iter().fold(String::new(), |mut hex, byte| {
        // Writing to a string never fails.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// `repr(sorted(topics))`. A [`Topic`] holds letters, digits, `.`, `_` and `-` only, so nothing is ever escaped and
/// the quotes are always single ones.
fn python_repr(topics: &[Topic], repr: TopicsRepr) -> String {
    let mut topics: Vec<_> = topics.iter().map(Topic::as_str).collect();
    topics.sort_unstable();
    let prefix = match repr {
        TopicsRepr::Python3 => "",
        TopicsRepr::Python2Unicode => "u",
    };
    let quoted: Vec<_> = topics.into_iter().map(|topic| format!("{prefix}'{topic}'")).collect();
    format!("[{}]", quoted.join(", "))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Hashes {
        topics: Vec<String>,
        python3: String,
        python2_unicode: String,
    }

    #[derive(Deserialize)]
    struct Fixture {
        hashes: Vec<Hashes>,
    }

    fn group() -> Group {
        Group::new("services.billing").unwrap()
    }

    fn hashed(topics: &[String], repr: TopicsRepr) -> String {
        let topics: Vec<_> = topics.iter().map(|topic| Topic::new(topic).unwrap()).collect();
        GroupFolder::hashed(&group(), &topics, repr).path().rsplit_once('/').unwrap().1.to_owned()
    }

    #[test]
    fn hashes_are_those_that_python_computes() {
        let fixture: Fixture =
            serde_json::from_str(include_str!("../../tests/fixtures/kazoo-allocations.json")).unwrap();
        assert!(fixture.hashes.len() >= 100);
        for case in fixture.hashes {
            assert_eq!(hashed(&case.topics, TopicsRepr::Python3), case.python3, "{:?}", case.topics);
            assert_eq!(
                hashed(&case.topics, TopicsRepr::Python2Unicode),
                case.python2_unicode,
                "{:?}",
                case.topics
            );
        }
    }

    #[test]
    fn hashes_are_those_measured_with_both_pythons() {
        let a = ["a".to_owned()];
        let ba = ["b".to_owned(), "a".to_owned()];
        assert_eq!(hashed(&a, TopicsRepr::Python3), "2a978d99494e3a8b635237389cb9e9af56612ddf");
        assert_eq!(hashed(&a, TopicsRepr::Python2Unicode), "0111d6ba796cc286baec6f8faecd93261c72f9da");
        assert_eq!(hashed(&ba, TopicsRepr::Python3), "9a8d34bc597b54ba39ab703811c6d8e4c6cb4498");
        assert_eq!(hashed(&ba, TopicsRepr::Python2Unicode), "4b1b84d084ec1d011ce9c7ad9a003f8572562074");
    }

    #[test]
    fn only_a_hashed_folder_has_siblings() {
        let hashed = GroupFolder::hashed(&group(), &[], TopicsRepr::Python3);
        assert_eq!(hashed.parent(), Some("/yelp-kafka/services.billing"));
        let plain = GroupFolder::plain(&group());
        assert_eq!((plain.path(), plain.parent()), ("/yelp-kafka/services.billing", None));
        let own = GroupFolder::at("/teams/billing").unwrap();
        assert_eq!((own.path(), own.parent()), ("/teams/billing", None));
    }

    #[test]
    fn a_path_that_zookeeper_refuses_is_refused_first() {
        for bad in ["", "/", "a", "/a/", "//a", "/a/../b", "/a/./b", "/a\0"] {
            assert!(GroupFolder::at(bad).is_err(), "{bad:?}");
        }
    }
}
