//! The configuration file and the flags that win over it, turned into a [`Config`] that can't be wrong.
//!
//! Everything is checked here, once, and every error is reported at once with its line and column ([`Errors`]). A part of
//! the contract that is not built yet is recognised and refused (`unavailable`). Whether the handler can be executed is
//! asked of the system by [`find_executable`]; nothing else here looks at the machine, apart from [`Source::read`].
//!
//! | file | holds |
//! |---|---|
//! | `source`, `document` | the text, its limits, and the YAML tree with positions |
//! | `reader`, `quantity`, `words`, `errors` | how a value is taken out of the tree, and how it is complained about |
//! | `cluster`, `discovery`, `topics`, `assignment`, `handler`, `offsets`, `lifecycle`, `logging`, `metrics`, `kafka` | one section each: type, defaults, limits, reading |
//! | `kafka_security` | what of `kafka` is for logins and TLS, and does not fit together |
//! | `security`, `secret`, `properties` | who we are to ZooKeeper and to an identity provider; secrets, and librdkafka's properties that may be some |
//! | `address` | addresses of servers |
//! | `consumer`, `became` | yelp_kafka's settings, which are defaults of other sections, and what each has become |
//! | `flags`, `load`, `assigned` | the command line, and the rules between sections |
//! | `finding`, `trying` | the part of a file that commands need; that a handler needs to be tried |
//! | `draft`, `places` | what was read, for checks that ask the machine or a library, and where each key stands |
//! | `unavailable` | what is refused because it is not built yet: one table |
//! | `render` | the resolved configuration as YAML and JSON, secrets masked |

mod address;
mod assigned;
mod assignment;
mod became;
mod cluster;
mod consumer;
mod discovery;
pub(crate) mod document;
mod draft;
pub(crate) mod errors;
mod executable;
mod finding;
mod flags;
mod handler;
mod kafka;
mod kafka_security;
mod lifecycle;
mod load;
mod logging;
mod metrics;
mod offsets;
mod places;
mod properties;
mod quantity;
pub(crate) mod reader;
mod render;
mod secret;
mod security;
pub(crate) mod source;
mod topics;
mod trying;
mod unavailable;
mod words;

#[cfg(test)]
mod tests;

#[doc(inline)]
pub use crate::offset_storage::OffsetStorage;
pub use address::{InvalidAddress, ZookeeperAddress, comma_separated};
#[cfg(any(feature = "discovery", feature = "offsets", feature = "producer"))]
pub(crate) use address::{host_port, is_host};
pub use assignment::{Assignment, GroupPathStyle};
pub use became::ConsumerNotes;
pub use cluster::{Cluster, ClusterAddress, Servers};
pub use discovery::{ClusterQuery, Discovery, WhichCluster};
pub(crate) use document::shown;
pub use draft::Draft;
pub use errors::{Error, Errors, Place};
pub use executable::{ExecutableError, find_executable};
pub use finding::Finding;
pub use flags::Flags;
pub use handler::{Batch, Delimiter, Handler, MaxInFlight, Poison, PoisonAction, Protocol};
pub use kafka_security::is_of_security;
pub use lifecycle::{Restart, Stop};
pub use load::Config;
pub use logging::{Admin, Log, LogFormat, MAX_SOCKET_PATH};
pub use metrics::{Metrics, SignalFx};
pub(crate) use offsets::RESETS;
pub use offsets::{Offsets, Reset};
pub use properties::KafkaProperties;
pub use secret::{Origin, Secret, SecretError};
pub use security::{Acl, Identity, OAuth, ZookeeperAuth, ZookeeperTls};
pub use source::Source;
pub use trying::Trying;
pub(crate) use words::nearest;
