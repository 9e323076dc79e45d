//! What was typed wrong, as it is repeated to whoever typed it.

use clap::error::{ContextKind, ContextValue, Error};
use clap::{Command, CommandFactory as _};
use kafkavisor::text;

use super::Cli;

/// The error with the arguments in it on one line, and without what a terminal would obey.
pub(crate) fn repeatable(error: Error) -> Error {
    let mut error = without_hidden(error);
    let repeated: Vec<_> = error.context().filter_map(|(kind, value)| Some((kind, shown(value)?))).collect();
    if !repeated.is_empty() {
        // A proposal holds an argument as it was typed, between escape sequences of clap's own.
        let _proposal = error.insert(ContextKind::Suggested, ContextValue::None);
    }
    for (kind, value) in repeated {
        let _typed = error.insert(kind, value);
    }
    error
}

/// Commands that nobody types are proposed to nobody.
fn without_hidden(error: Error) -> Error {
    let Some(ContextValue::Strings(proposed)) = error.get(ContextKind::SuggestedSubcommand) else {
        return error;
    };
    let command = Cli::command();
    let is_hidden = |name: &String| command.find_subcommand(name).is_some_and(Command::is_hide_set);
    let known: Vec<_> = proposed.iter().filter(|name| !is_hidden(name)).cloned().collect();
    // What is in it once can't be taken out again.
    let mut without = Error::new(error.kind()).with_cmd(&command);
    for (kind, value) in error.context().filter(|(kind, _)| *kind != ContextKind::SuggestedSubcommand) {
        let _none_before = without.insert(kind, value.clone());
    }
    if !known.is_empty() {
        let _none_before = without.insert(ContextKind::SuggestedSubcommand, ContextValue::Strings(known));
    }
    without
}

/// None where nothing in it needs writing out.
fn shown(value: &ContextValue) -> Option<ContextValue> {
    let raw = |given: &String| given.contains(char::is_control);
    if let ContextValue::String(given) = value {
        return raw(given).then(|| ContextValue::String(text::named(given)));
    }
    if let ContextValue::Strings(given) = value {
        return given.iter().any(raw).then(|| ContextValue::Strings(given.iter().map(text::named).collect()));
    }
    None
}
