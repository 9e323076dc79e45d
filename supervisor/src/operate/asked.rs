//! What is asked of the loop, by somebody who may give up: what has been given up on is not carried out any more, and what is being
//! carried out can't be given up on.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use kafkavisor_link::control::Request;
use nix::sys::socket::UnixCredentials;
use serde_json::Value;

use crate::exit::Exit;

/// Longest that an operator's word may take to be carried out: a drain, and the commit behind it.
pub(super) const CARRIED_OUT_WITHIN: Duration = Duration::from_secs(3600);

/// Whether it takes as long as a drain does.
pub(super) fn is_patient(request: &Request) -> bool {
    matches!(request, Request::Seek { .. } | Request::Skip { .. })
}

/// A request, who asks, and where the answer goes.
pub(crate) struct Asked {
    pub(crate) request: Request,
    uid: u32,
    pid: i32,
    answer: Sender<Value>,
    claim: Claim,
}

/// Where the answer comes.
pub(super) struct Waiting {
    pub(super) answered: Receiver<Value>,
    claim: Claim,
    patient: bool,
}

/// The loop's, which carries it out, or theirs who wait: whoever has it first.
#[derive(Default, Clone)]
struct Claim(Arc<AtomicBool>);

impl Claim {
    fn take(&self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }
}

impl Asked {
    pub(super) fn new(request: Request, by: &UnixCredentials) -> (Self, Waiting) {
        let (answer, answered) = bounded(1);
        let claim = Claim::default();
        let waiting = Waiting { answered, claim: claim.clone(), patient: is_patient(&request) };
        (Self { request, uid: by.uid(), pid: by.pid(), answer, claim }, waiting)
    }

    /// Whether somebody still waits; from here on it is being carried out. To be asked once, and first.
    pub(crate) fn begin(&self) -> bool {
        self.claim.take()
    }

    /// For the log.
    pub(crate) fn who(&self) -> String {
        format!("user {} (process {})", self.uid, self.pid)
    }

    /// Who does not wait for the answer does not get it.
    pub(crate) fn reply(&self, answer: Value) {
        let _nobody_waits = self.answer.try_send(answer);
    }
}

impl Waiting {
    /// Whether that was in time: nobody will carry it out.
    pub(super) fn give_up(&self) -> bool {
        self.claim.take()
    }

    pub(super) fn is_patient(&self) -> bool {
        self.patient
    }
}

/// How the instance ends, once it does.
#[derive(Default, Clone)]
pub(super) struct End(Arc<(Mutex<Option<Exit>>, Condvar)>);

impl End {
    pub(super) fn is(&self, exit: Exit) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(exit);
        self.0.1.notify_all();
    }

    /// Nothing where that took longer.
    pub(super) fn within(&self, time: Duration) -> Option<Exit> {
        let exit = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = self.0.1.wait_timeout_while(exit, time, |exit| exit.is_none());
        *ended.unwrap_or_else(PoisonError::into_inner).0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> (Asked, Waiting) {
        Asked::new(Request::Stop { now: false }, &UnixCredentials::new())
    }

    #[test]
    fn what_was_given_up_on_is_not_carried_out_and_what_is_begun_is() {
        let (question, waiting) = asked();
        assert!(waiting.give_up() && !question.begin());
        let (question, waiting) = asked();
        assert!(question.begin() && !waiting.give_up());
    }

    #[test]
    fn all_who_wait_hear_the_end_and_so_does_who_comes_later() {
        let end = End::default();
        assert_eq!(end.within(Duration::ZERO), None);
        let waiting = end.clone();
        let waits = std::thread::spawn(move || waiting.within(Duration::from_secs(10)));
        end.is(Exit::CutShort);
        assert_eq!(waits.join().unwrap(), Some(Exit::CutShort));
        assert_eq!(end.within(Duration::ZERO), Some(Exit::CutShort));
    }
}
