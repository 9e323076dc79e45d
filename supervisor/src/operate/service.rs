//! What systemd is told, where it started us (`Type=notify-reload`): ready, status, reloading, stopping, and that the loop
//! turns. Without `NOTIFY_SOCKET` nothing is said.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};

use kafkavisor::clock::now;
use sd_notify::NotifyState;

/// We say that we live at most so often, however short the time that is given us: each time wakes the loop.
const BEAT_EVERY: Duration = Duration::from_millis(100);
/// The status line changes at most so often.
const STATUS_EVERY: Duration = Duration::from_secs(1);
/// What is left to do after the last drain.
const AFTER_DRAIN: Duration = Duration::from_secs(5);

/// The service manager, as far as we know it.
#[derive(Debug)]
pub(crate) struct Service {
    /// We say that we live at half of what it waits for.
    beat: Option<Duration>,
    next_beat: Instant,
    ready: bool,
    stopping: bool,
    status: String,
    status_at: Option<Instant>,
    /// Partitions left and messages acknowledged, as last seen in a drain.
    drained: Option<(usize, i64)>,
}

fn say(states: &[NotifyState<'_>]) {
    if let Some(to) = std::env::var_os("NOTIFY_SOCKET")
        && let Err(error) = send(&to, &states.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    {
        log::debug!("the service manager does not hear: {error}");
    }
}

/// The crate's own way to send waits for a manager that does not read, and our loop must not wait for anybody.
fn send(to: &OsStr, text: &str) -> io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    let address = match to.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(to)?,
    };
    socket.send_to_addr(text.as_bytes(), &address).map(drop)
}

/// How often the service manager wants to hear of us: nothing where it said none, nonsense, or meant another process.
fn watchdog(variable: impl Fn(&str) -> Option<String>, us: u32) -> Option<Duration> {
    let within = variable("WATCHDOG_USEC")?.parse().ok().filter(|within| *within > 0)?;
    let meant = variable("WATCHDOG_PID").is_none_or(|pid| pid.parse() == Ok(us));
    meant.then(|| Duration::from_micros(within))
}

impl Service {
    pub(crate) fn new() -> Self {
        let within = watchdog(|name| std::env::var(name).ok(), std::process::id());
        if let Some(within) = within.filter(|within| *within < 2 * BEAT_EVERY) {
            log::warn!(
                "the service manager wants to hear of us every {within:?}, and it will every {BEAT_EVERY:?}: raise WatchdogSec="
            );
        }
        let beat = within.map(|within| (within / 2).max(BEAT_EVERY));
        let (ready, stopping, status) = (false, false, String::new());
        Self { beat, next_beat: now(), ready, stopping, status, status_at: None, drained: None }
    }

    /// When [`Service::beat`] is due at the latest.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.beat.map(|_| self.next_beat)
    }

    /// The loop turns. To be called by the loop itself, and by nothing that turns without it.
    pub(crate) fn beat(&mut self, time: Instant) {
        if let Some(beat) = self.beat.filter(|_| time >= self.next_beat) {
            self.next_beat = time + beat;
            say(&[NotifyState::Watchdog]);
        }
    }

    /// The group is joined.
    pub(crate) fn ready(&mut self) {
        if !std::mem::replace(&mut self.ready, true) {
            say(&[NotifyState::Ready]);
        }
    }

    /// A reload begins; [`Service::reloaded`] ends it.
    pub(crate) fn reloading() {
        match NotifyState::monotonic_usec_now() {
            Ok(moment) => say(&[NotifyState::Reloading, moment]),
            Err(error) => log::debug!("no monotonic time: {error}"),
        }
    }

    /// The reload is over, whatever came of it.
    pub(crate) fn reloaded(&self) {
        if self.ready {
            say(&[NotifyState::Ready]);
        }
    }

    /// One line on how it goes.
    pub(crate) fn status(&mut self, time: Instant, line: String) {
        let due = self.status_at.is_none_or(|at| time.saturating_duration_since(at) >= STATUS_EVERY);
        if due && line != self.status {
            self.status_at = Some(time);
            say(&[NotifyState::Status(&line)]);
            self.status = line;
        }
    }

    /// Draining, with so many partitions left and so much acknowledged: while that goes on there is more time.
    pub(crate) fn stopping(&mut self, partitions: usize, acknowledged: i64, within: Duration) {
        if !std::mem::replace(&mut self.stopping, true) {
            say(&[NotifyState::Stopping]);
        }
        let drained = Some((partitions, acknowledged));
        if drained != self.drained {
            self.drained = drained;
            let more = u32::try_from((within + AFTER_DRAIN).as_micros()).unwrap_or(u32::MAX);
            say(&[NotifyState::ExtendTimeoutUsec(more)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watchdog_that_is_not_ours_or_makes_no_sense_is_none() {
        let asked = |usec: &str, pid: &str| {
            let text = |value: &str| (!value.is_empty()).then(|| value.to_owned());
            watchdog(|name| text(if name == "WATCHDOG_USEC" { usec } else { pid }), 7)
        };
        for (usec, pid) in [("", ""), ("0", ""), ("-1", ""), ("1s", ""), ("400000", "8"), ("400000", "x")] {
            assert_eq!(asked(usec, pid), None, "{usec} {pid}");
        }
        assert_eq!(asked("400000", ""), Some(Duration::from_millis(400)));
        assert_eq!(asked("1", "7"), Some(Duration::from_micros(1)));
    }
}
