//! The loop: one event, one decision, all its actions, and again. It never blocks on the network or the disk.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, at, never, select};
use kafkavisor::clock::{Boottime, now};
use kafkavisor::config::{Assignment as AssignmentMode, Config};
use kafkavisor::ids::{Offset, TopicPartition};
use kafkavisor::membership::Membership;
use kafkavisor::partitioner::messages::Notice;
use kafkavisor_link::attempts::Attempts;
use kafkavisor_link::page::{Lease, Progress};
use nix::sys::signal::Signal;

use super::assignment::{Assignment, Meaning};
use super::control::Asked;
use super::instance::core_settings;
use super::pages::Pages;
use super::reload::{self, Load, Loaded};
use super::service::Service;
use crate::kafka::{Ask, Commits, Found, Heard as KafkaHeard, Lookups, SharedLease, client_properties};
use crate::processes::{Gone, Heard as WorkerHeard, News, Workers};
use kafkavisor_supervisor_core::start::{Decision, Why};
use kafkavisor_supervisor_core::{CommitAnswer, Core, Event, Item};

/// Pages are read at least this often while anything runs.
const PAGES_EVERY: Duration = Duration::from_secs(1);
/// A loop so late did not run: it was stopped, suspended or starved.
const STOOD_STILL: Duration = Duration::from_secs(2);

/// Where events come from.
pub(crate) struct Sources {
    pub(crate) signals: Receiver<Signal>,
    pub(crate) workers: Receiver<WorkerHeard>,
    pub(crate) notices: Receiver<Notice>,
    pub(crate) kafka: Receiver<KafkaHeard>,
    pub(crate) commits: Receiver<Vec<CommitAnswer>>,
    pub(crate) asked: Receiver<Asked>,
    pub(crate) loaded: Receiver<Loaded>,
}

/// What the loop works with.
pub(crate) struct EventLoop {
    pub(crate) config: Config,
    pub(crate) kafka_properties: BTreeMap<String, String>,
    pub(crate) core: Core,
    pub(crate) workers: Workers,
    pub(crate) pages: Pages,
    pub(crate) membership: Option<Membership>,
    pub(crate) assignment: Assignment,
    pub(crate) lookups: Lookups,
    pub(crate) commits: Commits,
    pub(crate) shared_lease: SharedLease,
    pub(crate) started: Instant,
    pub(crate) ends: BTreeMap<TopicPartition, Offset>,
    pub(crate) unfetched: BTreeSet<TopicPartition>,
    pub(crate) leased: bool,
    pub(crate) dead_by_passed: bool,
    pub(crate) service: Service,
    pub(crate) load: Load,
    pub(crate) loaded: Sender<Loaded>,
    pub(crate) exit: Option<bool>,
}

enum Happened {
    Signal(Signal),
    Worker(WorkerHeard),
    Notice(Notice),
    Kafka(KafkaHeard),
    Commits(Vec<CommitAnswer>),
    Asked(Asked),
    Loaded(Loaded),
    Time,
}

