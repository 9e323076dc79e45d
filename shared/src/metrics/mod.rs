//! Figures of a program, sent to where curves are drawn.
//!
//! | file | for |
//! |---|---|
//! | `datapoint` | one number of one series, and how SignalFx wants many of them |
//! | `sender` | a bounded queue and the thread that empties it |
//! | `exchange` | one request and what its answer means |

mod datapoint;
mod exchange;
mod sender;

pub use datapoint::{Datapoint, Kind, Number};
pub use sender::{SignalFx, Target};
