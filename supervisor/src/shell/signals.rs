//! Signals as messages, from the first moment on, and how one of them ends what is waited for at start.

use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded, select, unbounded};
use nix::sys::signal::Signal;
use signal_hook::iterator::Signals;

use crate::exit::Failure;

/// To be called before anything else: who is asked to stop while it starts does so in order, too.
pub(crate) fn listen_for_signals() -> Result<Receiver<Signal>, Failure> {
    let bug = |error| Failure::bug(format!("failed to listen for signals: {error}"));
    let wanted = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGCHLD];
    let mut signals = Signals::new(wanted.map(|signal| signal as i32)).map_err(bug)?;
    let (sender, receiver) = unbounded();
    let forward = move || pass_on(&mut signals, &sender);
    thread::Builder::new().name("signals".to_owned()).spawn(forward).map_err(bug)?;
    Ok(receiver)
}

fn pass_on(signals: &mut Signals, sender: &Sender<Signal>) {
    for number in signals.forever() {
        if let Ok(signal) = Signal::try_from(number)
            && sender.send(signal).is_err()
        {
            return;
        }
    }
}

/// Does what may wait for others, on a thread of its own; none when TERM or INT came first. What was begun is left then: the
/// process ends.
pub(super) fn unless_stopped<T: Send + 'static>(
    signals: &Receiver<Signal>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<Option<T>, Failure> {
    let (done_in, done) = bounded(1);
    let run = move || drop(done_in.send(work()));
    thread::Builder::new()
        .name("start".to_owned())
        .spawn(run)
        .map_err(|error| Failure::bug(format!("failed to start a thread: {error}")))?;
    loop {
        select! {
            recv(done) -> result => {
                return result.map(Some).map_err(|_| Failure::bug("the start has failed".to_owned()));
            }
            recv(signals) -> signal => match signal {
                Ok(signal @ (Signal::SIGTERM | Signal::SIGINT)) => {
                    log::info!("{signal}: stopping before anything was taken");
                    return Ok(None);
                }
                // The configuration has just been read, and there are no children yet.
                Ok(_) => {}
                Err(_) => return Err(Failure::bug("nobody listens for signals".to_owned())),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn term_and_int_end_what_is_waited_for() {
        for signal in [Signal::SIGTERM, Signal::SIGINT] {
            let (sender, signals) = unbounded();
            let (_never_sent, blocked) = bounded::<()>(0);
            sender.send(Signal::SIGHUP).unwrap();
            sender.send(signal).unwrap();
            assert!(matches!(unless_stopped(&signals, move || blocked.recv().is_ok()), Ok(None)));
        }
    }

    #[test]
    fn what_is_done_in_time_is_handed_on() {
        let (_sender, signals) = unbounded();
        assert!(matches!(unless_stopped(&signals, || 7), Ok(Some(7))));
        assert!(unless_stopped(&signals, || panic!("as a bug would")).is_err());
    }
}
