//! A thread that panics ends its process: half a supervisor, or half a worker, is worse than none. Threads that only answer
//! questions end alone.

use std::cell::Cell;
use std::io::Write;
use std::panic::{PanicHookInfo, set_hook};

use crate::ending;

/// The exit status of a process that met a bug of its own.
const BUG: i32 = 70;

thread_local! {
    static ALONE: Cell<bool> = const { Cell::new(false) };
}

/// From here on a panic is logged and ends the process with status 70, whichever thread it happens in.
pub fn end_the_process() {
    set_hook(Box::new(|panic| {
        report(panic);
        if !ALONE.get() {
            ending::at_once(BUG);
        }
    }));
}

/// This thread serves one who looks: if it panics, it ends alone.
pub fn end_alone() {
    ALONE.set(true);
}

fn report(panic: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("without a name");
    if log::log_enabled!(log::Level::Error) {
        log::error!("thread {name} has met a bug, please report it: {panic}");
        log::logger().flush();
    } else {
        // There is no log yet, and if this can't be written either, nobody is there to be told.
        let _unwritable =
            writeln!(std::io::stderr(), "thread {name} has met a bug, please report it: {panic}");
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::thread;

    use super::*;

    /// Set in a process that a test has started of itself.
    const WITHIN: &str = "KAFKAVISOR_TEST_PANICS";

    /// The test `name` ends with `status` in a process of its own, where it does `work`.
    #[track_caller]
    fn ends_with(name: &str, status: i32, work: fn()) {
        if std::env::var_os(WITHIN).is_some() {
            return work();
        }
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", &format!("panics::tests::{name}"), "--nocapture"]).env(WITHIN, "yes");
        assert_eq!(child.output().unwrap().status.code(), Some(status));
    }

    #[test]
    fn a_thread_that_panics_ends_the_process() {
        let with_a_bug = || {
            end_the_process();
            let _never_joined = thread::spawn(|| panic!("on purpose"));
            thread::park();
        };
        ends_with("a_thread_that_panics_ends_the_process", BUG, with_a_bug);
    }

    #[test]
    fn a_thread_that_only_answers_ends_alone() {
        let that_answers = || {
            end_the_process();
            let answers = thread::spawn(|| {
                end_alone();
                panic!("on purpose");
            });
            assert!(answers.join().is_err());
        };
        ends_with("a_thread_that_only_answers_ends_alone", 0, that_answers);
    }
}
