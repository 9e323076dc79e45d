//! Where Kafka and ZooKeeper are: as the configuration names them, or as discovery says, at start and while it runs.
//!
//! | file | does |
//! |---|---|
//! | `question` | asks discovery for the configured cluster, once |
//! | `find` | finds the cluster's servers at start, in time; what files alone say of them |
//! | `watch` | what an answer means while it runs: pure |
//! | `follow` | asks again and again, on a thread that nothing else waits for |

mod find;
mod follow;
mod question;
mod watch;

pub(crate) use find::{servers, servers_in_files};
pub(crate) use follow::{Followed, follow};
