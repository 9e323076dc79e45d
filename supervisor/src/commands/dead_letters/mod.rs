//! `kafkavisor dead-letters`: what could not be handled is looked at, sent back, or let go.
//!
//! | module | for |
//! |---|---|
//! | [`target`] | which topic is meant, and that Kafka is reached |
//! | [`reading`] | one partition's letters, up to where its log ended |
//! | [`choice`] | which letters are meant |
//! | [`look`] | `list`, `show` |
//! | [`print`] | how a letter is printed |
//! | [`change`] | `redrive`, `discard`: letters in order, and the position behind them |
//! | [`positions`] | how far the position may go |
//! | [`sender`] | a message on its way back |
//! | [`interrupt`] | an end before the last letter |
//! | [`pace`] | no faster than that |
//! | [`progress`] | a line on a terminal |

mod change;
mod choice;
mod interrupt;
mod look;
mod pace;
mod positions;
mod print;
mod progress;
mod reading;
mod sender;
mod target;

use crate::cli::DeadLettersCommand;
use crate::exit::{Exit, Failure};

/// Does what was typed.
pub(super) fn run(command: &DeadLettersCommand) -> Result<Exit, Failure> {
    match command {
        DeadLettersCommand::List(args) => look::list(args),
        DeadLettersCommand::Show(args) => look::show(args),
        DeadLettersCommand::Redrive(args) => change::redrive(args),
        DeadLettersCommand::Discard(args) => change::discard(args),
    }
}
