//! `kafkavisor run`.

use kafkavisor::config::{Config, Errors, Flags, Source};
use kafkavisor_link::logging;

use crate::cli::RunArgs;
use crate::exit::{Exit, Failure};
use crate::shell;

pub(super) fn run(args: RunArgs) -> Result<Exit, Failure> {
    let (file, flags) = args.config.sources()?;
    let config = load(file.as_ref(), &flags)?;
    shell::check_properties(&config, file.as_ref().map(|file| file.name.as_str()))?;
    let worker = shell::worker_binary(args.worker_binary)?;
    logging::start(config.log.level, config.log.format, "", 0);
    shell::run(config, &worker)
}

pub(super) fn load(file: Option<&Source>, flags: &Flags) -> Result<Config, Failure> {
    Config::load(file, flags).map_err(|errors: Errors| {
        let message = errors.to_string();
        if errors.only_flags() { Failure::usage(message) } else { Failure::configuration(message) }
    })
}
