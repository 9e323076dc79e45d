//! A small ZooKeeper and a group of members in virtual time, for tests (feature `testing`).
//!
//! [`zookeeper`] is the server: sessions, ephemeral and sequential nodes, one-shot watches. [`group`] puts [`player`]s on it
//! and does to them, from a seed, what networks do: delays, reordering between members, lost answers, disconnections,
//! expiries; after every step it checks that no partition has two owners. A bigger simulator can take either.

pub mod group;
pub mod player;
pub mod random;
pub mod zookeeper;
