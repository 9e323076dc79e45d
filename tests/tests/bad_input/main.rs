//! What people get wrong: command lines, files, combinations, handlers, addresses. Each case has its exit code, says what is
//! wrong where, says what to do, and leaves stdout empty. A table reports every case that fails, not only the first.
//!
//! Needs `eval "$(script/cluster env)"` where an error comes only after Kafka has answered.

#![expect(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "how a test fails")]

mod combinations;
mod command_lines;
mod control_characters;
mod discovery;
mod files;
mod programs_and_places;
mod right;
mod running;
mod servers;
