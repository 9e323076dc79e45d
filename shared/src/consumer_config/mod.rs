//! What a consumer is configured with: yelp_kafka's `KafkaConsumerConfig`, under its own names.
//!
//! | file | holds |
//! |---|---|
//! | `option` | the options, by their names and by the old ones |
//! | `values` | what each may be, and its default |
//! | `given` | options as they are given one by one: the new name's value wins |
//! | `config`, `builder` | the configuration and what it becomes elsewhere; how it is made |
//! | `error` | what can be wrong |
//!
//! The configuration file's `consumer:` takes the same options ([`crate::config`]); callbacks are no values, and belong to the
//! consumer groups that call them.

mod builder;
mod config;
mod error;
mod given;
mod option;
mod values;

#[cfg(test)]
mod tests;

#[doc(inline)]
pub use crate::config::Reset;
pub use builder::Builder;
pub use config::{KafkaConsumerConfig, follows_naming_convention};
pub use error::{ConfigurationError, Deprecated};
pub(crate) use given::{Given, NotSet};
pub(crate) use option::ConsumerOption;
pub(crate) use values::Values;
