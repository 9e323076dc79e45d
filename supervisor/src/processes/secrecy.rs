//! What must not leave this process by the ways that the system has: environment variables that hold secrets, and core dumps.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use kafkavisor::config::Identity;
use kafkavisor_link::core_dumps;

/// The variables that have held a secret by any configuration since our start.
static VARIABLES: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// To be called before anything is done by a configuration that says we are this.
pub(crate) fn keep(identity: Identity<'_>) {
    known().extend(identity.secret_variables().map(str::to_owned));
    if !identity.holds_secrets() {
        return;
    }
    match core_dumps::off() {
        Ok(true) => log::info!(
            "supervisor and workers leave no core dumps, which would hold secrets; `prlimit --core=unlimited --pid PID` \
             allows one"
        ),
        Ok(false) => {}
        Err(error) => log::warn!("core dumps can't be switched off: {error}"),
    }
}

/// Whoever is started so does not get the variables.
pub(super) fn take_out(command: &mut Command) {
    for name in known().iter() {
        command.env_remove(name);
    }
}

/// The variables.
pub(super) fn variables() -> Vec<String> {
    known().iter().cloned().collect()
}

fn known() -> MutexGuard<'static, BTreeSet<String>> {
    VARIABLES.lock().unwrap_or_else(PoisonError::into_inner)
}
