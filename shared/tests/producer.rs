//! Producers against librdkafka's own stand-in for a cluster, which fails as it is told to.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

#[path = "producer/faults.rs"]
mod faults;
#[path = "producer/figures.rs"]
mod figures;
#[path = "producer/mock.rs"]
mod mock;
#[path = "producer/spans.rs"]
mod spans;
