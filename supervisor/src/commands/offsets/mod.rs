//! `kafkavisor offsets`: a group's offsets, in Kafka and in ZooKeeper.
//!
//! | module | for |
//! |---|---|
//! | [`target`] | which group is meant, and that Kafka is reached |
//! | [`look`] | what there is: `get`, and `lag` with it |
//! | [`wanted`] | where offsets go: `set`, `rewind`, `advance`, `restore` |
//! | [`change`] | a change: what is refused, done, and noticed afterwards |
//! | [`live`] | who is in the group and would commit over it |
//! | [`file`] | `save`, and the file that `restore` reads |
//! | [`parts`] | a question about many partitions |

mod change;
mod file;
mod live;
pub(super) mod look;
mod parts;
pub(super) mod target;
pub(super) mod wanted;

use crate::cli::OffsetsCommand;
use crate::exit::{Exit, Failure};

/// Does what was typed.
pub(super) fn run(command: &OffsetsCommand) -> Result<Exit, Failure> {
    match command {
        OffsetsCommand::Get(args) => look::show(args, |_, _| String::new()),
        OffsetsCommand::Set(args) => wanted::set(args),
        OffsetsCommand::Rewind(args) => wanted::rewind(args),
        OffsetsCommand::Advance(args) => wanted::advance(args),
        OffsetsCommand::Save(args) => file::save(args),
        OffsetsCommand::Restore(args) => file::restore(args),
    }
}
