//! What a seed decides before the first step: the shape of the group, its settings, and which faults it will see.

use std::time::Duration;

use kafkavisor::config::{Poison, PoisonAction, Reset, Restart};
use kafkavisor::partitioner::simulation::random::Random;

use crate::faults::Fault;
use crate::machine::{Time, millis, nanos};

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) supervisors: usize,
    pub(crate) pythons: usize,
    /// Every other supervisor's group lies in a sibling folder: a rolling deploy of other topics.
    pub(crate) siblings: bool,
    pub(crate) partitions: i32,
    pub(crate) session_timeout: Duration,
    pub(crate) cooldown: Duration,
    pub(crate) commit_interval: Duration,
    pub(crate) commit_messages: u64,
    pub(crate) stop_timeout: Duration,
    pub(crate) restart: Restart,
    pub(crate) poison: Poison,
    pub(crate) reset: Reset,
    /// Offsets are kept in two places, and now and then only one of them takes a commit.
    pub(crate) two_places: bool,
    pub(crate) max_messages: u32,
    pub(crate) max_time: Duration,
    pub(crate) start_timeout: Duration,
    pub(crate) handler_timeout: Duration,
    /// Messages that fit into a handler's pipe.
    pub(crate) pipe: usize,
    /// How long Kafka's client waits for an answer.
    pub(crate) kafka_timeout: Time,
    /// Between messages of one partition.
    pub(crate) produce_every: Time,
    /// How long a handler works on a message, at most.
    pub(crate) work: Time,
    /// Of a thousand messages.
    pub(crate) poison_messages: usize,
    pub(crate) refused_messages: usize,
    /// Of a thousand messages handled, how often the handler dies or hangs.
    pub(crate) handler_dies: usize,
    pub(crate) handler_hangs: usize,
    /// Handlers that ignore TERM and do not finish when told to stop.
    pub(crate) stubborn: bool,
    /// A handler acknowledges so many at once.
    pub(crate) batch: usize,
    /// Of a hundred workers asked for, how many do not come to life, and of those that end, how many leave something behind that
    /// takes its time.
    pub(crate) spawns_fail: usize,
    pub(crate) slow_ends: usize,
    pub(crate) faults: Vec<Fault>,
    pub(crate) fault_every: Time,
    /// When faults end.
    pub(crate) until: Time,
}

impl Plan {
    /// A group in which nothing goes wrong of itself: for scenarios.
    pub(crate) fn calm(supervisors: usize, partitions: i32) -> Self {
        let ms = Duration::from_millis;
        Self {
            supervisors,
            pythons: 0,
            siblings: false,
            partitions,
            session_timeout: ms(4000),
            cooldown: ms(200),
            commit_interval: ms(500),
            commit_messages: 1000,
            stop_timeout: ms(3000),
            restart: Restart { initial: ms(500), max: ms(30_000), healthy_after: ms(60_000) },
            poison: Poison { attempts: 3, action: PoisonAction::Skip, topic: None, max_per_minute: 60 },
            reset: Reset::Earliest,
            two_places: false,
            max_messages: 4,
            max_time: ms(500),
            start_timeout: ms(10_000),
            handler_timeout: ms(8000),
            pipe: 40,
            kafka_timeout: millis(5000),
            produce_every: millis(1000),
            work: millis(3),
            poison_messages: 0,
            refused_messages: 0,
            handler_dies: 0,
            handler_hangs: 0,
            stubborn: false,
            batch: 1,
            spawns_fail: 0,
            slow_ends: 0,
            faults: Vec::new(),
            fault_every: 0,
            until: 0,
        }
    }

    pub(crate) fn new(random: &mut Random) -> Self {
        let mut between = |low: u64, high: u64| low + random.number() % (high - low + 1);
        let session = [1000, 2000, 4000, 4000, 10_000][usize::try_from(between(0, 4)).unwrap_or(0)];
        let ms = Duration::from_millis;
        let mut plan = Self {
            supervisors: usize::try_from(between(1, 3)).unwrap_or(1),
            pythons: usize::from(between(0, 3) == 0),
            siblings: false,
            partitions: i32::try_from(between(1, 4)).unwrap_or(1),
            session_timeout: ms(session),
            cooldown: ms(between(100, 1000)),
            commit_interval: ms(between(100, 1500)),
            commit_messages: between(5, 1000),
            stop_timeout: ms(between(1000, 5000)),
            restart: Restart { initial: ms(500), max: ms(30_000), healthy_after: ms(60_000) },
            poison: Poison {
                attempts: u32::try_from(between(1, 5)).unwrap_or(1),
                action: if between(0, 1) == 0 { PoisonAction::Skip } else { PoisonAction::DeadLetter },
                topic: None,
                max_per_minute: 1000,
            },
            reset: if between(0, 2) == 0 { Reset::Latest } else { Reset::Earliest },
            two_places: false,
            max_messages: [1, 4, 32, 1000][usize::try_from(between(0, 3)).unwrap_or(0)],
            max_time: ms(between(200, 1000)),
            start_timeout: ms(between(4000, 10_000)),
            handler_timeout: ms(between(3000, 8000)),
            pipe: usize::try_from(between(1, 40)).unwrap_or(1),
            kafka_timeout: millis(between(2000, 10_000)),
            produce_every: millis(between(100, 1500)),
            work: millis([3, 30, 150][usize::try_from(between(0, 2)).unwrap_or(0)]),
            poison_messages: if between(0, 2) == 0 { 20 } else { 0 },
            refused_messages: if between(0, 2) == 0 { 20 } else { 0 },
            handler_dies: if between(0, 1) == 0 { 15 } else { 0 },
            handler_hangs: if between(0, 2) == 0 { 10 } else { 0 },
            stubborn: between(0, 3) == 0,
            batch: [1, 1, 5, 50][usize::try_from(between(0, 3)).unwrap_or(0)],
            spawns_fail: 1,
            slow_ends: 10,
            faults: Vec::new(),
            fault_every: millis(between(300, 4000)),
            until: millis(between(10_000, 90_000)),
        };
        plan.two_places = (plan.until / millis(1)).is_multiple_of(4);
        // Python members look into no sibling's folder: there nobody can promise anything.
        plan.siblings = plan.pythons == 0 && random.percent(20);
        // A handler that is slower than its time-out, said to be no fault, is the operator's mistake.
        let in_time = nanos(plan.handler_timeout) / 2 / plan.work;
        plan.batch = plan.batch.min(usize::try_from(in_time).unwrap_or(1));
        // A few kinds at a time find what all together would hide.
        let density = [10, 30, 60][random.below(3)];
        plan.faults = Fault::ALL.into_iter().filter(|_| random.percent(density)).collect();
        plan
    }
}
