//! What is wrong with authentication, certificates or listeners, by its own name: librdkafka words several of them alike, and
//! some as a mere disconnect.
//!
//! | module | for |
//! |---|---|
//! | `words` | the troubles and what to do about them |
//! | `signs` | what librdkafka says of trouble |
//! | `probe` | a look of our own at a broker |
//! | `wire` | the two requests that are asked there |
//! | `tls` | a TLS handshake of our own, and what came of it |
//! | `certificates` | the files that a side of TLS shows and trusts |
//! | `own_files` | whether the files that properties name can be used |
//! | `connection` | TCP to a server, with a deadline, and what it first said |

#[cfg(feature = "probe")]
mod certificates;
#[cfg(feature = "probe")]
mod connection;
#[cfg(feature = "probe")]
mod own_files;
#[cfg(feature = "probe")]
mod probe;
mod signs;
#[cfg(feature = "probe")]
pub mod tls;
#[cfg(feature = "probe")]
mod wire;
mod words;

#[cfg(feature = "probe")]
pub use own_files::{Unusable, unusable_files};
pub use signs::Signs;
pub(crate) use signs::look;
pub use words::Trouble;
