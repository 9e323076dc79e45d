//! The group's offsets in ZooKeeper's classic layout, beside Python programs and whoever else reads it (feature `zookeeper`).
//!
//! | module | for |
//! |---|---|
//! | `layout` | which node holds what |
//! | `session` | a session of its own |
//! | `transaction` | what is written, so much at a time, and without what fails |
//! | `store` | the offsets behind the trait |

mod layout;
mod session;
mod store;
mod transaction;

pub use self::store::ZookeeperOffsets;
