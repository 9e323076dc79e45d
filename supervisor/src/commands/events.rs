//! `kafkavisor events`: what happened last, newest last, and with `--follow` what happens.

use kafkavisor::text::shown;
use serde::Deserialize;

use super::find;
use super::table::Style;
use crate::cli::EventsArgs;
use crate::exit::{Exit, Failure};
use crate::operate::asking::Conversation;
use kafkavisor_link::control::Request;

/// An event as any version may print it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Event {
    time: String,
    topic: Option<String>,
    partition: Option<i32>,
    event: String,
    reason: Option<String>,
    by: Option<String>,
}

pub(super) fn run(args: &EventsArgs) -> Result<Exit, Failure> {
    let socket = find::socket(&args.which)?;
    let request = Request::Events { count: args.count, follow: args.follow };
    let nobody = |error| find::nobody(&socket, &error);
    if args.follow {
        // Whoever answers once is listened to for as long as it takes.
        find::status(&socket)?;
    }
    let mut told = Conversation::begin(&socket, &request).map_err(nobody)?;
    if args.follow {
        told.wait_for_ever().map_err(nobody)?;
    }
    let style = Style::of_stdout();
    while let Some(line) = told.line().map_err(nobody)? {
        let value = find::not_refused(&socket, serde_json::from_str(&line).unwrap_or_default())?;
        let text = if args.json { line } else { in_words(&find::read(&socket, value)?, style) };
        if !super::print_more(&text)? {
            break;
        }
    }
    Ok(Exit::Clean)
}

/// A line for people.
pub(super) fn in_words(event: &Event, style: Style) -> String {
    let whose = match (&event.topic, event.partition) {
        (Some(topic), Some(partition)) => format!(" {topic}:{partition}"),
        _ => String::new(),
    };
    let reason = event.reason.as_deref().map_or_else(String::new, |reason| format!(": {}", shown(reason)));
    let by = event.by.as_deref().map_or_else(String::new, |by| format!(" (asked for by {})", shown(by)));
    format!("{}{whose} {}{reason}{by}\n", style.dim(&event.time), style.bold(&event.event))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_why_and_who() {
        let event: Event = serde_json::from_str(
            r#"{"time":"2026-01-01T00:00:00.000Z","topic":"orders","partition":3,"event":"pause","reason":"paused\n","by":"user 0"}"#,
        )
        .unwrap();
        let line = in_words(&event, Style { colour: false });
        assert_eq!(line, "2026-01-01T00:00:00.000Z orders:3 pause: paused\\n (asked for by user 0)\n");
    }
}
