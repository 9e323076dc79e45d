//! Which running instance a command means: by socket, by name, by group, or the only one there is.

use std::path::{Path, PathBuf};

use kafkavisor::ids::Group;
use kafkavisor::text::named;
use kafkavisor_link::control::{NotTried, Request};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::cli::WhichArgs;
use crate::exit::Failure;
use crate::observe::status::Status;
use crate::operate::asking::{Unanswered, ask};
use crate::shell::runtime_directory::{candidates, path_of, socket_in};

/// The instance's control socket.
pub(super) fn socket(which: &WhichArgs) -> Result<PathBuf, Failure> {
    if let Some(socket) = &which.socket {
        return Ok(socket.clone());
    }
    if let Some(name) = &which.name {
        // A name is a folder's: it is held to the same letters as where it was given.
        Group::new(name).map_err(|_| {
            Failure::usage(format!(
                "--name {name:?}: use letters, digits, '.', '_' and '-', as `run --name` does"
            ))
        })?;
        let socket = socket_in(&path_of(name));
        return match see(&socket) {
            Ok(Seen::Answers(status)) if status.name != *name => Err(Failure::unreachable(format!(
                "the supervisor at {} is named {}, not {name}: say --name {}",
                named(socket.display()),
                named(&status.name),
                named(&status.name)
            ))),
            // It is not asked twice.
            Ok(Seen::Silent(why)) => Err(why),
            _ => Ok(socket),
        };
    }
    let (mut answering, mut unclear) = (Vec::new(), Vec::new());
    for folder in candidates() {
        let socket = socket_in(&folder);
        match see(&socket) {
            Ok(Seen::Answers(status)) => answering.push((socket, *status)),
            Ok(Seen::Silent(why) | Seen::Strange(why)) => unclear.push((folder, why)),
            Err(_nobody) => {}
        }
    }
    if let Some(group) = &which.group {
        answering.retain(|(_, status)| status.group == *group);
    }
    one_of(which, &answering, unclear)
}

/// The only one; of those that can't be told apart, a list.
fn one_of(
    which: &WhichArgs,
    answering: &[(PathBuf, Status)],
    mut unclear: Vec<(PathBuf, Failure)>,
) -> Result<PathBuf, Failure> {
    let what = which.group.as_ref().map_or_else(String::new, |group| format!(" of group {}", named(group)));
    match (answering, unclear.len()) {
        // Whoever else is there and does not answer is not in the way of one whose group was named.
        ([(socket, _)], others) if others == 0 || which.group.is_some() => return Ok(socket.clone()),
        ([], 0) => {
            return Err(Failure::unreachable(format!(
                "no supervisor{what} is running here; if its socket is elsewhere, say --socket PATH"
            )));
        }
        ([], 1) => return Err(unclear.swap_remove(0).1),
        _ => {}
    }
    let known =
        answering.iter().map(|(_, s)| format!("  --name {} (group {})", named(&s.name), named(&s.group)));
    let silent = unclear.iter().map(|(folder, _)| {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        format!("  --name {} (does not answer)", named(name))
    });
    let list: Vec<_> = known.chain(silent).collect();
    Err(Failure::usage(format!("several supervisors{what} are running; say which:\n{}", list.join("\n"))))
}

/// What is to be seen at a socket where somebody is.
enum Seen {
    Answers(Box<Status>),
    /// It does not answer.
    Silent(Failure),
    /// It hangs, or is of a version that is not understood.
    Strange(Failure),
}

/// An error where nobody is.
fn see(socket: &Path) -> Result<Seen, Unanswered> {
    match ask(socket, &Request::Status { partition: None }) {
        Err(error @ Unanswered::Nobody(_)) => Err(error),
        Err(silent @ Unanswered::Silent { .. }) => Ok(Seen::Silent(nobody(socket, &silent))),
        Ok(answer) => {
            Ok(understood(socket, answer)
                .map_or_else(Seen::Strange, |status| Seen::Answers(Box::new(status))))
        }
    }
}

/// What the instance behind `socket` says of itself.
pub(super) fn status(socket: &Path) -> Result<Status, Failure> {
    understood(socket, ask(socket, &Request::Status { partition: None }).map_err(|e| nobody(socket, &e))?)
}

fn understood(socket: &Path, answer: Value) -> Result<Status, Failure> {
    let status: Status = read(socket, not_refused(socket, answer)?)?;
    // The one thing that no supervisor leaves out: every other key may be of a version that this one is not.
    if status.name.is_empty() { Err(strange(socket, &"its status has no name")) } else { Ok(status) }
}

/// The answer of the instance behind `socket`, if it is one.
pub(super) fn asked(socket: &Path, request: &Request) -> Result<Value, Failure> {
    let answer = ask(socket, request).map_err(|error| nobody(socket, &error))?;
    not_refused(socket, answer)
}

/// The answer, unless it says why there is none.
pub(super) fn not_refused(socket: &Path, answer: Value) -> Result<Value, Failure> {
    if answer.get("error").is_none() {
        return Ok(answer);
    }
    let NotTried { error, unknown, version } = read(socket, answer)?;
    if unknown {
        return Err(Failure::usage(format!(
            "the supervisor at {} refuses: {error}{}",
            named(socket.display()),
            of(&version)
        )));
    }
    Err(Failure::unreachable(format!("the supervisor at {}: {error}: see its log", named(socket.display()))))
}

/// An answer, as this version has it; keys may be missing or unknown.
pub(super) fn read<T: DeserializeOwned>(socket: &Path, answer: Value) -> Result<T, Failure> {
    serde_json::from_value(answer).map_err(|error| strange(socket, &error))
}

/// Somebody answers, but not as a supervisor of this version would.
fn strange(socket: &Path, error: &dyn std::fmt::Display) -> Failure {
    let version = env!("CARGO_PKG_VERSION");
    Failure::unreachable(format!(
        "what answers at {} is not understood by this version, {version}: {error}: ask with the `kafkavisor` that runs there",
        named(socket.display())
    ))
}

/// Which version refuses, where it is another one.
fn of(version: &str) -> String {
    let ours = env!("CARGO_PKG_VERSION");
    if version.is_empty() || version == ours {
        return String::new();
    }
    format!(" (it is of version {version}, and this of {ours}: ask with the `kafkavisor` that runs there)")
}

/// There is no answer at `socket`.
pub(super) fn nobody(socket: &Path, error: &Unanswered) -> Failure {
    let socket = named(socket.display());
    Failure::unreachable(match error {
        Unanswered::Nobody(error) => format!(
            "no supervisor answers at {socket}: {error}: is it running? `kafkavisor status` without a name lists those that are"
        ),
        Unanswered::Silent { .. } => format!(
            "the supervisor at {socket}: {error}; what it has not begun it will not do later: see its log, and docs/troubleshooting.md"
        ),
    })
}
