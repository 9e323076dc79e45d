//! Other programs, with a time limit: whatever they talk to may be stopped.

use std::io::Read as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use kafkavisor::clock;
use kafkavisor_tests::waiting::pause;

/// Runs it; its standard output if it succeeds in time. What it says must fit into a pipe.
pub(super) fn output(command: &mut Command, within: Duration) -> Option<String> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("a command starts");
    let end = clock::now() + within;
    let status = loop {
        if let Some(status) = child.try_wait().expect("it can be waited for") {
            break status;
        }
        if clock::now() >= end {
            let _ = child.kill();
            let _ = child.wait();
            return None;
        }
        pause(Duration::from_millis(5));
    };
    let mut text = String::new();
    let read = child.stdout.take().expect("a pipe").read_to_string(&mut text);
    (status.success() && read.is_ok()).then_some(text)
}
