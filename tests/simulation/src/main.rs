//! `kafkavisor-simulate`: runs schedules of the simulated group, many at once or one with everything that happens in it.
//! Started by `script/simulate`, which says how to use it.

use std::io::{IsTerminal, Write, stderr, stdout};
use std::process::ExitCode;

use kafkavisor_simulation::{
    Detail, Outcome, Performance, Scenario, UNREACHED, marks, run, run_many, scenarios,
};

const USAGE: &str = "\
usage: script/simulate [--seeds N] [--first S]    run the schedules S to S + N - 1 (default: 10000 from 0)
       script/simulate --seed S                   run one schedule and print all that happens in it
       script/simulate --scenarios                play all scenarios; list them, their marks, and the marks that none reaches
       script/simulate --scenario NAME            play one and print all that happens in it

A schedule is a group of supervisors, workers, handlers and Python members in virtual time, and the faults that its number
decides. After every step the invariants of the design are checked; then faults end, and the group must come to rest.

A scenario is a group and steps that somebody chose, and what must come of them.

exit codes: 0 all invariants hold; 1 one is broken (its seed, step and last events are printed); 64 bad command line
";
/// Events shown of a schedule that broke an invariant.
const LAST: usize = 60;

enum Command {
    Many { first: u64, count: u64 },
    One(u64),
    Scenarios,
    Scenario(&'static Scenario),
    Help,
}

fn main() -> ExitCode {
    match command(std::env::args().skip(1)) {
        Ok(Command::Help) => say(USAGE),
        Ok(Command::One(seed)) => one(seed),
        Ok(Command::Scenarios) => all_scenarios(),
        Ok(Command::Scenario(scenario)) => one_scenario(scenario),
        Ok(Command::Many { first, count }) => many(first, count),
        Err(error) => {
            let _nobody_reads = writeln!(stderr(), "simulate: {error} (see script/simulate --help)");
            ExitCode::from(64)
        }
    }
}

fn command(mut arguments: impl Iterator<Item = String>) -> Result<Command, String> {
    let (mut first, mut count, mut seed) = (None, None, None);
    while let Some(argument) = arguments.next() {
        let (name, value) = match argument.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (argument, None),
        };
        let slot = match name.as_str() {
            "--help" | "-h" => return Ok(Command::Help),
            "--scenarios" => return Ok(Command::Scenarios),
            "--scenario" => return named(value.or_else(|| arguments.next())).map(Command::Scenario),
            "--seeds" => &mut count,
            "--first" => &mut first,
            "--seed" => &mut seed,
            _ => return Err(format!("no such option: {name}")),
        };
        let value = value.or_else(|| arguments.next()).ok_or_else(|| format!("{name} needs a number"))?;
        *slot = Some(value.parse().map_err(|_| format!("{name} needs a number, not {value:?}"))?);
    }
    match (seed, first, count) {
        (Some(seed), None, None) => Ok(Command::One(seed)),
        (Some(_), ..) => Err("--seed is one schedule: it goes with no other option".to_owned()),
        (None, _, Some(0)) => Err("--seeds needs a number above 0".to_owned()),
        (None, first, count) => {
            Ok(Command::Many { first: first.unwrap_or(0), count: count.unwrap_or(10_000) })
        }
    }
}

fn named(name: Option<String>) -> Result<&'static Scenario, String> {
    let name = name.ok_or("--scenario needs a name")?;
    let found = scenarios().find(|scenario| scenario.name == name);
    found.ok_or_else(|| format!("no such scenario: {name} (--scenarios lists them)"))
}

fn one_scenario(scenario: &Scenario) -> ExitCode {
    let performance = scenario.perform(Detail::All);
    say(&(performance.trace.join("\n") + "\n\n"));
    say(&told(scenario, &performance));
    say(&format!("  reaches {}\n", performance.reached.iter().copied().collect::<Vec<_>>().join(", ")));
    held(scenario, &performance)
}

fn all_scenarios() -> ExitCode {
    let performances: Vec<_> =
        scenarios().map(|scenario| (scenario, scenario.perform(Detail::None))).collect();
    let _told = say(&performances.iter().map(|(scenario, how)| told(scenario, how)).collect::<String>());
    if let Err(error) = say_marks(&performances) {
        let _nobody_reads = writeln!(stderr(), "simulate: the code's marks can't be read: {error}");
        return ExitCode::FAILURE;
    }
    let failed = performances.iter().any(|(scenario, how)| held(scenario, how) != ExitCode::SUCCESS);
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn told(scenario: &Scenario, performance: &Performance) -> String {
    let Scenario { name, proves, marks, .. } = scenario;
    let missed = scenario.missed(performance);
    let lines = [
        Some(format!("{name}\n  {proves}\n  marks: {}\n", marks.join(", "))),
        performance.violation.as_ref().map(|violation| format!("  DOES NOT HOLD: {violation}\n")),
        (!missed.is_empty()).then(|| format!("  DOES NOT REACH: {}\n", missed.join(", "))),
    ];
    lines.into_iter().flatten().collect()
}

fn held(scenario: &Scenario, performance: &Performance) -> ExitCode {
    let held = performance.violation.is_none() && scenario.missed(performance).is_empty();
    if held { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn say_marks(performances: &[(&Scenario, Performance)]) -> std::io::Result<()> {
    let all = marks()?;
    let reached = |name: &str| performances.iter().any(|(_, how)| how.reached.contains(name));
    let unreached: Vec<_> = all.iter().filter(|mark| !reached(&mark.name)).collect();
    say(&format!(
        "\n{} scenarios; {} of {} marks are reached. Not reached:\n",
        performances.len(),
        all.len() - unreached.len(),
        all.len()
    ));
    for mark in unreached {
        let why = UNREACHED.iter().find(|(name, _)| *name == mark.name).map_or("?", |(_, why)| *why);
        say(&format!("  {} ({}:{}): {why}\n", mark.name, mark.file.display(), mark.line));
    }
    Ok(())
}

fn say(text: &str) -> ExitCode {
    // Whoever closes the pipe has seen enough.
    let _enough = stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

fn one(seed: u64) -> ExitCode {
    let outcome = run(seed, Detail::All);
    say(&(outcome.trace.join("\n") + "\n"));
    if outcome.violation.is_none() {
        say(&format!("\nseed {seed}: all invariants held\n{}", outcome.figures));
    }
    verdict(&outcome)
}

fn many(first: u64, count: u64) -> ExitCode {
    let terminal = stderr().is_terminal();
    let progress = |done: u64| {
        if terminal {
            let _nobody_reads = write!(stderr(), "\r{done} of {count} schedules");
        }
    };
    let result = run_many(first, count, progress);
    if terminal {
        let _nobody_reads = write!(stderr(), "\r\x1b[K");
    }
    match result {
        Ok(figures) => say(&format!("all invariants held\n{figures}")),
        Err(broken) => {
            let outcome = run(broken.seed, Detail::Last(LAST));
            say(&(outcome.trace.join("\n") + "\n"));
            verdict(&outcome)
        }
    }
}

fn verdict(outcome: &Outcome) -> ExitCode {
    let Some(violation) = &outcome.violation else { return ExitCode::SUCCESS };
    let (seed, step) = (outcome.seed, outcome.step);
    say(&format!("\nseed {seed}, step {step}: {violation}\nreplay: script/simulate --seed {seed}\n"));
    ExitCode::FAILURE
}
