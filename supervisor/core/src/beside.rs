//! A map beside another one: asked for keys in order, it is gone through once, however many there are.

use std::cmp::Ordering;
use std::collections::{BTreeMap, btree_map};
use std::iter::Peekable;

/// See the module.
#[derive(Debug)]
pub struct Beside<'a, K, V> {
    entries: Peekable<btree_map::Iter<'a, K, V>>,
}

impl<'a, K: Ord, V> Beside<'a, K, V> {
    pub fn new(map: &'a BTreeMap<K, V>) -> Self {
        Self { entries: map.iter().peekable() }
    }

    /// What stands under `key`, which lies behind those that were asked for before.
    pub fn get(&mut self, key: &K) -> Option<&'a V> {
        loop {
            match self.entries.peek()?.0.cmp(key) {
                Ordering::Less => self.entries.next(),
                Ordering::Equal => return self.entries.next().map(|(_, value)| value),
                Ordering::Greater => return None,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_finds_what_stands_under_it_whatever_lies_between() {
        let map = BTreeMap::from([(2, 'b'), (3, 'c'), (5, 'e'), (7, 'g')]);
        let mut beside = Beside::new(&map);
        let found: Vec<_> = [1, 2, 4, 5, 6, 7, 8].iter().map(|key| beside.get(key).copied()).collect();
        assert_eq!(found, [None, Some('b'), None, Some('e'), None, Some('g'), None]);
    }
}
