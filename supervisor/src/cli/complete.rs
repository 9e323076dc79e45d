//! `complete`, which the scripts of `completions` ask.

use std::ffi::OsString;

use clap::Args;
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};

/// What may stand where only a few words may.
pub(super) fn words(words: &'static [&'static str]) -> ArgValueCandidates {
    ArgValueCandidates::new(|| words.iter().map(CompletionCandidate::new).collect::<Vec<_>>())
}

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
