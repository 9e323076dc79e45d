//! What can be seen of an instance. Nothing here changes anything, and nothing here can slow the loop.
//!
//! | file | for |
//! |---|---|
//! | `ages` | how long something lasts, in words |
//! | `board` | between the loop, which knows, and those who look |
//! | `known` | what the loop knows at one moment, in the cheapest form |
//! | `snapshot` | the same, with what the workers' pages say |
//! | `status`, `detail`, `next` | the same in the contract's shape, and in words |
//! | `events` | the last changes |
//! | `http`, `page` | the same for browsers, probes and programs |
//! | `metrics` | the same as numbers with names, for whoever draws curves |
//! | `looks` | what may be looked at, from wherever |

pub(crate) mod ages;
pub(crate) mod board;
pub(crate) mod detail;
pub(crate) mod events;
pub(crate) mod http;
pub(crate) mod known;
pub(crate) mod looks;
pub(crate) mod metrics;
pub(crate) mod next;
pub(crate) mod page;
pub(crate) mod snapshot;
pub(crate) mod status;

pub(crate) use board::Board;
pub(crate) use events::Events;
pub(crate) use looks::{Describe, Looks};
