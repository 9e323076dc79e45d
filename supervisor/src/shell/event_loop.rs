//! The loop: one event, one turn of the driver, and again. It never blocks on the network or the disk, and an event costs it what it
//! concerns: what grows with the number of partitions is done on a beat.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, at, never, select};
use kafkavisor::clock::now;
use kafkavisor::ids::{Offset, TopicPartition};
use kafkavisor::membership::{Notice, Options};
use kafkavisor_driver::{Driver, Happened, Start};
use kafkavisor_group::answer::CommitAnswer;
use kafkavisor_kafka::offsets::MemberNode;
use kafkavisor_link::message::{Ending, FromWorker};
use kafkavisor_supervisor_core::{Partition, Stop, Ticket};
use nix::sys::signal::Signal;

use super::publishing::Telling;
use super::rebalances::Rebalances;
use super::system::Real;
use super::troubles::Troubles;
use crate::kafka::{Ask, Author, Changes, Found, Heard as KafkaHeard, LogEnd, StartError, Unfetched};
use crate::observe::Describe;
use crate::observe::metrics::Pushing;
use crate::operate::asked::Asked;
use crate::operate::attending::Attending;
use crate::operate::reload::{self, Load, Loaded, New, kept_line};
use crate::operate::service::Service;
use crate::processes::{Gone, Heard as WorkerHeard, News};
use crate::tokens::{self, Keeper, Settings, Told};

/// What is done for all partitions together is done this often.
const BEAT: Duration = Duration::from_millis(500);
/// ... and this often while it stops, for whoever waits for its progress.
const STOPPING_BEAT: Duration = Duration::from_millis(50);

/// Where events come from.
pub(crate) struct Sources {
    pub(crate) signals: Receiver<Signal>,
    pub(crate) workers: Receiver<WorkerHeard>,
    pub(crate) notices: Receiver<Notice>,
    pub(crate) kafka: Receiver<KafkaHeard>,
    pub(crate) commits: Receiver<Vec<CommitAnswer>>,
    pub(crate) asked: Receiver<Asked>,
    /// Those who attend the rebalances.
    pub(crate) attending: Receiver<Attending>,
    pub(crate) loaded: Receiver<Loaded>,
    /// Brokers that discovery names now.
    pub(crate) brokers: Receiver<Vec<String>>,
    /// New tokens, or why there are none.
    pub(crate) told: Receiver<Told>,
    /// Somebody looks.
    pub(crate) woken: Receiver<()>,
    /// ... at one partition.
    pub(crate) describe: Receiver<Describe>,
}

/// What the loop works with.
pub(crate) struct EventLoop {
    pub(crate) driver: Driver,
    pub(crate) real: Real,
    /// Of the membership in ZooKeeper, where there is one.
    pub(crate) member_options: Option<Options>,
    pub(crate) started: Instant,
    /// Seeks that wait to know how far the log goes.
    pub(crate) seeks: BTreeMap<Ticket, Offset>,
    pub(crate) ends: BTreeMap<TopicPartition, LogEnd>,
    pub(crate) unfetched: Unfetched,
    pub(crate) service: Service,
    pub(crate) load: Load,
    pub(crate) loaded: Sender<Loaded>,
    /// Asks for tokens, where Kafka wants any.
    pub(crate) keeper: Option<Keeper>,
    pub(crate) telling: Telling,
    /// Sends figures to whoever does not come for them.
    pub(crate) pushing: Pushing,
    pub(crate) beat_at: Instant,
    pub(crate) troubles: Troubles,
    /// What notices wait for.
    pub(crate) rebalances: Rebalances,
}

enum Event {
    Signal(Signal),
    Worker(WorkerHeard),
    Notice(Notice),
    Kafka(KafkaHeard),
    Commits(Vec<CommitAnswer>),
    Asked(Asked),
    Attending(Attending),
    Loaded(Loaded),
    Brokers(Vec<String>),
    Told(Told),
    Woken,
    Describe(Describe),
    Time,
}

