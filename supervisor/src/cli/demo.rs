//! `demo`.

use clap::Args;

pub(super) const DEMO_EXAMPLES: &str = "Examples:
  kafkavisor demo
  kafkavisor demo --seconds 20 -- ./my-handler.py";

/// `demo`.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// How long it lasts
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u64).range(4..=3600))]
    pub(crate) seconds: u64,
    /// A handler of yours instead of the sample
    #[arg(last = true, value_name = "HANDLER")]
    pub(crate) handler: Vec<String>,
}
