//! The page at `/`: one file, which asks for nothing but what is served beside it.

mod policy;

use std::sync::LazyLock;

/// The page.
pub(crate) const PAGE: &str = include_str!("page.html");

/// What a browser may do with it: run its script, take its style, ask us. Nothing else, and nowhere else.
pub(crate) static POLICY: LazyLock<String> = LazyLock::new(|| policy::of(PAGE));
