//! What a service manager has told a process, and its children are not to answer.

use std::process::Command;

const NAMES: [&str; 6] =
    ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"];

/// Whoever is started so hears nothing of the service manager.
pub fn without_service_manager(command: &mut Command) {
    for name in NAMES {
        command.env_remove(name);
    }
}
