//! `kafkavisor stop`: asks, and waits until the instance is gone.

use std::os::unix::net::UnixStream;
use std::time::Duration;

use kafkavisor::clock::now;
use kafkavisor_link::control::Request;
use nix::poll::{PollTimeout, poll};

use super::find;
use crate::cli::StopArgs;
use crate::exit::{Exit, Failure};

/// Longest that a drain may be configured to take, and a little.
const WITHIN: Duration = Duration::from_secs(3600);

pub(super) fn run(args: &StopArgs) -> Result<Exit, Failure> {
    let socket = find::socket(&args.which)?;
    find::asked(&socket, &Request::Stop { now: args.now })?;
    let deadline = now() + WITHIN;
    while now() < deadline {
        if UnixStream::connect(&socket).is_err() {
            return super::print("stopped\n").map(|()| Exit::Clean);
        }
        let _a_moment = poll(&mut [], PollTimeout::from(50u8));
    }
    Err(Failure::unreachable("it has not stopped within an hour".to_owned()))
}
