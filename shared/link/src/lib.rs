//! What `kafkavisor` and `kafkavisor-worker` share and nobody else sees.
//!
//! | module | for |
//! |---|---|
//! | [`page`] | one page of shared memory a partition: how far it is, read without a system call |
//! | [`attempts`] | how often a message was in flight when its handler died |
//! | [`message`] | what is said over the socket between the two |
//! | [`trace`] | ... by a worker that is watched message by message |
//! | [`lines`] | ... as lines |
//! | [`control`] | what operators say over the control socket |
//! | [`process`] | ending and reaping groups and descendants |
//! | [`inherited`] | what children inherit, and what our parent left us |
//! | [`core_dumps`] | none of a process that holds secrets |
//! | [`ending`] | at once, whatever the threads are about |
//! | [`panics`] | a thread that panics ends its process |
//! | [`truncation`] | pages whose file is cut short |
//! | [`logging`] | log lines that never block the loop that writes them |

pub mod attempts;
pub mod control;
pub mod core_dumps;
pub mod ending;
pub mod inherited;
pub mod lines;
pub mod logging;
pub mod message;
pub mod page;
pub mod panics;
pub mod process;
pub mod trace;
pub mod truncation;
