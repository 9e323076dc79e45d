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
use crate::operate::control::ask;
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
        return match status(&socket) {
            Ok(status) if status.name != *name => Err(Failure::unreachable(format!(
                "the supervisor at {} is named {}, not {name}: say --name {}",
                named(socket.display()),
                named(&status.name),
                named(&status.name)
            ))),
            _ => Ok(socket),
        };
    }
    let mut running: Vec<(PathBuf, Status)> = candidates()
        .iter()
        .map(|folder| socket_in(folder))
        .filter_map(|socket| Some((socket.clone(), status(&socket).ok()?)))
        .collect();
    if let Some(group) = &which.group {
        running.retain(|(_, status)| status.group == *group);
    }
    let what = which.group.as_ref().map_or_else(String::new, |group| format!(" of group {}", named(group)));
    match running.as_slice() {
        [(socket, _)] => Ok(socket.clone()),
        [] => Err(Failure::unreachable(format!(
            "no supervisor{what} is running here; if its socket is elsewhere, say --socket PATH"
        ))),
        several => {
            let list: Vec<_> = several
                .iter()
                .map(|(_, s)| format!("  --name {} (group {})", named(&s.name), named(&s.group)))
                .collect();
            Err(Failure::usage(format!(
                "several supervisors{what} are running; say which:\n{}",
                list.join("\n")
            )))
        }
    }
}

/// What the instance behind `socket` says of itself.
pub(super) fn status(socket: &Path) -> Result<Status, Failure> {
    read(socket, asked(socket, &Request::Status { partition: None })?).and_then(|status: Status| {
        // The one thing that no supervisor leaves out: every other key may be of a version that this one is not.
        if status.name.is_empty() { Err(strange(socket, &"its status has no name")) } else { Ok(status) }
    })
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
    Err(nobody(socket, &error))
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

/// Nobody answers at `socket`.
pub(super) fn nobody(socket: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::unreachable(format!(
        "no supervisor answers at {}: {error}: is it running? `kafkavisor status` without a name lists those that are",
        named(socket.display())
    ))
}