impl EventLoop {
    /// Runs until the core says exit; true when the drain was cut short.
    pub(crate) fn run(&mut self, sources: &Sources) -> bool {
        loop {
            let event = wait(sources, self.deadline());
            let stopping = self.driver.core().stopping();
            self.take(event);
            self.rebalance();
            let news = self.tell_of_workers();
            let time = now();
            self.service.beat(time);
            let stops = self.driver.core().stopping();
            if time >= self.beat_at || stops != stopping || (stops && news) {
                self.beat_at = time + if stops { STOPPING_BEAT } else { BEAT };
                self.tell_unfetched();
                self.tell_service(time);
            }
            if self.real.secrets_deadline().is_some_and(|at| time >= at) {
                self.real.read_secrets();
            }
            self.telling.applied |= self.driver.core().settled();
            self.publish_if_due(time);
            if let Some(cut_short) = self.driver.exit() {
                self.telling.looks.board.close();
                self.telling.looks.events.close();
                self.rebalances.close();
                return cut_short;
            }
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let time = now();
        let workers = self.real.workers.deadline(time);
        let busy = !self.driver.core().partitions().is_empty() || self.driver.core().stopping();
        let beat = busy.then_some(self.beat_at);
        let secrets = self.real.secrets_deadline();
        let publish = self.telling.publish_at;
        let (service, rebalances) = (self.service.deadline(), self.rebalances.deadline());
        let driver = self.driver.deadline(&self.real);
        [workers, beat, secrets, publish, driver, service, rebalances].into_iter().flatten().min()
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
            Event::Worker(heard) => self.real.workers.hear(heard, now()),
            Event::Notice(notice) => {
                let stopping = self.driver.core().stopping();
                if let Some(notice) = self.rebalances.noticed(notice, now(), stopping) {
                    self.noticed(notice);
                }
            }
            Event::Kafka(heard) => self.kafka_said(heard),
            Event::Commits(answers) => self.turn(Happened::Committed(answers)),
            Event::Asked(asked) => self.asked(asked),
            Event::Attending(attending) => self.rebalances.attending(attending),
            Event::Loaded(loaded) => self.reloaded(loaded),
            Event::Brokers(brokers) => self.real.take_brokers(brokers),
            Event::Told(told) => self.token_told(told),
            Event::Woken => self.looked_at(),
            Event::Describe(describe) => self.describe(describe),
            Event::Time => self.turn(Happened::Time),
        }
    }

    /// What notices have waited for is done, or goes on without.
    fn rebalance(&mut self) {
        let within = self.real.config().stop.timeout;
        let stopping = self.driver.core().stopping();
        self.rebalances.due(now(), within, stopping).into_iter().for_each(|notice| self.noticed(notice));
    }

    /// Who commits from here on is known before what follows from it.
    fn noticed(&mut self, notice: Notice) {
        match (&notice, &self.member_options) {
            (Notice::Joined { node: Some(node), .. }, Some(options)) => {
                self.real.author = Author::Member(MemberNode(options.member_node(node)));
            }
            (Notice::Joined { .. }, _) => self.real.author = Author::Only,
            (Notice::SessionLost, _) => self.real.author = Author::Nobody,
            _ => {}
        }
        self.turn(Happened::Notice(notice));
    }

