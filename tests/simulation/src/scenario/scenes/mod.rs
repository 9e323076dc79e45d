//! The scenarios.
//!
//! | file | about |
//! |---|---|
//! | `poison` | outages, broken deployments, and messages that kill their handlers |
//! | `rejected` | messages that handlers refuse, and dead letters |
//! | `operator` | what an operator was told, whatever becomes of the partition meanwhile |
//! | `pauses` | pauses and counters over the ends of tenures |
//! | `rolls` | reloads: canaries, broken configurations, rolls that stop |
//! | `topics` | topics made again, partitions without a leader |
//! | `pages` | status pages of before |
//! | `ends` | stops, deadlines, leases, workers and handlers that stand still |
//! | `rights` | rights that go and come back, workers that brokers do not let in |
//! | `starts` | restarts, spawns, starts of topics |

mod ends;
mod operator;
mod pages;
mod pauses;
mod poison;
mod rejected;
mod rights;
mod rolls;
mod starts;
mod topics;

use super::Scenario;

/// All scenarios.
pub fn scenarios() -> impl Iterator<Item = &'static Scenario> {
    [
        poison::SCENARIOS,
        rejected::SCENARIOS,
        operator::SCENARIOS,
        pauses::SCENARIOS,
        rolls::SCENARIOS,
        topics::SCENARIOS,
        pages::SCENARIOS,
        ends::SCENARIOS,
        rights::SCENARIOS,
        starts::SCENARIOS,
    ]
    .into_iter()
    .flatten()
}
