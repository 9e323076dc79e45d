//! `kafkavisor status`.

use std::io::IsTerminal;

use nix::poll::{PollTimeout, poll};

use super::table::{Style, table};
use super::{detail, find};
use crate::cli::StatusArgs;
use crate::exit::{Exit, Failure};
use kafkavisor::ids::TopicPartition;
use kafkavisor_link::control::{Request, Selector};

/// Clears what is behind the cursor's home position, without the flicker of clearing everything first.
const HOME: &str = "\x1b[H";
const CLEAR_BEHIND: &str = "\x1b[J";

pub(super) fn run(args: &StatusArgs) -> Result<Exit, Failure> {
    let socket = find::socket(&args.which)?;
    let one = |key: &TopicPartition| Selector { topic: key.topic.clone(), partition: Some(key.partition) };
    let request = Request::Status { partition: args.partition.as_ref().map(one) };
    loop {
        let text = if args.json {
            let answer = find::asked(&socket, &request)?;
            if args.watch { format!("{answer}\n") } else { format!("{answer:#}\n") }
        } else {
            let table = if args.partition.is_none() {
                table(&find::status(&socket)?, Style::of_stdout())
            } else {
                let detail = find::read(&socket, find::asked(&socket, &request)?)?;
                detail::text(&detail, Style::of_stdout())
            };
            let live = args.watch && std::io::stdout().is_terminal();
            if live { format!("{HOME}{}{CLEAR_BEHIND}", table.replace('\n', "\x1b[K\n")) } else { table }
        };
        super::print(&text)?;
        if !args.watch {
            return Ok(Exit::Clean);
        }
        let _a_second = poll(&mut [], PollTimeout::from(1000u16));
    }
}