    fn signalled(&mut self, signal: Signal) {
        #[expect(clippy::wildcard_enum_match_arm, reason = "only these are asked for")]
        match signal {
            Signal::SIGTERM | Signal::SIGINT => {
                let (stopping, again) = (self.driver.core().stopping(), self.driver.core().was_signalled());
                match (stopping, again) {
                    (_, true) => log::warn!("{signal} once more: the drain is cut short"),
                    (true, false) => log::info!("{signal}: stopping already; another one cuts that short"),
                    (false, false) => log::info!("{signal}: draining; another one cuts that short"),
                }
                self.note("stopping", Some(signal.as_str()), None);
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

    /// Whether there was anything to tell.
    fn tell_of_workers(&mut self) -> bool {
        let all = self.real.workers.news(now());
        let any = !all.is_empty();
        for news in all {
            let happened = match news {
                News::Spawned { partition, pid } => {
                    let begins = self.driver.core().partitions().get(&partition);
                    let begins =
                        begins.and_then(|owned| owned.tenure.held()).map(|place| place.acknowledged.0);
                    log::info!(partition:%; "worker {pid} started at offset {}", begins.unwrap_or_default());
                    Happened::Spawned { partition, pid }
                }
                News::SpawnFailed { partition, error } => Happened::SpawnFailed { partition, error },
                News::Said { pid, message: FromWorker::Described(description) } => {
                    self.described(pid, &description);
                    continue;
                }
                News::Said { pid, message } => {
                    if matches!(&message, FromWorker::Ended { ending: Ending::Refused { .. }, .. }) {
                        self.troubles.refused(self.driver.core().partitions().values());
                        self.real.lookups.ask(Ask::Trouble);
                    }
                    Happened::Said { pid, message }
                }
                News::Gone(Gone { partition, pid, exit, left }) => {
                    if !left.is_empty() {
                        let left: Vec<_> = left.into_iter().map(|left| left.name).collect();
                        let left = left.join(", ");
                        log::error!(
                            partition:%;
                            "its worker has left what can't be ended (another user's?): {left}"
                        );
                    }
                    self.telling.describing.remove(&pid);
                    Happened::Gone { pid, exit }
                }
            };
            self.turn(happened);
        }
        any
    }

    fn kafka_said(&mut self, heard: KafkaHeard) {
        match heard {
            KafkaHeard::Start(Found { partition, request, topic_id, decision, begins }) => {
                // Also the starts of others are of this topic, whatever there is by the time when they are committed. What is still
                // owed of a place from before is of the topic that that was found in.
                let found = decision.is_ok().then_some(&partition);
                for partition in found.into_iter().chain(begins.keys()) {
                    self.real.pages.set_topic_id(partition.clone(), topic_id.clone());
                }
                let trouble = decision.as_ref().err().and_then(StartError::trouble);
                self.troubles.of_start(partition.clone(), trouble);
                let decision = decision.map_err(|error| error.to_string());
                self.turn(Happened::Start(Start { partition, request, decision, begins }));
            }
            KafkaHeard::Topics(Changes { partitions, made_again }) => {
                for (partition, id) in made_again {
                    // One whose start was looked up since is known to be of that topic.
                    if id.is_none() || self.real.pages.topic_id(&partition) != id {
                        self.turn(Happened::TopicMadeAgain(partition));
                    }
                }
                log::info!("the topics have {} partitions now", partitions.len());
                self.real.member.partitions_changed(partitions);
            }
            KafkaHeard::Troubles(troubles) => {
                if !troubles.is_empty() {
                    self.real.read_secrets();
                }
                self.troubles.of_topics = Arc::new(troubles);
            }
            KafkaHeard::Seen(trouble) => {
                if let Some(news) = self.troubles.look(trouble.map(|trouble| trouble.to_string())) {
                    log::error!("Kafka: {news}");
                }
            }
            KafkaHeard::Ends(ends) => self.ends.extend(ends),
            KafkaHeard::Log { partition, ticket, log } => self.log_known(partition, ticket, log),
        }
    }

    /// What came of a reload.
    fn reloaded(&mut self, loaded: Loaded) {
        match loaded.map(|new| *new) {
            Err(why) => log::error!("nothing is changed, the configuration is refused: {why}"),
            Ok(New { config, files }) => {
                let (config, kept) = reload::apply(self.real.config(), config);
                if let Some(keeper) = &self.keeper {
                    keeper.ask_with(Settings::from(config.identity()));
                }
                kept_line(&kept).inspect(|line| log::warn!("{line}"));
                self.pushing.follow(&config.metrics);
                self.real.read_secrets();
                let number = self.driver.core().next_config();
                let settings = self.real.add(number, config, &files);
                self.turn(Happened::Reloaded(settings));
            }
        }
        self.service.reloaded();
    }

    fn token_told(&mut self, told: Told) {
        match told {
            Told::Token(token) => {
                log::debug!("a new token: {token:?}");
                tokens::board().give(&token);
                self.real.take_token(token);
                self.troubles.of_tokens = None;
            }
            Told::Failed(why) => {
                let level = if why.is_the_end() { log::Level::Error } else { log::Level::Warn };
                log::log!(level, "{why}");
                self.troubles.of_tokens = Some(why);
            }
        }
    }

    fn tell_service(&mut self, time: Instant) {
        if self.driver.assignment().joined {
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
        let acknowledged =
            |(key, partition): (&TopicPartition, &Partition)| (key.clone(), partition.tenure.acknowledged());
        let unfetched: Unfetched = all.filter(without).map(acknowledged).collect();
        if unfetched != self.unfetched {
            self.real.lookups.ask(Ask::Unfetched(unfetched.clone()));
            self.unfetched = unfetched;
        }
    }
}

fn wait(sources: &Sources, until: Option<Instant>) -> Event {
    let timer = until.map_or_else(never, at);
    let told = &sources.told;
    select! {
        recv(sources.signals) -> signal => signal.map_or(Event::Time, Event::Signal),
        recv(sources.workers) -> heard => heard.map_or(Event::Time, Event::Worker),
        recv(sources.notices) -> notice => notice.map_or(Event::Time, Event::Notice),
        recv(sources.kafka) -> heard => heard.map_or(Event::Time, Event::Kafka),
        recv(sources.commits) -> answers => answers.map_or(Event::Time, Event::Commits),
        recv(sources.asked) -> asked => asked.map_or(Event::Time, Event::Asked),
        recv(sources.attending) -> attending => attending.map_or(Event::Time, Event::Attending),
        recv(sources.loaded) -> loaded => loaded.map_or(Event::Time, Event::Loaded),
        recv(sources.brokers) -> brokers => brokers.map_or(Event::Time, Event::Brokers),
        recv(told) -> told => told.map_or(Event::Time, Event::Told),
        recv(sources.woken) -> woken => woken.map_or(Event::Time, |()| Event::Woken),
        recv(sources.describe) -> describe => describe.map_or(Event::Time, Event::Describe),
        recv(timer) -> _ => Event::Time,
    }
}

/// A channel's sender as a sink for threads: when the loop is over nobody needs it any more.
pub(crate) fn sink<T: Send + 'static>(sender: Sender<T>) -> impl Fn(T) + Clone + Send + 'static {
    move |event| {
        let _loop_is_over = sender.send(event);
    }
}
