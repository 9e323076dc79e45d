//! `kafkavisor stop`: asks, waits until the instance has ended, and says how.

use kafkavisor::text::named;
use kafkavisor_link::control::Request;
use serde_json::Value;

use super::find;
use crate::cli::StopArgs;
use crate::exit::{Exit, Failure};
use crate::operate::asking::Conversation;

pub(super) fn run(args: &StopArgs) -> Result<Exit, Failure> {
    let socket = find::socket(&args.which)?;
    let nobody = |error| find::nobody(&socket, &error);
    let mut told = Conversation::begin(&socket, &Request::Stop { now: args.now }).map_err(nobody)?;
    let parsed = |line: String| serde_json::from_str::<Value>(&line).unwrap_or_default();
    let answer = told.line().map_err(nobody)?.map(parsed).unwrap_or_default();
    find::not_refused(&socket, answer)?;
    // As long as a drain is configured to take.
    told.wait_for_ever().map_err(nobody)?;
    let end = told.line().ok().flatten().map(parsed);
    match end.as_ref().and_then(|end| end.get("exit")).and_then(Value::as_u64) {
        Some(0) => super::print("stopped\n").map(|()| Exit::Clean),
        Some(exit) if exit == Exit::CutShort as u64 => super::print(
            "stopped; the drain was cut short: what was in flight comes again, to whoever has its partition next\n",
        )
        .map(|()| Exit::CutShort),
        _ => Err(Failure::failed(format!(
            "the supervisor at {} has ended without a word of how: see its log",
            named(socket.display())
        ))),
    }
}
