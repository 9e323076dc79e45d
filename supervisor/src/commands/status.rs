//! `kafkavisor status`.

use std::io::IsTerminal;

use nix::poll::{PollTimeout, poll};

use super::find;
use super::table::{Style, table};
use crate::cli::StatusArgs;
use crate::exit::{Exit, Failure};
use kafkavisor_link::control::Request;

/// Clears what is behind the cursor's home position, without the flicker of clearing everything first.
const HOME: &str = "\x1b[H";
const CLEAR_BEHIND: &str = "\x1b[J";

pub(super) fn run(args: &StatusArgs) -> Result<Exit, Failure> {
    let socket = find::socket(&args.which)?;
    loop {
        let text = if args.json {
            let answer = find::asked(&socket, &Request::Status)?;
            if args.watch { format!("{answer}\n") } else { format!("{answer:#}\n") }
        } else {
            let table = table(&find::status(&socket)?, Style::of_stdout());
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
