//! How an instance is operated while it runs.
//!
//! | file | for |
//! |---|---|
//! | `control`, `silent` | the control socket, and who gives way there |
//! | `reload` | HUP |
//! | `service` | what systemd is told |

pub(crate) mod control;
pub(crate) mod reload;
pub(crate) mod service;
mod silent;
