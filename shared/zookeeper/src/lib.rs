//! How ZooKeeper is reached, for whoever speaks to it: sessions over TLS and with a name, what is wrong where there is none, and
//! which right is missing where a node is refused.
//!
//! | module | for |
//! |---|---|
//! | [`ensemble`] | where it is, who we are to it, and sessions with it |
//! | [`tls`] | the files that TLS takes |
//! | [`trouble`] | what is wrong with certificates and authentication, by name |
//! | `look` | finding that out at a server: ZooKeeper's client does not say |
//! | [`nodes`] | what is refused about a node, and folders |
//! | [`rights`] | which right will be missing, found out without changing anything |

pub mod ensemble;
mod look;
pub mod nodes;
pub mod rights;
pub mod tls;
pub mod trouble;

pub use self::ensemble::{Access, ConnectError, Ensemble, Login};
pub use self::nodes::{NodeError, Right};
pub use self::tls::{FileError, TlsFiles};
pub use self::trouble::Trouble;
