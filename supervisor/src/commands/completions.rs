//! `kafkavisor completions`: scripts for shells, which ask `kafkavisor complete` what may stand where, and it asks those that run.

mod running;

use std::ffi::OsStr;
use std::fmt::Write as _;

use clap::CommandFactory as _;
use clap_complete::Shell;
use clap_complete::engine::{CompletionCandidate, complete};

pub(crate) use self::running::{group_names, instance_names, partition_names, partition_or_topic_names};
use crate::cli::{Cli, CompleteArgs};
use crate::exit::{Exit, Failure};

/// Pages of the manual.
pub(crate) fn page_names() -> Vec<CompletionCandidate> {
    let candidate = |(name, what): (String, String)| CompletionCandidate::new(name).help(Some(what.into()));
    super::man::names().into_iter().map(candidate).collect()
}

/// The script for `shell`.
pub(super) fn script(shell: Shell) -> Result<Exit, Failure> {
    let script = match shell {
        Shell::Bash => include_str!("completions/kafkavisor.bash").to_owned(),
        Shell::Zsh => include_str!("completions/kafkavisor.zsh").to_owned(),
        Shell::Fish => include_str!("completions/kafkavisor.fish").to_owned(),
        // These know the words alone.
        Shell::Elvish | Shell::PowerShell | _ => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "kafkavisor", &mut script);
            String::from_utf8_lossy(&script).into_owned()
        }
    };
    super::print(&script).map(|()| Exit::Clean)
}

/// What may stand at a place of a line: one a line, with what it is after a tab.
pub(super) fn candidates(args: &CompleteArgs) -> Result<Exit, Failure> {
    let here = std::env::current_dir().ok();
    let found = complete(&mut Cli::command(), args.words.clone(), args.at, here.as_deref());
    let is_flag = |word: &OsStr| word.as_encoded_bytes().starts_with(b"-");
    let flags = args.words.get(args.at).is_some_and(|typed| is_flag(typed));
    let mut text = String::new();
    // Flags are asked for with their dash, and are in nobody's way else.
    for candidate in found.unwrap_or_default().iter().filter(|found| flags || !is_flag(found.get_value())) {
        let help = candidate.get_help().map(ToString::to_string).unwrap_or_default();
        let help = help.lines().next().unwrap_or_default();
        // Writing to a string can't fail.
        let _written = writeln!(text, "{}\t{help}", candidate.get_value().to_string_lossy());
    }
    super::print(&text).map(|()| Exit::Clean)
}
