//! What is wrong with authentication, certificates or rights, by its own name: librdkafka words several of them alike, and
//! some as a mere disconnect.
//!
//! | module | for |
//! |---|---|
//! | `connection` | TCP to a server, with a deadline, and what it first said |
//! | `tls` | a TLS handshake of our own, and what came of it |
//! | `certificates` | the files that a side of TLS shows and trusts |

#[cfg(feature = "probe")]
mod certificates;
#[cfg(feature = "probe")]
mod connection;
#[cfg(feature = "probe")]
pub mod tls;
