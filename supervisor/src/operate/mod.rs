//! How an instance is operated while it runs.
//!
//! | file | for |
//! |---|---|
//! | `control`, `asked`, `silent` | the control socket, what is asked of the loop, and who gives way there |
//! | `asking` | the other side of it |
//! | `attending` | a conversation with one who attends the rebalances |
//! | `reload` | HUP |
//! | `service` | what systemd is told |

pub(crate) mod asked;
pub(crate) mod asking;
pub(crate) mod attending;
pub(crate) mod control;
pub(crate) mod reload;
pub(crate) mod service;
mod silent;
