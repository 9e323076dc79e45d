//! How the command ends: its exit codes, which scripts rely on, and the one way to fail.

/// Exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    Clean = 0,
    /// It was looked or tried, and is not so.
    Failed = 1,
    /// The command line alone is wrong.
    Usage = 64,
    /// Kafka, ZooKeeper or a running supervisor was not reached.
    Unreachable = 69,
    /// A bug, ours.
    Bug = 70,
    /// The drain was cut short.
    CutShort = 75,
    /// A file, a combination, a handler, an address, a name.
    Configuration = 78,
}

impl Exit {
    /// Each with what it tells, for whoever reads the help or the manual.
    pub(crate) const MEANINGS: [(Self, &str); 7] = [
        (Self::Clean, "clean"),
        (Self::Failed, "tried, and not so"),
        (Self::Usage, "wrong command line"),
        (Self::Unreachable, "Kafka, ZooKeeper or the supervisor not reached"),
        (Self::Bug, "a bug"),
        (Self::CutShort, "the drain was cut short"),
        (Self::Configuration, "configuration"),
    ];
}

/// Why a command failed, for the person who gave it.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) message: String,
}

impl Failure {
    fn new(exit: Exit, message: String) -> Self {
        Self { exit, message }
    }

    pub(crate) fn failed(message: String) -> Self {
        Self::new(Exit::Failed, message)
    }

    pub(crate) fn usage(message: String) -> Self {
        Self::new(Exit::Usage, message)
    }

    pub(crate) fn unreachable(message: String) -> Self {
        Self::new(Exit::Unreachable, message)
    }

    pub(crate) fn bug(message: String) -> Self {
        Self::new(Exit::Bug, message)
    }

    pub(crate) fn configuration(message: String) -> Self {
        Self::new(Exit::Configuration, message)
    }
}
