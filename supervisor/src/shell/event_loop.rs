//! The loop: one event, one turn of the driver, and again. It never blocks on the network or the disk, and an event costs it what it
//! concerns: what grows with the number of partitions is done on a beat.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, at, never, select};
use kafkavisor::clock::now;
use kafkavisor::config::Assignment as AssignmentMode;
use kafkavisor::ids::{Offset, TopicPartition};
use kafkavisor::partitioner::messages::Notice;
use kafkavisor_driver::{Driver, Happened, Start};
use kafkavisor_supervisor_core::{CommitAnswer, Partition, Stop};
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::control::Asked;
use super::reload::{self, Load, Loaded};
use super::service::Service;
use super::status::Status;
use super::system::Real;
use super::workers::Heard as WorkerHeard;
use crate::kafka::{Ask, Found, Heard as KafkaHeard};

/// What a dying worker left is looked at again after this.
const STRAYS_AGAIN: Duration = Duration::from_millis(5);
/// What is done for all partitions together is done this often.
const BEAT: Duration = Duration::from_millis(500);

/// Where events come from.
pub(crate) struct Sources {
    pub(crate) signals: Receiver<Signal>,
    pub(crate) workers: Receiver<(Pid, WorkerHeard)>,
    pub(crate) notices: Receiver<Notice>,
    pub(crate) kafka: Receiver<KafkaHeard>,
    pub(crate) commits: Receiver<Vec<CommitAnswer>>,
    pub(crate) asked: Receiver<Asked>,
    pub(crate) loaded: Receiver<Loaded>,
}

/// What the loop works with.
pub(crate) struct EventLoop {
    pub(crate) driver: Driver,
    pub(crate) real: Real,
    pub(crate) started: Instant,
    pub(crate) ends: BTreeMap<TopicPartition, Offset>,
    pub(crate) unfetched: BTreeSet<TopicPartition>,
    pub(crate) service: Service,
    pub(crate) load: Load,
    pub(crate) loaded: Sender<Loaded>,
    /// What was last published, and when.
    pub(crate) published: Option<(Instant, Arc<Status>)>,
    pub(crate) beat_at: Instant,
}

enum Event {
    Signal(Signal),
    Worker(Pid, WorkerHeard),
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
        loop {
            let event = wait(sources, self.deadline());
            self.take(event);
            for gone in self.real.workers.gone(now()) {
                self.turn(Happened::Gone { pid: gone.pid, exit: gone.exit });
            }
            let time = now();
            self.service.beat(time);
            if time >= self.beat_at {
                self.beat_at = time + BEAT;
                self.tell_unfetched();
                self.tell_service(time);
            }
            if let Some(cut_short) = self.driver.exit() {
                return cut_short;
            }
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let time = now();
        let strays = self.real.workers.going().then(|| time + STRAYS_AGAIN);
        let busy = !self.driver.core().partitions().is_empty() || self.driver.core().stopping();
        let beat = busy.then_some(self.beat_at);
        [strays, beat, self.driver.deadline(&self.real), self.service.deadline()].into_iter().flatten().min()
    }

    /// A turn of the driver, and those that follow from it at once.
    pub(super) fn turn(&mut self, happened: Happened) {
        self.driver.turn(&mut self.real, happened);
        while let Some(happened) = self.real.happened.pop_front() {
            self.driver.turn(&mut self.real, happened);
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Signal(signal) => self.signalled(signal),
            Event::Worker(pid, WorkerHeard::Said(message)) => self.turn(Happened::Said { pid, message }),
            Event::Worker(pid, WorkerHeard::Closed) => self.real.workers.closed(pid),
            Event::Notice(notice) => self.turn(Happened::Notice(notice)),
            Event::Kafka(heard) => self.kafka_said(heard),
            Event::Commits(answers) => self.turn(Happened::Committed(answers)),
            Event::Asked(asked) => self.asked(asked),
            Event::Loaded(loaded) => self.reloaded(loaded),
            Event::Time => self.turn(Happened::Time),
        }
    }

    fn signalled(&mut self, signal: Signal) {
        #[expect(clippy::wildcard_enum_match_arm, reason = "only these are asked for")]
        match signal {
            Signal::SIGTERM | Signal::SIGINT => {
                let stopping = self.driver.core().stopping();
                log::info!("{signal}: {}", if stopping { "stopping already" } else { "draining" });
                self.turn(Happened::Stop(Stop::Signalled));
            }
            Signal::SIGUSR1 => self.log_everything(),
            Signal::SIGHUP => {
                log::info!("{signal}: reading the configuration again");
                Service::reloading();
                reload::start(&self.load, self.loaded.clone());
            }
            _ => self.real.workers.reap(now()),
        }
    }

