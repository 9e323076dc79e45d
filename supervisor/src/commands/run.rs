//! `kafkavisor run`.

use std::sync::Arc;

use kafkavisor_link::logging;

use crate::checks::{Checked, checked};
use crate::cli::RunArgs;
use crate::exit::{Exit, Failure};
use crate::shell;

pub(super) fn run(args: RunArgs) -> Result<Exit, Failure> {
    let signals = shell::listen_for_signals()?;
    let (file, flags) = args.config.sources();
    let named = args.worker_binary;
    let look = move || checked(file.as_deref(), &flags, named.as_deref());
    let Checked { mut config, command, worker } = look()?;
    config.handler.command = command;
    let load = Arc::new(move || {
        let Checked { mut config, command, .. } = look()?;
        config.handler.command = command;
        Ok(config)
    });
    logging::start(config.log.level, config.log.format, "", 0);
    shell::run(config, &worker, load, signals)
}
