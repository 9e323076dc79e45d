//! What the project knows of Kafka: clients and their properties, topics, where logs begin and end, fetching, the group's
//! offsets, dead letters' headers. It takes plain values, and knows nothing of configuration files and processes.
//!
//! | module | for |
//! |---|---|
//! | [`clients`] | the requests that the supervisor makes |
//! | [`dead_letter`] | what stands beside a dead-lettered message |
//! | [`fetch`] | one partition's messages, a batch at a time and without blocking |
//! | [`topics`] | topics with their ids |

pub mod clients;
pub mod dead_letter;
pub mod fetch;
pub mod topics;
