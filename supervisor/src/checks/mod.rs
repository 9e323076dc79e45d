//! Everything that can be found wrong without connecting, all of it at once: what `run`, `check` and a reload ask, and nothing
//! that only one of them would.
//!
//! | file | asks |
//! |---|---|
//! | `certificates` | OpenSSL, whether it takes the files that properties under `kafka` name |
//! | `properties` | librdkafka, whether it takes what stands under `kafka` |
//! | `places` | this machine, whether directory and socket can be made |
//! | `zookeeper` | TLS, whether it takes the files under `cluster.zookeeper_tls` |
//! | here | for the handler, the worker and the program that prints tokens, and whether the machine is large enough |

mod certificates;
mod places;
mod properties;
mod zookeeper;

use std::path::{Path, PathBuf};

use kafkavisor::config::{Config, ConsumerNotes, Draft, ExecutableError, Flags, find_executable};

use crate::exit::Failure;
use crate::processes::limits::too_low_for;

/// What was read from file and flags, all of it found usable.
pub(crate) struct Checked {
    pub(crate) config: Config,
    /// The handler's command with its program found.
    pub(crate) command: Vec<String>,
    /// The worker's executable.
    pub(crate) worker: PathBuf,
    /// What yelp_kafka's options have become.
    pub(crate) consumer: ConsumerNotes,
}

/// Reads and checks the configuration; `worker` is what `--worker-binary` names.
pub(crate) fn checked(file: Option<&Path>, flags: &Flags, worker: Option<&Path>) -> Result<Checked, Failure> {
    let mut draft = Draft::read(file, flags);
    let command = draft.command.clone().and_then(|command| {
        resolved(&command).map_err(|message| draft.refuse_value("handler.command", &message)).ok()
    });
    let worker = worker_binary(worker).map_err(|message| draft.refuse(&message)).ok();
    check_identity(&mut draft);
    places::check(&mut draft);
    if let Some(Err(message)) = draft.fixed_partitions.map(too_low_for) {
        draft.refuse_value("assignment.partitions", &message);
    }
    let consumer = std::mem::take(&mut draft.consumer);
    let config = draft.finish().map_err(|errors| {
        let message = errors.to_string();
        if errors.only_flags() { Failure::usage(message) } else { Failure::configuration(message) }
    })?;
    match (command, worker) {
        (Some(command), Some(worker)) => Ok(Checked { config, command, worker, consumer }),
        _ => Err(Failure::bug("a configuration without a handler was taken for a right one".to_owned())),
    }
}

/// What of these checks a command asks about the part of a file that it needs.
pub(crate) fn check_identity(draft: &mut Draft) {
    certificates::check(draft);
    properties::check(draft);
    zookeeper::check(draft);
    if let Some(program) = draft.token_command.as_ref().and_then(|command| command.first())
        && let Err(error) = found(program)
    {
        draft.refuse_value("oauth.token_command", &error.to_string());
    }
}

/// The handler's command with its program found: what is missing is said now, and is no crash loop later.
pub(crate) fn resolved(command: &[String]) -> Result<Vec<String>, String> {
    let (program, arguments) =
        command.split_first().ok_or("no handler: give one after `--`, or set `handler.command`")?;
    let path = found(program).map_err(|error| error.to_string())?;
    let program = path.to_string_lossy().into_owned();
    Ok(std::iter::once(program).chain(arguments.iter().cloned()).collect())
}

/// Where a program is that will be started in this environment.
fn found(program: &str) -> Result<PathBuf, ExecutableError> {
    find_executable(program, std::env::var_os("PATH").as_deref())
}

/// The worker's binary: beside ours, unless named.
pub(crate) fn worker_binary(named: Option<&Path>) -> Result<PathBuf, String> {
    if let Some(path) = named {
        let with_slash = std::path::absolute(path).map_err(|error| error.to_string())?;
        return find_executable(&with_slash.to_string_lossy(), None).map_err(|error| {
            let path = path.display();
            format!("--worker-binary {path}: {error}; name the kafkavisor-worker of this version")
        });
    }
    let ours = std::env::current_exe().map_err(|error| error.to_string())?;
    let beside = ours.with_file_name("kafkavisor-worker");
    find_executable(&beside.to_string_lossy(), None).map_err(|error| {
        format!(
            "kafkavisor-worker is not beside {}: install both, or say --worker-binary PATH ({error})",
            ours.display()
        )
    })
}