impl EventLoop {
    /// Runs until the core says exit; true when the drain was cut short.
    pub(crate) fn run(mut self, sources: &Sources) -> bool {
        let mut pages_read = now();
        loop {
            let until = self.deadline();
            let happened = wait(sources, until);
            let time = now();
            if until.is_some_and(|until| time.saturating_duration_since(until) > STOOD_STILL) {
                log::warn!(
                    "this process stood still for {:.1?}",
                    time.saturating_duration_since(until.unwrap_or(time))
                );
                self.decide(Event::Resumed);
            }
            let urgent = matches!(happened, Happened::Worker(..) | Happened::Asked(_) | Happened::Notice(_));
            if urgent || time.saturating_duration_since(pages_read) >= PAGES_EVERY {
                pages_read = time;
                let pages = self.pages.progress();
                self.decide(Event::PagesRead { pages, at: Boottime::now() });
            }
            self.look_at_lease();
            self.happened(happened);
            self.tell_of_workers();
            self.decide(Event::Woken);
            self.tell_unfetched();
            self.tell_service(time);
            if let Some(cut_short) = self.exit {
                return cut_short;
            }
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let time = now();
        let beat = (!self.core.items().is_empty()).then(|| time + PAGES_EVERY);
        let workers = self.workers.deadline(time);
        let boottime = Boottime::now();
        let lease = self.pages.lease();
        let next_lease = if self.leased { lease.deliver_until } else { lease.dead_by };
        let lease_end =
            (!self.core.items().is_empty() && next_lease > boottime && next_lease < Boottime(u64::MAX))
                .then(|| time + next_lease.since(boottime) + Duration::from_millis(1));
        [beat, workers, lease_end, self.core.next_deadline(), self.service.deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    fn happened(&mut self, happened: Happened) {
        match happened {
            Happened::Signal(signal) => self.signalled(signal),
            Happened::Worker(heard) => self.workers.hear(heard, now()),
            Happened::Notice(notice) => self.noticed(notice),
            Happened::Kafka(heard) => self.kafka_said(heard),
            Happened::Commits(answers) => self.committed(answers),
            Happened::Asked(asked) => self.asked(&asked),
            Happened::Loaded(loaded) => self.reloaded(loaded),
            Happened::Time => {}
        }
    }

    pub(super) fn decide(&mut self, event: Event) {
        let actions = self.core.handle(now(), event);
        self.perform_all(actions);
    }

    fn signalled(&mut self, signal: Signal) {
        #[expect(clippy::wildcard_enum_match_arm, reason = "only these are asked for")]
        match signal {
            Signal::SIGTERM | Signal::SIGINT => {
                log::info!(
                    "{signal}: {}",
                    if self.core.stopping() { "stopping at once" } else { "draining" }
                );
                self.decide(Event::StopRequested);
            }
            Signal::SIGUSR1 => self.log_everything(),
            Signal::SIGHUP => {
                log::info!("{signal}: reading the configuration again");
                Service::reloading();
                reload::start(&self.load, self.loaded.clone());
            }
            _ => self.workers.reap(now()),
        }
    }

    fn noticed(&mut self, notice: Notice) {
        match self.assignment.understand(notice) {
            Meaning::Event(event) => self.decide(event),
            Meaning::Lease(lease) => {
                self.set_lease(lease);
                self.look_at_lease();
            }
            Meaning::Nothing => {}
        }
    }

    pub(crate) fn set_lease(&mut self, lease: Lease) {
        self.pages.set_lease(lease);
        self.shared_lease.set(lease.deliver_until);
    }

    fn look_at_lease(&mut self) {
        let time = Boottime::now();
        let lease = self.pages.lease();
        let leased = time < lease.deliver_until;
        if leased != self.leased {
            self.leased = leased;
            self.decide(if leased { Event::LeaseRenewed } else { Event::LeaseLapsed });
        }
        let dead = time >= lease.dead_by;
        if dead && !self.dead_by_passed {
            self.decide(Event::LeaseEnded);
        }
        self.dead_by_passed = dead;
    }

    fn kafka_said(&mut self, heard: KafkaHeard) {
        match heard {
            KafkaHeard::Start(Found { item, request, topic_id, result }) => {
                self.pages.set_topic_id(item.clone(), topic_id);
                let event = match result {
                    Ok(decision) => {
                        let page = match &decision {
                            Decision::At { offset, why: Why::Committed { by_us: true } } => {
                                self.pages.resume(&item, *offset)
                            }
                            Decision::At { .. } | Decision::Park(_) => None,
                        };
                        Event::StartFound { item, request, decision, page }
                    }
                    Err(error) => Event::StartUnknown { item, request, error },
                };
                self.decide(event);
            }
            KafkaHeard::Partitions { items, made_again } => {
                for item in made_again {
                    self.decide(Event::TopicMadeAgain { item });
                }
                if let Some(membership) = &self.membership {
                    log::info!("the topics have {} partitions now", items.len());
                    membership.items_changed(items);
                }
            }
            KafkaHeard::Ends(ends) => self.ends.extend(ends),
        }
    }

    fn committed(&mut self, answers: Vec<CommitAnswer>) {
        for answer in &answers {
            if let (None, Some(entry)) = (&answer.error, self.pages.get(&answer.item)) {
                entry.page.set_committed(answer.offset);
            }
        }
        self.decide(Event::Committed { answers });
    }

    fn tell_of_workers(&mut self) {
        for news in self.workers.news(now()) {
            match news {
                News::Spawned { item, pid } => {
                    log::info!("{item}: worker {pid} started");
                    self.decide(Event::WorkerSpawned { item, pid });
                }
                News::SpawnFailed { item, error } => self.decide(Event::SpawnFailed { item, error }),
                News::Said { item, pid, message } => self.decide(Event::WorkerSaid { item, pid, message }),
                News::Gone(gone) => self.worker_gone(gone),
            }
        }
    }

    fn worker_gone(&mut self, gone: Gone) {
        if !gone.left.is_empty() {
            let left = gone.left.join(", ");
            log::error!("{}: its worker has left what can't be ended (another user's?): {left}", gone.item);
        }
        let entry = self.pages.get(&gone.item);
        let progress = entry.map_or_else(Progress::default, |entry| entry.page.progress());
        let attempts = entry.map_or_else(Attempts::default, |entry| entry.page.attempts());
        let (item, pid, exit) = (gone.item, gone.pid, gone.exit);
        self.decide(Event::WorkerExited { item, pid, exit, progress, attempts });
    }

    /// What came of a reload.
    fn reloaded(&mut self, loaded: Loaded) {
        match loaded.map(|new| reload::apply(&self.config, *new)) {
            Err(why) => log::error!("nothing is changed, the configuration is refused: {why}"),
            Ok(Err(keys)) => log::error!(
                "nothing is changed: {} can't change while this runs; stop it and start it again",
                keys.join(", ")
            ),
            Ok(Ok((config, later))) => {
                if !later.is_empty() {
                    log::warn!("{} is taken up at the next start", later.join(", "));
                }
                self.kafka_properties = client_properties(&config);
                log::set_max_level(config.log.level);
                let settings = core_settings(&config);
                self.config = config;
                self.decide(Event::Reloaded { settings });
            }
        }
        self.service.reloaded();
    }

    fn tell_service(&mut self, time: Instant) {
        self.service.beat(time);
        if self.membership.is_none() || self.assignment.member.is_some() {
            self.service.ready();
        }
        let items = self.core.items();
        if self.core.stopping() {
            let acknowledged = items.values().filter_map(|item| Some(item.acknowledged?.0)).sum();
            self.service.stopping(items.len(), acknowledged, self.config.stop.timeout);
        }
        let mut states: BTreeMap<&str, usize> = BTreeMap::new();
        items.values().for_each(|item| *states.entry(item.state()).or_default() += 1);
        let states: Vec<_> = states.into_iter().map(|(state, count)| format!("{count} {state}")).collect();
        let members = match self.assignment.members {
            1 => "1 member".to_owned(),
            members => format!("{members} members"),
        };
        let partitions = match states.as_slice() {
            [] => "no partitions".to_owned(),
            states => format!("{} partitions ({})", items.len(), states.join(", ")),
        };
        let line = format!("{partitions}, {members}");
        self.service.status(time, line);
    }

    fn tell_unfetched(&mut self) {
        let without = |(_, item): &(&TopicPartition, &Item)| item.pid().is_none();
        let unfetched: BTreeSet<_> =
            self.core.items().iter().filter(without).map(|(key, _)| key.clone()).collect();
        if unfetched != self.unfetched {
            self.lookups.ask(Ask::Unfetched(unfetched.clone()));
            self.unfetched = unfetched;
        }
    }

    /// Static assignment: everything is ours from the start.
    pub(crate) fn assign_fixed(&mut self) {
        let AssignmentMode::Static { partitions } = self.config.assignment.clone() else { return };
        self.set_lease(Lease::UNLIMITED);
        self.leased = true;
        for (topic, numbers) in partitions {
            for partition in numbers {
                let item = TopicPartition { topic: topic.clone(), partition };
                self.decide(Event::Assigned { item, token: None });
            }
        }
        self.decide(Event::Settled { members: 1 });
    }
}

fn wait(sources: &Sources, until: Option<Instant>) -> Happened {
    let timer = until.map_or_else(never, at);
    select! {
        recv(sources.signals) -> signal => signal.map_or(Happened::Time, Happened::Signal),
        recv(sources.workers) -> heard => heard.map_or(Happened::Time, Happened::Worker),
        recv(sources.notices) -> notice => notice.map_or(Happened::Time, Happened::Notice),
        recv(sources.kafka) -> heard => heard.map_or(Happened::Time, Happened::Kafka),
        recv(sources.commits) -> answers => answers.map_or(Happened::Time, Happened::Commits),
        recv(sources.asked) -> asked => asked.map_or(Happened::Time, Happened::Asked),
        recv(sources.loaded) -> loaded => loaded.map_or(Happened::Time, Happened::Loaded),
        recv(timer) -> _ => Happened::Time,
    }
}

/// A channel's sender as a sink for threads: when the loop is over nobody needs it any more.
pub(crate) fn sink<T: Send + 'static>(sender: Sender<T>) -> impl Fn(T) + Send + 'static {
    move |event| {
        let _loop_is_over = sender.send(event);
    }
}
