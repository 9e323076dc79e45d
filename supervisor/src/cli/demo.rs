//! `demo`.

use clap::{Args, ValueHint};

pub(super) const DEMO_EXAMPLES: &str = "Examples:
  kafkavisor demo
  kafkavisor demo --seconds 20 -- ./my-handler.py
  kafkavisor demo --http 127.0.0.1:9464";

/// `demo`.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// How long it lasts; with --http, how often a worker is killed
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u64).range(4..=3600))]
    pub(crate) seconds: u64,
    /// Serve the page here too, such as 127.0.0.1:9464, and go on until stopped; port 0: any that is free
    #[arg(long, value_name = "ADDR")]
    pub(crate) http: Option<String>,
    /// A handler of yours instead of the sample
    #[arg(last = true, value_name = "HANDLER", value_hint = ValueHint::AnyPath)]
    pub(crate) handler: Vec<String>,
}
