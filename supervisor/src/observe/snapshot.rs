//! What is seen of an instance: what the loop knew at one moment, and what the workers' pages say, read right after it. It is made by
//! the first who looks, and put into words once for all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::take;
use std::sync::{Arc, OnceLock};

use kafkavisor::ids::{Offset, TopicPartition};
use kafkavisor_link::page::{Latencies, Page, Progress};
use kafkavisor_supervisor_core::{Barred, Count, History, Past, Reason};

use super::known::{self, Known, Moment, Troubles};
use super::status::{Partition, Status};

/// See the module.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) moment: Moment,
    /// Of the instance, its partitions left out.
    pub(crate) instance: Status,
    /// Whether the first assignment is applied, and whether what it is from is there.
    pub(crate) applied: bool,
    pub(crate) connected: bool,
    pub(crate) partitions: Vec<Seen>,
    /// What is counted of those that are not ours any more.
    pub(crate) left: Sums,
    pub(crate) rebalances: Latencies,
    /// A series for each partition is among the metrics.
    pub(crate) per_partition: bool,
    status: OnceLock<Arc<Status>>,
}

/// What is counted of several partitions together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sums {
    pub(crate) count: Count,
    pub(crate) restarts: BTreeMap<Reason, u64>,
    pub(crate) dead_lettered: u64,
}

impl Sums {
    pub(crate) fn add(&mut self, count: &Count, past: &Past) {
        self.count = self.count.plus(count);
        self.dead_lettered += past.dead_lettered;
        for (reason, restarts) in &past.restarts {
            *self.restarts.entry(*reason).or_default() += restarts;
        }
    }

    fn of(left: &[History]) -> Self {
        let mut sums = Self::default();
        left.iter().for_each(|history| sums.add(&history.totals(None), &history.past));
        sums
    }
}

/// One partition: what the loop knew of it, and what its page says.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) known: known::Partition,
    pub(crate) progress: Option<Progress>,
    pub(crate) count: Count,
}

/// The loop may be changing it in this moment, to begin elsewhere: nonsense is read again.
fn read(page: &Page) -> Progress {
    let progress = page.progress();
    if progress.check(Offset(0)).is_ok() { progress } else { page.progress() }
}

impl Seen {
    /// The page is not kept: what is seen does not change any more.
    fn of(mut known: known::Partition) -> Self {
        let progress = known.page.take().as_deref().map(read);
        // Counters never go back, wherever an operator has sent it meanwhile.
        let counted = progress.as_ref().filter(|page| page.check(Offset(0)).is_ok());
        Self { count: known.history.totals(counted), progress, known }
    }
}

/// What others come from stands first.
fn troubles(troubles: Troubles, partitions: &[known::Partition]) -> Vec<String> {
    let of_partition = |known: &known::Partition| {
        let why = known.reason.as_deref().unwrap_or_default();
        Some(match known.barred.as_ref()? {
            Barred::Denied(_) => format!("topic {}: {why}", known.key.topic),
            Barred::Refused(_) => why.to_owned(),
        })
    };
    let of_commits = |known: &known::Partition| {
        let error = known.commit_error.as_ref().filter(|_| known.commits_barred)?;
        // The right that stopped it is said of its topic.
        let said = known.barred.as_ref().is_some_and(|barred| barred.why() == error);
        (!said).then(|| format!("commits: {error}"))
    };
    let of_letter = |known: &known::Partition| {
        let error = known.letter_kept_by.as_ref()?;
        Some(format!("dead letters: {error}; tried again"))
    };
    let of_start = |known: &known::Partition| known.start_trouble.as_ref().map(ToString::to_string);
    let of_topics = troubles.of_topics.iter().cloned();
    let of_partitions = partitions.iter().flat_map(|known| {
        [of_partition(known), of_commits(known), of_letter(known), of_start(known)].into_iter().flatten()
    });
    let all: BTreeSet<_> = of_partitions.chain(of_topics).collect();
    troubles.first.into_iter().chain(all).collect()
}

impl Snapshot {
    /// What it is made of stays behind empty, but its room.
    pub(crate) fn of(known: &mut Known) -> Self {
        let troubles = troubles(take(&mut known.troubles), &known.partitions);
        let instance = Status { troubles, ..take(&mut known.instance) };
        Self {
            moment: known.moment,
            instance,
            applied: known.applied,
            connected: known.connected,
            partitions: known.partitions.drain(..).map(Seen::of).collect(),
            left: Sums::of(&known.left),
            rebalances: known.rebalances,
            per_partition: known.per_partition,
            status: OnceLock::new(),
        }
    }

