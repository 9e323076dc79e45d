//! A consumer group with a process for each partition: [`MultiprocessingConsumerGroup`] (feature `multiprocessing`).
//!
//! It starts `kafkavisor` as a child process and talks to it over its control socket: that one takes partitions, starts a worker and a
//! handler for each, restarts what fails and commits what is acknowledged. This process stays as it was: no signal handler is
//! installed in it, it becomes nobody's subreaper, and it gets no child but the one.
//!
//! | file | holds |
//! |---|---|
//! | `group`, `builder` | [`MultiprocessingConsumerGroup`], and how it is made |
//! | `configuration` | what the child is told, checked before it is started |
//! | `binary` | where `kafkavisor` is |
//! | `supervisor`, `said` | the child's life, and what it says on stderr |
//! | `conversation` | asking it over its control socket |
//! | `consumer` | [`Consumer`]: one partition as it tells |
//! | `callbacks`, `attending` | what is called before and after a rebalance, and by whom |
//! | `ending`, `error` | how it ended, and what can go wrong |

mod attending;
mod binary;
mod builder;
mod callbacks;
mod configuration;
mod consumer;
mod conversation;
mod ending;
mod error;
mod group;
mod said;
mod supervisor;

pub use self::builder::Builder;
pub use self::consumer::{Consumer, ConsumerState};
pub use self::ending::Ending;
pub use self::error::ConsumerGroupError;
pub use self::group::MultiprocessingConsumerGroup;
#[doc(inline)]
pub use crate::config::Protocol;
