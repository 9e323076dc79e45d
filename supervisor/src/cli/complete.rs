//! `complete`, which the scripts of `completions` ask.

use std::ffi::OsString;

use clap::Args;

/// `complete`.
#[derive(Debug, Args)]
pub(crate) struct CompleteArgs {
    /// Which word is to be completed, from 0
    #[arg(value_name = "INDEX")]
    pub(crate) at: usize,
    /// The line as far as it is typed, the program's name first
    #[arg(last = true, value_name = "WORD")]
    pub(crate) words: Vec<OsString>,
}
