//! Metrics of an instance and its partitions.

use std::collections::BTreeMap;
use std::sync::Arc;

use kafkavisor_link::logging;
use kafkavisor_supervisor_core::Reason;

use super::family::{Family, Kind, Labels, Value};
use crate::observe::snapshot::{Seen, Snapshot, Sums};
use crate::observe::status::{Figures, Status};

/// All states a partition can be in.
const STATES: [&str; 8] =
    ["starting", "ready", "draining", "killing", "backing_off", "crash_loop", "parked", "paused"];

pub(super) fn families(snapshot: &Snapshot) -> Vec<Family> {
    let group: Arc<str> = Arc::from(&*snapshot.instance.group);
    let labels = Labels::new([("group", Arc::clone(&group))]);
    let mut partitions = Partitions::new();
    let mut whole = Whole { sums: snapshot.left.clone(), ..Whole::default() };
    for seen in &snapshot.partitions {
        let figures = Figures::of(seen, &snapshot.moment);
        whole.add(seen, &figures);
        if snapshot.per_partition {
            partitions.add(&group, seen, &figures);
        }
    }
    if !snapshot.per_partition {
        partitions.messages.push(labels.clone(), whole.sums.count.messages);
        partitions.bytes.push(labels.clone(), whole.sums.count.bytes);
        if whole.owned == 0 || !whole.silences.is_empty() {
            partitions.silent.push(labels.clone(), whole.silences.iter().copied().fold(0.0, f64::max));
        }
    }
    let mut families = partitions.families();
    families.extend(whole.families(snapshot, &labels));
    families
}

pub(super) fn build_info(status: &Status) -> Family {
    let version = Labels::new([("version", Arc::from(&*status.version))]);
    Family::new("kafkavisor_build", None, Kind::Info, "The version that runs, as its label says.")
        .of(&version, 1u64)
}

/// Those that have a series for each partition.
struct Partitions {
    messages: Family,
    bytes: Family,
    lag: Family,
    lag_seconds: Family,
    in_flight: Family,
    silent: Family,
    state: Family,
}

fn silent() -> Family {
    let help = "Time that the handler has said nothing with messages in flight, else 0.";
    Family::new("kafkavisor_handler_silent", Some("seconds"), Kind::Gauge, help)
}

impl Partitions {
    fn new() -> Self {
        Self {
            messages: Family::new(
                "kafkavisor",
                Some("messages"),
                Kind::Counter,
                "Messages that handlers have acknowledged.",
            ),
            bytes: Family::new(
                "kafkavisor",
                Some("bytes"),
                Kind::Counter,
                "Bytes of acknowledged messages, keys and values.",
            ),
            lag: Family::new(
                "kafkavisor_lag",
                None,
                Kind::Gauge,
                "Messages between the committed offset and the end of the partition.",
            ),
            lag_seconds: Family::new(
                "kafkavisor_lag",
                Some("seconds"),
                Kind::Gauge,
                "Age of the oldest message that is not acknowledged, 0 without lag.",
            ),
            in_flight: Family::new(
                "kafkavisor_in_flight",
                None,
                Kind::Gauge,
                "Messages delivered to the handler and not acknowledged.",
            ),
            silent: silent(),
            state: Family::new(
                "kafkavisor_worker_state",
                None,
                Kind::Gauge,
                "1 for the state that the partition is in.",
            ),
        }
    }

    fn add(&mut self, group: &Arc<str>, seen: &Seen, figures: &Figures) {
        let labels = Labels::new([
            ("group", Arc::clone(group)),
            ("topic", Arc::from(seen.known.key.topic.as_str())),
            ("partition", Arc::from(seen.known.key.partition.0.to_string())),
        ]);
        self.messages.push(labels.clone(), seen.count.messages);
        self.bytes.push(labels.clone(), seen.count.bytes);
        if let Some(lag) = figures.lag {
            self.lag.push(labels.clone(), lag.unsigned_abs());
        }
        if let Some(seconds) = figures.lag_seconds {
            self.lag_seconds.push(labels.clone(), seconds);
        }
        self.in_flight.push(labels.clone(), figures.in_flight);
        if let Some(seconds) = figures.silent_seconds {
            self.silent.push(labels.clone(), seconds);
        }
        self.state.push(labels.and("state", seen.known.state), 1u64);
    }

    fn families(self) -> Vec<Family> {
        vec![self.messages, self.bytes, self.lag, self.lag_seconds, self.in_flight, self.silent, self.state]
    }
}

/// Figures of all partitions together, those that have left included in what only grows.
#[derive(Default)]
struct Whole {
    sums: Sums,
    states: BTreeMap<&'static str, u64>,
    owned: u64,
    lags: Vec<u64>,
    ages: Vec<f64>,
    silences: Vec<f64>,
}

