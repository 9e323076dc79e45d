//! `kafkavisor run`.

use std::sync::Arc;

use kafkavisor::config::{Config, Errors, Flags, Source};
use kafkavisor_link::logging;

use crate::cli::{ConfigArgs, RunArgs};
use crate::exit::{Exit, Failure};
use crate::shell;

pub(super) fn run(args: RunArgs) -> Result<Exit, Failure> {
    let signals = shell::listen_for_signals()?;
    let sources = args.config;
    let checked = Arc::new(move || checked(sources.clone()));
    let config = checked()?;
    let worker = shell::worker_binary(args.worker_binary)?;
    logging::start(config.log.level, config.log.format, "", 0);
    shell::run(config, &worker, checked, signals)
}

/// The configuration, with everything found wrong that can be without connecting; its handler is a path.
fn checked(args: ConfigArgs) -> Result<Config, Failure> {
    let (file, flags) = args.sources()?;
    let mut config = load(file.as_ref(), &flags)?;
    shell::check_properties(&config, file.as_ref().map(|file| file.name.as_str()))?;
    config.handler.command = shell::resolved(&config.handler.command)?;
    Ok(config)
}

pub(super) fn load(file: Option<&Source>, flags: &Flags) -> Result<Config, Failure> {
    Config::load(file, flags).map_err(|errors: Errors| {
        let message = errors.to_string();
        if errors.only_flags() { Failure::usage(message) } else { Failure::configuration(message) }
    })
}
