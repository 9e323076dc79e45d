//! One file a command.

mod bar;
mod check;
mod clusters;
pub(crate) mod completions;
mod dead_letters;
mod demo;
mod detail;
mod discovery;
mod events;
mod find;
mod identity;
mod lag;
mod listing;
mod logs;
mod man;
mod members;
mod offsets;
mod operate;
mod run;
mod status;
mod stop;
mod table;
mod topics;
mod trial;
mod watch;

use kafkavisor_link::control::Request;
use kafkavisor_link::{inherited, panics};

use crate::cli::Command;
use crate::exit::{Exit, Failure};
use crate::processes::limits;

/// Does what was typed.
pub(crate) fn run(command: Command) -> Result<Exit, Failure> {
    if connects(&command) {
        limits::enough_descriptors().map_err(Failure::configuration)?;
    }
    match command {
        Command::Run(args) => {
            set_right()?;
            run::run(*args)
        }
        Command::Check(args) => check::run(*args),
        Command::Demo(args) => {
            set_right()?;
            demo::run(&args)
        }
        Command::Try(args) => {
            set_right()?;
            trial::run(&args)
        }
        Command::Status(args) => status::run(&args),
        Command::Events(args) => events::run(&args),
        Command::LogLevel(args) => operate::log_level(&args),
        Command::Stop(args) => stop::run(&args),
        Command::Pause(args) => operate::all(&args, |partitions| Request::Pause { partitions }),
        Command::Resume(args) => operate::all(&args, |partitions| Request::Resume { partitions }),
        Command::Restart(args) => operate::all(&args, |partitions| Request::Restart { partitions }),
        Command::Skip(args) => operate::skip(&args),
        Command::Seek(args) => operate::seek(&args),
        Command::Clusters(args) => clusters::run(&args),
        Command::Topics(args) => topics::run(&args),
        Command::Logs(args) => logs::run(&args),
        Command::Members(args) => members::run(&args),
        Command::Lag(args) => lag::run(&args),
        Command::Offsets { command } => offsets::run(&command),
        Command::DeadLetters { command } => dead_letters::run(&command),
        Command::Completions { shell } => completions::script(shell),
        Command::Complete(args) => completions::candidates(&args),
        Command::Man(args) => man::run(&args),
        Command::Guardian => crate::processes::guard()
            .map(|()| Exit::Clean)
            .map_err(|error| Failure::bug(format!("the guardian can't guard: {error}"))),
        Command::SampleHandler => demo::sample_handler(),
    }
}

/// Whether it may talk to Kafka or ZooKeeper itself.
fn connects(command: &Command) -> bool {
    matches!(
        command,
        Command::Run(_)
            | Command::Check(_)
            | Command::Demo(_)
            | Command::Try(_)
            | Command::Clusters(_)
            | Command::Topics(_)
            | Command::Logs(_)
            | Command::Members(_)
            | Command::Lag(_)
            | Command::Offsets { .. }
            | Command::DeadLetters { .. }
    )
}

/// Before anything is opened, started or waited for.
fn set_right() -> Result<(), Failure> {
    panics::end_the_process();
    inherited::set_right()
        .map_err(|error| Failure::bug(format!("what was inherited can't be set right: {error}")))
}

/// Says on stderr what is not the result. Nothing in it is obeyed by a terminal; who repeats what somebody has named sees to its lines.
pub(crate) fn note(text: &str) {
    use std::io::Write;
    let text = kafkavisor::text::escaped(text, &['\n']);
    // Nothing else can be done when even this can't be written.
    let _unwritable = writeln!(std::io::stderr(), "kafkavisor: {text}");
}

/// Writes results to stdout. Whoever closed it wants no more of them.
fn print(text: &str) -> Result<(), Failure> {
    print_more(text).map(|_read_or_not| ())
}

/// ... of which there may be more; whether somebody wants it.
fn print_more(text: &str) -> Result<bool, Failure> {
    use std::io::{ErrorKind, Write};
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::failed(format!("failed to write to standard output: {error}"))),
    }
}
