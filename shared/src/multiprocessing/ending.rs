//! How the child has ended, in words.

use std::fmt;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

/// How `kafkavisor` has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// Every handler has finished what it had, and that is committed.
    Clean,
    /// A drain took longer than `max_termination_timeout`, or was cut short: what was in flight comes again, to whoever has its
    /// partition next.
    CutShort,
    /// Kafka or ZooKeeper was not reached at its start.
    Unreachable,
    /// It can't work as it is configured, or not on this machine; what it has said names the key.
    Configuration,
    /// With another exit code: 64 where it does not understand its command line (is it of another version?), 70 for a bug.
    Failed(i32),
    /// Killed, by this signal. Handlers were killed too: what was in flight comes again.
    Killed(i32),
    /// It is not known: somebody else has waited for it, or it is ignored (`SIGCHLD`).
    Unknown,
}

impl Ending {
    pub(super) fn of(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(0), _) => Self::Clean,
            (Some(75), _) => Self::CutShort,
            (Some(69), _) => Self::Unreachable,
            (Some(78), _) => Self::Configuration,
            (Some(code), _) => Self::Failed(code),
            (None, Some(signal)) => Self::Killed(signal),
            (None, None) => Self::Unknown,
        }
    }

    /// Whether nothing comes again because of it.
    pub fn is_clean(self) -> bool {
        self == Self::Clean
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clean => f.write_str("clean: what was acknowledged is committed"),
            Self::CutShort => f.write_str("the drain was cut short: what was in flight comes again"),
            Self::Unreachable => f.write_str("Kafka or ZooKeeper was not reached"),
            Self::Configuration => f.write_str("it can't work as it is configured"),
            Self::Failed(64) => f.write_str(
                "exit code 64, it does not understand its command line: is it of another version?",
            ),
            Self::Failed(70) => f.write_str("exit code 70, a bug: please report it"),
            Self::Failed(code) => write!(f, "exit code {code}"),
            Self::Killed(signal) => write!(f, "killed by signal {signal}: what was in flight comes again"),
            Self::Unknown => f.write_str("nobody knows how: its exit code was not to be had"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_and_signals_in_words() {
        for (raw, ending) in [
            (0, Ending::Clean),
            (75 << 8, Ending::CutShort),
            (69 << 8, Ending::Unreachable),
            (78 << 8, Ending::Configuration),
            (70 << 8, Ending::Failed(70)),
            (9, Ending::Killed(9)),
        ] {
            assert_eq!(Ending::of(ExitStatus::from_raw(raw)), ending);
            assert_eq!(ending.is_clean(), raw == 0);
        }
        assert_eq!(Ending::Killed(9).to_string(), "killed by signal 9: what was in flight comes again");
        assert!(Ending::Failed(64).to_string().contains("another version"));
    }
}
