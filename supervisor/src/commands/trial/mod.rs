//! `kafkavisor try`: a handler on real messages, or on a file's, with nothing committed; and through trouble that is made for it.
//!
//! A very small supervisor around the real worker: what a handler sees is what it will see.
//!
//! | file | holds |
//! |---|---|
//! | `source`, `messages` | which messages, of Kafka or of a file |
//! | `stage` | a worker, led and watched |
//! | `place` | its status page |
//! | `ledger` | what was given and answered, and what is wrong with that: pure |
//! | `fault` | ... in words |
//! | `injection` | crash, hang, redeliver, stop, flush |
//! | `report` | what is printed |

mod fault;
mod injection;
mod ledger;
mod messages;
mod place;
mod report;
mod source;
mod stage;

use kafkavisor::clock::now;
use kafkavisor::config::Trying;
use kafkavisor::protocol::StopReason;
use kafkavisor_link::trace::Trace;

use self::injection::Scene;
use self::ledger::Ledger;
use self::place::Place;
use self::report::{Nobody, Report};
use self::source::Source;
use self::stage::{Stage, Trouble};
use super::identity::WITHIN;
use crate::checks::{check_identity, resolved, worker_binary};
use crate::cli::{Injection, TryArgs};
use crate::exit::{Exit, Failure};
use crate::processes::secrecy;
use crate::tokens;

/// Said of a run that somebody ended.
const INTERRUPTED: &str = "interrupted";

pub(super) fn run(args: &TryArgs) -> Result<Exit, Failure> {
    let trying = trying(args)?;
    let worker = worker_binary(args.worker_binary.as_deref()).map_err(Failure::configuration)?;
    let source = source(args, &trying)?;
    if source.is_empty() {
        return nothing_to_try(args, &source);
    }
    let token = tokens::log_in(trying.who.identity(), now() + WITHIN)?;
    let mut stage = Stage::new(trying, token, &worker)?;
    let mut report = Report::new(args.json);
    let performed = perform(args, &mut stage, &source, &mut report);
    stage.end();
    performed?;
    report.finish()
}

/// Nothing is tested: that is no success.
fn nothing_to_try(args: &TryArgs, source: &Source) -> Result<Exit, Failure> {
    let (partition, begin) = (&source.partition, source.begin);
    let why = if args.file.is_some() {
        format!("no message to try: the file has none from offset {begin} on; leave --offset out")
    } else {
        format!(
            "no message to try: there is none in {partition} from offset {begin} on; with --offset latest --count N those that come are waited for"
        )
    };
    let mut report = Report::new(args.json);
    report.summary(Some(&why));
    for kind in in_order(&args.inject) {
        report.injected(kind, Err("not tried, for there is no message"));
    }
    report.finish()
}

/// The handler and its limits, everything that is wrong with them at once.
fn trying(args: &TryArgs) -> Result<Trying, Failure> {
    let mut found = None;
    let trying = Trying::load(args.config.as_deref(), &args.flags(), |draft| {
        check_identity(draft);
        if let Some(command) = draft.command.clone() {
            match resolved(&command) {
                Ok(command) => found = Some(command),
                Err(message) => draft.refuse_value("handler.command", &message),
            }
        }
    });
    let mut trying = trying.map_err(|errors| {
        let message = errors.to_string();
        if errors.only_flags() { Failure::usage(message) } else { Failure::configuration(message) }
    })?;
    trying.handler.command = found.unwrap_or_default();
    secrecy::keep(trying.who.identity());
    Ok(trying)
}

fn source(args: &TryArgs, trying: &Trying) -> Result<Source, Failure> {
    let which = (args.offset, args.count);
    match (&args.file, &args.brokers, &args.partition) {
        (Some(file), ..) => Source::file(file, which),
        (None, Some(brokers), Some(partition)) => Source::kafka(brokers, partition, which, &trying.who),
        (None, ..) => Err(Failure::usage("whose messages? say -b and -t, or --file".to_owned())),
    }
}

/// The run that is not disturbed, then trouble, kind by kind.
fn perform(args: &TryArgs, stage: &mut Stage, source: &Source, report: &mut Report) -> Result<(), Failure> {
    let failed = match undisturbed(stage, source, report) {
        Ok(()) => None,
        Err(Trouble::Fault(fault)) => Some(fault.to_string()),
        Err(Trouble::Interrupted) => Some(INTERRUPTED.to_owned()),
        Err(Trouble::Failed(failure)) => return Err(failure),
    };
    report.summary(failed.as_deref());
    if failed.as_deref() == Some(INTERRUPTED) {
        return Ok(());
    }
    for kind in in_order(&args.inject) {
        if report.again().is_empty() {
            report.injected(kind, Err("not tried, for undisturbed it answered no message"));
            continue;
        }
        match injected(kind, stage, source, report) {
            Ok(detail) => report.injected(kind, Ok(&detail)),
            Err(Trouble::Fault(fault)) => report.injected(kind, Err(&fault.to_string())),
            Err(Trouble::Interrupted) => {
                report.injected(kind, Err(INTERRUPTED));
                return Ok(());
            }
            Err(Trouble::Failed(failure)) => return Err(failure),
        }
    }
    Ok(())
}

/// Each kind once, as they were typed.
fn in_order(kinds: &[Injection]) -> Vec<Injection> {
    let mut once = Vec::new();
    for kind in kinds {
        if !once.contains(kind) {
            once.push(*kind);
        }
    }
    once
}

/// All messages, to a handler that is left in peace.
fn undisturbed(stage: &mut Stage, source: &Source, report: &mut Report) -> Result<(), Trouble> {
    let (open, place) = (source.open()?, Place::new(source.begin)?);
    let trace = Trace { until: source.until, count: source.count, hold: None };
    let nothing = Trace { until: source.begin, ..trace };
    let mut live = stage.start((source, &open), &place, nothing, report);
    let done = live
        .begin(trace)
        .and_then(|()| live.wait(Ledger::is_done))
        .and_then(|()| live.stop(StopReason::Shutdown));
    let left: Vec<_> = live.ledger.open().cloned().collect();
    drop(live);
    report.unanswered(left.iter());
    done
}

/// Makes this trouble; what was borne.
fn injected(
    kind: Injection,
    stage: &mut Stage,
    source: &Source,
    report: &mut Report,
) -> Result<String, Trouble> {
    let offsets = report.again().to_vec();
    Scene { stage, source, offsets: &offsets, audience: &mut Nobody }.inject(kind)
}
