//! Ending everything a handler has started: its process group, and whatever left the group and came back to us as
//! subreaper. Nothing of one handler is left when its successor starts.

use std::collections::BTreeSet;
use std::time::Duration;

use kafkavisor::clock::now;
use kafkavisor_link::process::{Stray, children, end_group, ended_child, reap};
use nix::poll::{PollTimeout, poll};
use nix::unistd::Pid;

/// How long the kernel may take to end what was killed.
const WITHIN: Duration = Duration::from_secs(2);

/// What handlers leave.
#[derive(Debug, Default)]
pub(crate) struct Descendants {
    /// Could not be ended in time; nobody waits for it again.
    given_up: BTreeSet<Pid>,
}

impl Descendants {
    /// Kills the group of `leader`, which has ended and is not reaped yet, reaps it, and ends every child that is left. Where
    /// we end next ourselves, what we may not kill is left to the guardian, which waits for it and names it.
    pub(crate) fn end_all(&mut self, leader: Pid, we_end_next: bool) {
        let _itself_at_least = end_group(leader);
        let deadline = now() + WITHIN;
        loop {
            while let Some((pid, _)) = ended_child() {
                reap(pid);
                self.given_up.remove(&pid);
            }
            let left = children().into_iter().filter(|pid| !self.given_up.contains(pid));
            let left: Vec<_> = left.map(Stray::kill).collect();
            if left.iter().all(|stray| we_end_next && stray.refused) {
                return;
            }
            if now() >= deadline {
                let names: Vec<_> = left.iter().map(Stray::describe).collect();
                log::error!("processes of the handler can't be ended: {}", names.join(", "));
                self.given_up.extend(left.iter().map(|stray| stray.pid));
                return;
            }
            // A killed process's own children come to us once it is gone: look again in a moment.
            let _timed_out = poll(&mut [], PollTimeout::from(1u8));
        }
    }
}
