//! The core's sentences, in virtual time and without a process.
#![expect(clippy::wildcard_enum_match_arm, reason = "a test asks for the one action it is about")]
#![expect(clippy::large_types_passed_by_value, reason = "pages are handed in as they are written")]

mod barred;
mod changes;
mod counters;
mod fixture;
mod giving_up;
mod operator;
mod poison;
mod recovery;
mod roll;
mod starting;
