//! `kafkavisor status TOPIC:PARTITION`: one partition, for people.

use std::fmt::Write;

use kafkavisor::text::shown;
use serde_json::Value;

use super::table::{Style, grouped, number, offset};
use crate::observe::ages::{in_words, of_seconds};
use crate::observe::detail::Detail;

/// All of it, a fact a line.
pub(super) fn text(detail: &Detail, style: Style) -> String {
    let partition = &detail.partition;
    let mut text = String::new();
    let mut fact = |name: &str, value: String| {
        if !value.is_empty() {
            // Writing to a string can't fail.
            let _written = writeln!(text, "{}  {value}", style.dim(&format!("{name:>12}")));
        }
    };
    let name = format!("{}:{}", partition.topic, partition.partition);
    let since = partition.since.as_deref().map_or_else(String::new, |since| format!(" since {since}"));
    let hanging = if partition.hanging { ", hanging" } else { "" };
    fact("partition", style.bold(&name));
    fact("state", format!("{}{since}{hanging}", style.state(&partition.state, &partition.state)));
    fact(
        "why",
        partition.reason.as_deref().or(partition.commit_error.as_deref()).map(shown).unwrap_or_default(),
    );
    fact("next", partition.next.clone().unwrap_or_default());
    fact("owner", detail.owner.clone().unwrap_or_else(|| "this instance".to_owned()));
    fact("token", partition.fencing_token.map(|token| token.to_string()).unwrap_or_default());
    fact("worker", process(partition.worker_pid.map(i64::from), detail.worker_age_seconds));
    fact(
        "handler",
        process(partition.handler_pid.and_then(|pid| pid.try_into().ok()), detail.handler_age_seconds),
    );
    fact(
        "offsets",
        format!(
            "position {}, acknowledged {}, committed {}, end {}",
            offset(partition.position),
            offset(partition.acknowledged),
            offset(partition.committed),
            offset(partition.high_watermark)
        ),
    );
    fact("lag", format!("{} messages, the oldest {}", number(partition.lag), age(partition.lag_seconds)));
    fact("in flight", in_flight(detail));
    fact(
        "counted",
        format!(
            "{} messages, {} bytes, {} restarts, {} dead letters",
            grouped(partition.messages_total.try_into().unwrap_or(i64::MAX)),
            grouped(partition.bytes_total.try_into().unwrap_or(i64::MAX)),
            partition.restarts_total,
            partition.dead_lettered_total
        ),
    );
    let why = partition.reason.as_deref();
    for exit in detail.exits.iter().rev() {
        // What may be long is said once.
        let how = if why == Some(&exit.how) { "as said above".to_owned() } else { shown(&exit.how) };
        fact("exit", format!("{}  {how}", exit.at));
    }
    for line in &detail.stderr {
        fact("stderr", shown(line));
    }
    text
}

fn age(seconds: f64) -> String {
    in_words(of_seconds(seconds))
}

fn process(pid: Option<i64>, seconds: Option<f64>) -> String {
    let Some(pid) = pid else { return "none".to_owned() };
    format!("pid {pid}{}", seconds.map_or_else(String::new, |seconds| format!(", for {}", age(seconds))))
}

fn in_flight(detail: &Detail) -> String {
    let partition = &detail.partition;
    let count = grouped(partition.in_flight.try_into().unwrap_or(i64::MAX));
    let Some(head) = &detail.head else {
        return if partition.in_flight == 0 {
            count
        } else {
            format!("{count}, the oldest for {}", age(partition.oldest_in_flight_seconds))
        };
    };
    let number = |key: &str| head.get(key).and_then(Value::as_i64).unwrap_or_default();
    let key = match (head.get("key"), head.get("key_base64")) {
        (_, Some(base64)) => format!("key_base64 {base64}"),
        (Some(Value::String(key)), _) => format!("key {key:?}"),
        _ => "no key".to_owned(),
    };
    let seconds = head.get("age_seconds").and_then(Value::as_f64).unwrap_or_default();
    format!(
        "{count}, the oldest is offset {} ({key}, {} bytes) for {}, attempt {}",
        number("offset"),
        grouped(number("size")),
        age(seconds),
        number("attempt")
    )
}