    /// In words, for all who look.
    pub(crate) fn status(&self) -> Arc<Status> {
        let status = || {
            let partitions = self.partitions.iter().map(|seen| Partition::of(seen, &self.moment)).collect();
            Arc::new(Status { partitions, ..self.instance.clone() })
        };
        Arc::clone(self.status.get_or_init(status))
    }

    /// One partition of it.
    pub(crate) fn partition(&self, key: &TopicPartition) -> Option<&Seen> {
        self.partitions.iter().find(|seen| seen.known.key == *key)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kafkavisor::clock::{Boottime, now};
    use nix::unistd::Pid;

    use super::*;
    use crate::observe::known::Coming;

    fn known(page: &Arc<Page>) -> known::Partition {
        known::Partition {
            key: "orders:3".parse().unwrap(),
            state: "ready",
            since: Boottime(0),
            worker: Some((Pid::from_raw(7), now())),
            acknowledged: Some(Offset(40)),
            committed: None,
            token: None,
            reason: None,
            waiting: None,
            commit_error: None,
            commits_barred: false,
            letter_kept_by: None,
            barred: None,
            start_trouble: None,
            left_behind: Vec::new(),
            coming: Coming::Nothing,
            page: Some(Arc::clone(page)),
            end: None,
            history: History::default(),
            hangs_after: Duration::MAX,
            dead_letter: None,
        }
    }

    fn snapshot(partitions: Vec<known::Partition>) -> Snapshot {
        Snapshot::of(&mut Known { partitions, ..Known::empty(now()) })
    }

    fn page(folder: &tempfile::TempDir) -> Arc<Page> {
        let page = Page::create(&folder.path().join("page"), "orders:3", Offset(40)).unwrap();
        page.set_progress(&Progress {
            position: 45,
            delivered: 45,
            acknowledged: 45,
            messages: 5,
            ..Progress::default()
        });
        Arc::new(page)
    }

    /// Messages counted, and where it is.
    fn seen(partition: known::Partition) -> (u64, Option<i64>) {
        let status = snapshot(vec![partition]).status();
        (status.partitions[0].messages_total, status.partitions[0].position)
    }

    #[test]
    fn what_is_seen_is_what_the_page_says_when_it_is_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        let page = page(&folder);
        let known = known(&page);
        page.set_progress(&Progress { messages: 6, ..page.progress() });
        assert_eq!(seen(known), (6, Some(45)));
    }

    #[test]
    fn counters_do_not_go_back_where_an_operator_goes_back_between_the_loop_and_the_look() {
        let folder = tempfile::tempdir().unwrap();
        let page = page(&folder);
        let known = known(&page);
        page.move_to(Offset(10));
        assert_eq!(seen(known), (5, None), "where it is, is not known before the loop has said so");
    }

    #[test]
    fn nonsense_is_not_counted_by() {
        let folder = tempfile::tempdir().unwrap();
        let page = page(&folder);
        page.set_progress(&Progress { messages: 1 << 40, position: 44, ..page.progress() });
        assert_eq!(seen(known(&page)), (0, None));
    }

    #[test]
    fn what_keeps_it_from_kafka_is_said_once() {
        let folder = tempfile::tempdir().unwrap();
        let (page, text) = (page(&folder), |text: &str| Some(Arc::from(text)));
        let denied = |commits: &str| known::Partition {
            barred: Some(Barred::Denied(Arc::from("no right to read"))),
            reason: text("no right to read"),
            commit_error: text(commits),
            commits_barred: true,
            ..known(&page)
        };
        let refused = known::Partition {
            barred: Some(Barred::Refused(Arc::from("not let in"))),
            reason: text("its certificate has expired"),
            start_trouble: text("topic others: unknown"),
            ..known(&page)
        };
        let first = vec!["a token is missing".to_owned()];
        let troubles = Troubles { first, of_topics: Arc::new(["topic more: gone".to_owned()].into()) };
        let partitions = vec![denied("no right to read"), denied("no right to the group"), refused];
        let snapshot = Snapshot::of(&mut Known { partitions, troubles, ..Known::empty(now()) });
        assert_eq!(
            snapshot.instance.troubles,
            [
                "a token is missing",
                "commits: no right to the group",
                "its certificate has expired",
                "topic more: gone",
                "topic orders: no right to read",
                "topic others: unknown",
            ]
        );
    }
}
