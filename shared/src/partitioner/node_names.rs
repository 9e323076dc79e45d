//! Names of party and lock nodes, and the line before a lock.
//!
//! kazoo begins each name with a random version 4 UUID. Ours begin with a version 8 UUID ("vendor-specific"), computed
//! from one random number per session, so that a member can be replayed from its events; kazoo does not look at it,
//! and we can tell from a lock node whether its owner looks into sibling folders before it works (kazoo never does).

use sha1::{Digest, Sha1};

/// Between UUID and sequence in the name of a lock node.
const LOCK: &str = "__lock__";
/// Digits of a node's sequence.
const SEQUENCE_DIGITS: usize = 10;

/// One random number for each session, from which the names of all its nodes follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Nonce(pub [u8; 16]);

impl Nonce {
    /// The session's `serial`-th UUID, in hex without dashes.
    pub fn uuid(self, serial: u64) -> String {
        let digest = Sha1::new().chain_update(self.0).chain_update(serial.to_be_bytes()).finalize();
        let mut bytes = [0; 16];
        bytes.iter_mut().zip(digest).for_each(|(byte, random)| *byte = random);
        uuid::Builder::from_custom_bytes(bytes).into_uuid().simple().to_string()
    }

    /// What makes a member's identifier new with each session: 8 hex digits.
    pub fn short(self) -> String {
        self.uuid(0).chars().take(8).collect()
    }
}

/// The name with which a lock node begins, before ZooKeeper adds its sequence.
pub fn lock_prefix(uuid: &str) -> String {
    format!("{uuid}{LOCK}")
}

/// Whether this lock node is of a member that looks into sibling folders before it works: one of ours.
pub fn checks_siblings(lock_node: &str) -> bool {
    let uuid = lock_node.split_once(LOCK).map_or("", |(uuid, _)| uuid);
    uuid::Uuid::try_parse(uuid).is_ok_and(|uuid| uuid.get_version_num() == 8)
}

/// A lock node's sequence as text, as kazoo's `__lock__(-?\d{10})$` finds it; none for what is no contender.
fn sequence(node: &str) -> Option<&str> {
    let digits_at = node.len().checked_sub(SEQUENCE_DIGITS)?;
    let (before, digits) = node.split_at_checked(digits_at)?;
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    if before.ends_with(LOCK) {
        return Some(digits);
    }
    let negative = before.strip_suffix('-').is_some_and(|before| before.ends_with(LOCK));
    node.get(digits_at.checked_sub(1)?..).filter(|_| negative)
}

/// The number that a lock node has in its line, where ZooKeeper counts everybody who ever joined it.
pub fn number(node: &str) -> Option<i64> {
    sequence(node)?.parse().ok()
}

/// Whoever is next before `own` in the line, nobody if `own` holds the lock. Sequences are compared as texts, as kazoo
/// does, and what is no lock node is ignored.
pub fn predecessor<'a>(children: &'a [String], own: &str) -> Option<&'a str> {
    let own = sequence(own)?;
    let earlier = children.iter().filter_map(|node| Some((sequence(node)?, node.as_str())));
    earlier.filter(|(sequence, _)| *sequence < own).max().map(|(_, node)| node)
}

/// Who holds the lock: the first in line.
pub fn holder(children: &[String]) -> Option<&str> {
    children.iter().filter_map(|node| Some((sequence(node)?, node.as_str()))).min().map(|(_, node)| node)
}

/// Everyone in the line, in no order.
pub fn contenders(children: &[String]) -> impl Iterator<Item = &str> {
    children.iter().map(String::as_str).filter(|node| sequence(node).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn children(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn the_lowest_sequence_holds_whatever_its_uuid() {
        let line = children(&["b__lock__0000000003", "c__lock__0000000001", "a__lock__0000000002", "readme"]);
        assert_eq!(holder(&line), Some("c__lock__0000000001"));
        assert_eq!(predecessor(&line, "b__lock__0000000003"), Some("a__lock__0000000002"));
        assert_eq!(predecessor(&line, "a__lock__0000000002"), Some("c__lock__0000000001"));
        assert_eq!(predecessor(&line, "c__lock__0000000001"), None);
        assert_eq!(contenders(&line).count(), 3);
    }

    #[test]
    fn only_what_kazoo_takes_for_a_contender_is_one() {
        for (name, expected) in [
            ("x__lock__0000000001", Some("0000000001")),
            ("x__lock__-2147483648", Some("-2147483648")),
            ("__lock__0000000001", Some("0000000001")),
            ("x__lock__000000001", None),
            ("x__lock__00000000011", None),
            ("x__rlock__0000000001", None),
            ("x__lock__000000000a", None),
            ("0000000001", None),
            ("", None),
        ] {
            assert_eq!(sequence(name), expected, "{name}");
        }
    }

    #[test]
    fn names_follow_from_the_nonce_and_differ() {
        let nonce = Nonce([7; 16]);
        assert_eq!(nonce.uuid(3), nonce.uuid(3));
        assert_ne!(nonce.uuid(3), nonce.uuid(4));
        assert_ne!(nonce.uuid(3), Nonce([8; 16]).uuid(3));
        assert_eq!((nonce.uuid(1).len(), nonce.short().len()), (32, 8));
    }

    #[test]
    fn our_lock_nodes_can_be_told_from_kazoos() {
        assert!(checks_siblings(&format!("{}0000000001", lock_prefix(&Nonce([1; 16]).uuid(1)))));
        assert!(!checks_siblings("0f9a3c0a5d3c4b0e9d6a0f3a1b2c3d4e__lock__0000000001"));
        assert!(!checks_siblings("readme"));
    }
}