    fn kafka_said(&mut self, heard: KafkaHeard) {
        match heard {
            KafkaHeard::Start(Found { item, request, topic_id, result }) => {
                self.real.pages.set_topic_id(item.clone(), topic_id);
                let begins = BTreeMap::new();
                self.turn(Happened::Start(Start { partition: item, request, decision: result, begins }));
            }
            KafkaHeard::Partitions { items, made_again } => {
                made_again.into_iter().for_each(|partition| self.turn(Happened::TopicMadeAgain(partition)));
                if let Some(membership) = &self.real.membership {
                    log::info!("the topics have {} partitions now", items.len());
                    membership.items_changed(items);
                }
            }
            KafkaHeard::Ends(ends) => self.ends.extend(ends),
            // Nobody asks yet.
            KafkaHeard::Log { .. } => {}
        }
    }

    /// What came of a reload.
    fn reloaded(&mut self, loaded: Loaded) {
        match loaded.map(|new| reload::apply(self.real.config(), *new)) {
            Err(why) => log::error!("nothing is changed, the configuration is refused: {why}"),
            Ok((config, changed)) => {
                changed.kept_line().inspect(|line| log::warn!("{line}"));
                changed.kafka_line().inspect(|line| log::warn!("{line}"));
                let number = self.driver.core().next_config();
                let settings = self.real.add(number, config);
                self.turn(Happened::Reloaded(settings));
            }
        }
        self.service.reloaded();
    }

    fn tell_service(&mut self, time: Instant) {
        if self.real.membership.is_none() || self.driver.assignment().member.is_some() {
            self.service.ready();
        }
        let partitions = self.driver.core().partitions();
        if self.driver.core().stopping() {
            let acknowledged = partitions.values().filter_map(|p| Some(p.tenure.acknowledged()?.0)).sum();
            self.service.stopping(partitions.len(), acknowledged, self.real.config().stop.timeout);
        }
        let mut states: BTreeMap<&str, usize> = BTreeMap::new();
        partitions.values().for_each(|partition| *states.entry(partition.state()).or_default() += 1);
        let states: Vec<_> = states.into_iter().map(|(state, count)| format!("{count} {state}")).collect();
        let members = match self.driver.assignment().members {
            1 => "1 member".to_owned(),
            members => format!("{members} members"),
        };
        let said = match states.as_slice() {
            [] => "no partitions".to_owned(),
            states => format!("{} partitions ({})", partitions.len(), states.join(", ")),
        };
        self.service.status(time, format!("{said}, {members}"));
    }

    fn tell_unfetched(&mut self) {
        let without = |(_, partition): &(&TopicPartition, &Partition)| partition.pid().is_none();
        let all = self.driver.core().partitions().iter();
        let unfetched: BTreeSet<_> = all.filter(without).map(|(key, _)| key.clone()).collect();
        if unfetched != self.unfetched {
            self.real.lookups.ask(Ask::Unfetched(unfetched.clone()));
            self.unfetched = unfetched;
        }
    }

    /// Static assignment: everything is ours from the start.
    pub(crate) fn assign_fixed(&mut self) {
        let AssignmentMode::Static { partitions } = self.real.config().assignment.clone() else { return };
        let all = partitions.into_iter().flat_map(|(topic, numbers)| {
            numbers.into_iter().map(move |partition| TopicPartition { topic: topic.clone(), partition })
        });
        self.driver.assign_fixed(&mut self.real, all.collect());
    }
}

fn wait(sources: &Sources, until: Option<Instant>) -> Event {
    let timer = until.map_or_else(never, at);
    select! {
        recv(sources.signals) -> signal => signal.map_or(Event::Time, Event::Signal),
        recv(sources.workers) -> heard => heard.map_or(Event::Time, |(pid, heard)| Event::Worker(pid, heard)),
        recv(sources.notices) -> notice => notice.map_or(Event::Time, Event::Notice),
        recv(sources.kafka) -> heard => heard.map_or(Event::Time, Event::Kafka),
        recv(sources.commits) -> answers => answers.map_or(Event::Time, Event::Commits),
        recv(sources.asked) -> asked => asked.map_or(Event::Time, Event::Asked),
        recv(sources.loaded) -> loaded => loaded.map_or(Event::Time, Event::Loaded),
        recv(timer) -> _ => Event::Time,
    }
}

/// A channel's sender as a sink for threads: when the loop is over nobody needs it any more.
pub(crate) fn sink<T: Send + 'static>(sender: Sender<T>) -> impl Fn(T) + Clone + Send + 'static {
    move |event| {
        let _loop_is_over = sender.send(event);
    }
}
