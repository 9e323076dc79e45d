//! The group's offsets in ZooKeeper's classic layout, beside Python programs and whoever else reads it (feature `zookeeper`).
//!
//! | module | for |
//! |---|---|
//! | `exchange` | changes by hand, where nobody else has changed anything meanwhile |
//! | `layout` | which node holds what |
//! | `session` | a session of its own |
//! | `transaction` | what is written, so much at a time, and without what fails |
//! | `store` | the offsets behind the trait |

mod exchange;
mod layout;
mod session;
mod store;
mod transaction;

pub use self::exchange::Seen;
pub use self::store::ZookeeperOffsets;
