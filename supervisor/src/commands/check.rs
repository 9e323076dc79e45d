//! `kafkavisor check`: finds everything that `run` would before it connects; `--online` connects too.

use crate::cli::CheckArgs;
use crate::exit::{Exit, Failure};
use crate::shell;

pub(super) fn run(args: CheckArgs) -> Result<Exit, Failure> {
    let (file, flags) = args.config.sources()?;
    if file.is_none() && flags == kafkavisor::config::Flags::default() {
        return Err(Failure::usage("nothing to check: say -c FILE".to_owned()));
    }
    let config = super::run::load(file.as_ref(), &flags)?;
    shell::resolved(&config.handler.command)?;
    shell::check_properties(&config, file.as_ref().map(|file| file.name.as_str()))?;
    shell::membership_options(&config)?;
    if args.online {
        shell::reach(&config)?;
    }
    if args.json {
        super::print(&format!("{:#}\n", config.to_json()))?;
    } else {
        super::print(&config.to_yaml())?;
    }
    Ok(Exit::Clean)
}
