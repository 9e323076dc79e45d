//! Fuzz targets: one plain function for every parser that reads bytes from outside, with assertions of what must hold whatever
//! the bytes are. They know nothing of an engine.
//!
//! `script/fuzz` runs them under libFuzzer (`engine.rs`, feature `engine`). What that found worth keeping lies in
//! `corpus/TARGET/`, and the ordinary tests run all of it, with some damage done to it, on every build.

mod input;
#[cfg(test)]
mod replay;
mod targets;

pub use targets::{TARGETS, Target};
