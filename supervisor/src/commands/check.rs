//! `kafkavisor check`: finds everything that `run` would before it connects; `--online` connects too.

use kafkavisor::config::Flags;

use crate::checks::checked;
use crate::cli::CheckArgs;
use crate::exit::{Exit, Failure};
use crate::shell;

pub(super) fn run(args: CheckArgs) -> Result<Exit, Failure> {
    let (file, flags) = args.config.sources();
    if file.is_none() && flags == Flags::default() {
        return Err(Failure::usage("nothing to check: say -c FILE".to_owned()));
    }
    let config = checked(file.as_deref(), &flags, args.worker_binary.as_deref())?.config;
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