impl Whole {
    fn add(&mut self, seen: &Seen, figures: &Figures) {
        self.sums.add(&seen.count, &seen.known.history.past);
        *self.states.entry(seen.known.state).or_default() += 1;
        self.owned += 1;
        self.lags.extend(figures.lag.map(i64::unsigned_abs));
        self.ages.extend(figures.lag_seconds);
        self.silences.extend(figures.silent_seconds);
    }

    fn families(self, snapshot: &Snapshot, labels: &Labels) -> Vec<Family> {
        let mut families = self.lag(labels);
        families.extend(self.counters(snapshot, labels));
        families.push(self.states(labels));
        families.push(
            Family::new("kafkavisor_partitions_owned", None, Kind::Gauge, "Partitions of this instance.")
                .of(labels, self.owned),
        );
        let help = "Time from a message's delivery to its acknowledgement.";
        families.push(
            Family::new("kafkavisor_acknowledge", Some("seconds"), Kind::Histogram, help)
                .of(labels, Value::Durations(self.sums.count.latencies)),
        );
        let help = "Time from the first partition that came or went until the group had settled.";
        families.push(
            Family::new("kafkavisor_rebalance", Some("seconds"), Kind::Histogram, help)
                .of(labels, Value::Durations(snapshot.rebalances)),
        );
        families.extend(zookeeper(&snapshot.instance, labels));
        families
    }

    /// Of what is known; without any partition there is no lag.
    fn lag(&self, labels: &Labels) -> Vec<Family> {
        let known = |count: usize| self.owned == 0 || count > 0;
        // Prometheus keeps the ending `_sum` for histograms, and takes it from what has no type.
        let mut sum =
            Family::new("kafkavisor_lag_sum", None, Kind::Untyped, "Lag of all partitions together.");
        let mut max =
            Family::new("kafkavisor_lag_max", None, Kind::Gauge, "Lag of the partition that has most.");
        let help = "Age of the oldest message of any partition that is not acknowledged.";
        let mut oldest = Family::new("kafkavisor_lag_seconds_max", None, Kind::Gauge, help);
        if known(self.lags.len()) {
            sum.push(labels.clone(), self.lags.iter().sum::<u64>());
            max.push(labels.clone(), self.lags.iter().copied().max().unwrap_or_default());
        }
        if known(self.ages.len()) {
            oldest.push(labels.clone(), self.ages.iter().copied().fold(0.0, f64::max));
        }
        vec![sum, max, oldest]
    }

    fn counters(&self, snapshot: &Snapshot, labels: &Labels) -> Vec<Family> {
        let mut restarts = Family::new(
            "kafkavisor_worker_restarts",
            None,
            Kind::Counter,
            "Workers that were started again, by what made it necessary.",
        );
        for reason in Reason::ALL {
            let count = self.sums.restarts.get(&reason).copied().unwrap_or_default();
            restarts.push(labels.and("reason", reason.name()), count);
        }
        let counter = |name, help, count: u64| Family::new(name, None, Kind::Counter, help).of(labels, count);
        vec![
            restarts,
            counter(
                "kafkavisor_dead_lettered",
                "Messages written to the dead-letter topic.",
                self.sums.dead_lettered,
            ),
            counter(
                "kafkavisor_rebalances",
                "Times that partitions came or went and the group settled again.",
                snapshot.rebalances.counts.iter().sum(),
            ),
            counter(
                "kafkavisor_commit_errors",
                "Commits that failed; they are tried again.",
                snapshot.instance.commit_errors_total,
            ),
            counter(
                "kafkavisor_log_lines_dropped",
                "Lines of the log that nobody will read: too many at once, or read too slowly.",
                self.sums.count.log_lines_dropped.saturating_add(logging::lost()),
            ),
        ]
    }

    fn states(&self, labels: &Labels) -> Family {
        let mut family =
            Family::new("kafkavisor_partitions", None, Kind::Gauge, "Partitions of this instance by state.");
        for state in STATES {
            let count = self.states.get(state).copied().unwrap_or_default();
            family.push(labels.and("state", state), count);
        }
        family
    }
}

/// Where the assignment comes from ZooKeeper.
fn zookeeper(status: &Status, labels: &Labels) -> Option<Family> {
    let connected = status.assignment.state != "suspended";
    let help = "1 while ZooKeeper is connected, else 0.";
    let family = Family::new("kafkavisor_zookeeper_connected", None, Kind::Gauge, help);
    (status.assignment.mode == "zookeeper").then(|| family.of(labels, u64::from(connected)))
}
