//! The words of the field as types, for the packages that the library is built on. Everybody else has them through `kafkavisor`.
//!
//! | module | for |
//! |---|---|
//! | [`ids`] | topic, partition, offset, generation, fencing token |
//! | [`message`] | what a handler is told |
//! | [`clock`] | the one place where clocks are read |
//! | [`rfc3339`] | times as people write them |
//! | [`text`] | texts from outside: bounded, and without raw control characters |
//! | [`token`] | tokens for OAUTHBEARER |

pub mod clock;
pub mod ids;
pub mod message;
pub mod rfc3339;
pub mod text;
pub mod token;
