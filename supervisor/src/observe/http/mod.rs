//! What can be seen, over HTTP (`admin.http`): for browsers, probes and programs. It changes nothing.
//!
//! | file | for |
//! |---|---|
//! | `server` | the thread, and its bounds |
//! | `connections` | who gives way |
//! | `routes` | what is answered where |
//! | `host` | which Host headers are answered |
//! | `mask` | what is not shown beyond loopback |

mod connections;
mod host;
mod mask;
mod routes;
mod server;

pub(crate) use routes::Routes;
pub(crate) use server::{listen, serve};
