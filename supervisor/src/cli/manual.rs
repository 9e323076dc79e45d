//! `man`.

use std::path::PathBuf;

use clap::Args;
use clap_complete::engine::ArgValueCandidates;

use crate::commands::completions::page_names;

pub(super) const MAN_EXAMPLES: &str = "Examples:
  kafkavisor man | man -l -
  kafkavisor man offsets set | man -l -
  kafkavisor man kafkavisor.yaml | man -l -
  kafkavisor man --dir /usr/local/share/man";

/// `man`.
#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// Of which command, such as `offsets set`, or kafkavisor.yaml, the configuration's [default: kafkavisor's own]
    #[arg(value_name = "PAGE", add = ArgValueCandidates::new(page_names))]
    pub(crate) page: Vec<String>,
    /// Write all pages below this folder, into man1 and man5
    #[arg(long, value_name = "FOLDER", conflicts_with = "page")]
    pub(crate) dir: Option<PathBuf>,
}
