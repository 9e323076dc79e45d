//! `kafkavisor`: the supervisor and the commands around it.
//!
//! | module | for |
//! |---|---|
//! | [`cli`], [`commands`], [`exit`] | what is typed, what it does, how it ends |
//! | [`checks`] | what is found wrong before anything is connected |
//! | `core`, a package of its own | the decisions: pure |
//! | [`cluster`] | where Kafka and ZooKeeper are, by discovery too |
//! | [`shell`] | pages, sockets, signals around them |
//! | [`operate`] | the control socket, a reload, the service manager |
//! | [`observe`] | what can be seen of it |
//! | [`processes`] | workers and their guardian |
//! | [`kafka`] | what the supervisor asks Kafka |
//! | [`tokens`] | tokens for OAUTHBEARER, asked for once for all workers |

mod checks;
mod cli;
mod cluster;
mod commands;
mod exit;
mod kafka;
mod observe;
mod operate;
mod processes;
mod shell;
mod tokens;

use clap::Parser;
use clap::error::ErrorKind;
use kafkavisor_link::ending;

use crate::cli::Cli;
use crate::exit::Exit;

fn main() {
    ending::end(exit() as u8)
}

fn exit() -> Exit {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let error = cli::repeatable(error);
            // Nothing else can be done when even this can't be written.
            let _unwritable = error.print();
            let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            return if asked { Exit::Clean } else { Exit::Usage };
        }
    };
    commands::run(cli.command).unwrap_or_else(|failure| {
        commands::note(&failure.message);
        failure.exit
    })
}
