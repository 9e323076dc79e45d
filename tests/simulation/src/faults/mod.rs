//! Faults: what is done to the group from outside, and how each of them ends.
//!
//! | file | for |
//! |---|---|
//! | `inflicting` | how each begins |
//! | `freezing` | processes that are stopped, killed, told to stop |
//! | `mending` | how each ends, and how all do |

mod freezing;
mod inflicting;
mod mending;

/// The kinds of faults that a schedule may draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// SIGKILL of a supervisor or a Python member.
    KillProcess,
    /// SIGKILL of a worker.
    KillWorker,
    /// SIGKILL of a handler.
    KillHandler,
    /// SIGSTOP of a supervisor (or a Python member) for a while.
    PauseSupervisor,
    /// SIGSTOP of a worker for a while.
    PauseWorker,
    /// SIGSTOP of a supervisor with its workers and handlers.
    PauseBoth,
    /// The whole machine is suspended: one of its clocks stands still.
    Suspend,
    /// The connection to ZooKeeper breaks, at times for longer than a session lasts.
    Cut,
    /// It breaks and is there again at once.
    Blip,
    /// The ZooKeeper server that somebody is connected to reaches no quorum.
    Deaf,
    /// Every connection to ZooKeeper breaks for less than half a session.
    RestartZooKeeper,
    /// The client waits no longer for an answer.
    LoseAnswer,
    /// Kafka answers nobody.
    KafkaAway,
    /// Kafka takes its time: requests arrive after their sender has given up, or died.
    KafkaSlow,
    /// Commits take effect and their answers are lost.
    KafkaForgets,
    /// A partition has no leader.
    NoLeader,
    /// The group's coordinator takes no commits.
    NoCoordinator,
    /// The right to read a partition's topic is taken away.
    NoRight,
    /// Brokers let no new worker in: a password was changed.
    NoLogin,
    /// An operator stops a supervisor and starts it again.
    StopOne,
    /// The same, impatiently: a second signal.
    StopTwice,
    /// An operator stops everything and sets an offset back.
    Maintain,
    /// The topic gets another partition.
    Grow,
    /// The topic is deleted and made again.
    MakeAgain,
    /// An operator pauses, resumes, restarts, skips or seeks.
    Operate,
    /// A supervisor's configuration is reloaded; at times no handler works with it.
    Reload,
    /// What all handlers need is away: each message is their death.
    Outage,
}

impl Fault {
    /// All kinds.
    pub const ALL: [Self; 27] = [
        Self::KillProcess,
        Self::KillWorker,
        Self::KillHandler,
        Self::PauseSupervisor,
        Self::PauseWorker,
        Self::PauseBoth,
        Self::Suspend,
        Self::Cut,
        Self::Blip,
        Self::Deaf,
        Self::RestartZooKeeper,
        Self::LoseAnswer,
        Self::KafkaAway,
        Self::KafkaSlow,
        Self::KafkaForgets,
        Self::NoLeader,
        Self::NoCoordinator,
        Self::NoRight,
        Self::NoLogin,
        Self::StopOne,
        Self::StopTwice,
        Self::Maintain,
        Self::Grow,
        Self::MakeAgain,
        Self::Operate,
        Self::Reload,
        Self::Outage,
    ];

    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::KillProcess => "SIGKILL of a supervisor or Python member",
            Self::KillWorker => "SIGKILL of a worker",
            Self::KillHandler => "SIGKILL of a handler",
            Self::PauseSupervisor => "SIGSTOP of a supervisor or Python member",
            Self::PauseWorker => "SIGSTOP of a worker",
            Self::PauseBoth => "SIGSTOP of a supervisor with its workers",
            Self::Suspend => "machine suspended",
            Self::Cut => "cut off from ZooKeeper",
            Self::Blip => "reconnected to ZooKeeper at once",
            Self::Deaf => "ZooKeeper server without a quorum",
            Self::RestartZooKeeper => "ZooKeeper restarted",
            Self::LoseAnswer => "ZooKeeper's answer lost",
            Self::KafkaAway => "Kafka away",
            Self::KafkaSlow => "Kafka slow",
            Self::KafkaForgets => "Kafka's answers lost",
            Self::NoLeader => "partition without a leader",
            Self::NoCoordinator => "coordinator takes no commits",
            Self::NoRight => "right to read taken away",
            Self::NoLogin => "login refused",
            Self::StopOne => "supervisor stopped and started",
            Self::StopTwice => "supervisor stopped impatiently",
            Self::Maintain => "group stopped by an operator",
            Self::Grow => "partition added",
            Self::MakeAgain => "topic deleted and made again",
            Self::Operate => "operator's word",
            Self::Reload => "configuration reloaded",
            Self::Outage => "outage of what handlers need",
        }
    }
}

/// What ends a fault, or begins a process.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Undo {
    Start(usize),
    Thaw { process: usize, life: u64 },
    ThawWorker(i32),
    Network(usize),
    Undeafen { process: usize, connection: u64 },
    Kafka,
    Pause { process: usize, partition: usize },
    Outage,
    Hurry { process: usize, life: u64 },
}
