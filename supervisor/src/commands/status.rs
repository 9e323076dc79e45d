//! `kafkavisor status`.

use std::io::IsTerminal;

use nix::poll::{PollTimeout, poll};

use super::table::{Style, is_dumb, room, table};
use super::{detail, find, watch};
use crate::cli::StatusArgs;
use crate::exit::{Exit, Failure};
use kafkavisor::ids::TopicPartition;
use kafkavisor_link::control::{Request, Selector};

pub(super) fn run(args: &StatusArgs) -> Result<Exit, Failure> {
    let socket = find::socket(&args.which)?;
    if args.watch && !args.json && on_a_terminal() {
        return watch::run(&socket, args.partition.clone());
    }
    let one = |key: &TopicPartition| Selector { topic: key.topic.clone(), partition: Some(key.partition) };
    let request = Request::Status { partition: args.partition.as_ref().map(one) };
    loop {
        let text = if args.json {
            let answer = find::asked(&socket, &request)?;
            if args.watch { format!("{answer}\n") } else { format!("{answer:#}\n") }
        } else if args.partition.is_none() {
            table(&find::status(&socket)?, Style::of_stdout(), room())
        } else {
            let detail = find::read(&socket, find::asked(&socket, &request)?)?;
            detail::text(&detail, Style::of_stdout())
        };
        let read = super::print_more(&text)?;
        if !args.watch || !read {
            return Ok(Exit::Clean);
        }
        let _a_second = poll(&mut [], PollTimeout::from(1000u16));
    }
}

/// One that keys come from, and that can be drawn on.
fn on_a_terminal() -> bool {
    std::io::stdout().is_terminal() && std::io::stdin().is_terminal() && !is_dumb()
}
