//! Worker processes and the guardian that is their parent.
//!
//! | file | does |
//! |---|---|
//! | `workers` | which workers there are, what they say, when nothing of one is left |
//! | `conversation` | a worker's socket |
//! | `guardian` | starts workers, and ends what they leave, whatever becomes of the supervisor |
//! | `orphans` | what comes to the supervisor when its guardian is killed |
//! | `programs` | programs that are run for what they print |
//! | `limits` | descriptors and processes that are needed |
//! | `secrecy` | no secret in a child's environment, or in a core dump |

mod conversation;
mod guardian;
pub(crate) mod limits;
mod orphans;
pub(crate) mod programs;
pub(crate) mod secrecy;
mod workers;

pub(crate) use guardian::guard;
pub(crate) use workers::{Gone, Heard, News, Workers};
