//! The real system under the driver: processes, pages, membership, the threads that talk to Kafka, and the configurations that
//! workers are started with. Nothing here waits.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kafkavisor::clock::{Boottime, now, wall_millis};
use kafkavisor::config::{Config, Log, SecretError};
use kafkavisor::ids::{FencingToken, Offset, TopicPartition};
use kafkavisor::membership::Member;
use kafkavisor::protocol::StopReason;
use kafkavisor::token::Token;
use kafkavisor_driver::{Happened, System};
use kafkavisor_group::commit_note::CommitNote;
use kafkavisor_link::attempts::Attempts;
use kafkavisor_link::logging;
use kafkavisor_link::message::{Start, ToWorker, Verdict};
use kafkavisor_link::page::{Lease, Progress};
use kafkavisor_supervisor_core::{Change, ConfigNumber, Refusal, Settings, TakenUp, Ticket, WorkerStart};
use log::LevelFilter;
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::deployments::{Deployment, Deployments, Files};
use super::log_shares::LogShares;
use super::pages::Pages;
use super::replies::Replies;
use crate::kafka::{Ask, Author, CommitRequest, Commits, Lookups, SharedLease, client_properties};
use crate::observe::{Events, Looks};
use crate::processes::{Workers, secrecy};
use kafkavisor_kafka::offsets::Stored;

/// One configuration, and what follows from it.
pub(crate) struct Configured {
    pub(crate) config: Config,
    kafka: BTreeMap<String, String>,
    /// When what stands in files was last read.
    read_at: Instant,
    /// What was wrong with it then, so that it is said once.
    unreadable: Vec<(String, SecretError)>,
    deployment: Deployment,
}

/// Secrets are not read more often than this, however many workers start.
const SECRETS_EVERY: Duration = Duration::from_secs(1);
/// What could not be read is read again after this.
const UNREADABLE_AGAIN: Duration = Duration::from_secs(5);

impl Configured {
    /// Reads again what stands in files: a secret may be changed while it runs. What can't be read stays what it was.
    fn read_secrets(&mut self, brokers: &[String], time: Instant) {
        if !self.config.kafka.changes() || time.saturating_duration_since(self.read_at) < SECRETS_EVERY {
            return;
        }
        self.read_at = time;
        let unreadable = self.config.kafka.read_again();
        for (name, error) in unreadable.iter().filter(|said| !self.unreadable.contains(said)) {
            log::error!("kafka.{name}: {error}; workers are started with what it was before");
        }
        self.unreadable = unreadable;
        self.kafka = client_properties(brokers, &self.config);
    }
}

/// See the module.
pub(crate) struct Real {
    /// Those that something runs with, or may.
    configs: BTreeMap<ConfigNumber, Configured>,
    established: ConfigNumber,
    /// The brokers that a worker begins with.
    brokers: Vec<String>,
    /// What workers show to brokers, where these want a token.
    token: Option<Token>,
    /// From which on lines are logged, here and in workers.
    log_level: LevelFilter,
    log_shares: LogShares,
    /// Random, as this instance signs its commits.
    instance_id: String,
    deployments: Deployments,
    pub(crate) workers: Workers,
    pub(crate) pages: Pages,
    pub(crate) member: Box<dyn Member>,
    pub(crate) lookups: Lookups,
    pub(crate) commits: Commits,
    pub(crate) shared_lease: SharedLease,
    /// In whose name it commits now.
    pub(crate) author: Author,
    pub(crate) replies: Replies,
    events: Arc<Events>,
    /// What happened of itself while something else was done.
    pub(crate) happened: VecDeque<Happened>,
}

/// What it is made of.
pub(crate) struct Parts {
    pub(crate) config: Config,
    pub(crate) files: Files,
    pub(crate) brokers: Vec<String>,
    pub(crate) token: Option<Token>,
    pub(crate) instance_id: String,
    pub(crate) deployments: Deployments,
    pub(crate) workers: Workers,
    pub(crate) pages: Pages,
    pub(crate) member: Box<dyn Member>,
    pub(crate) lookups: Lookups,
    pub(crate) commits: Commits,
    pub(crate) shared_lease: SharedLease,
    pub(crate) looks: Looks,
}

impl Real {
    pub(crate) fn new(parts: Parts) -> (Self, Settings) {
        let established = ConfigNumber(0);
        let events = Arc::clone(&parts.looks.events);
        let mut real = Self {
            configs: BTreeMap::new(),
            established,
            brokers: parts.brokers,
            token: parts.token,
            log_level: parts.config.log.level,
            log_shares: LogShares::default(),
            instance_id: parts.instance_id,
            deployments: parts.deployments,
            workers: parts.workers,
            pages: parts.pages,
            member: parts.member,
            lookups: parts.lookups,
            commits: parts.commits,
            shared_lease: parts.shared_lease,
            author: Author::Nobody,
            replies: Replies::new(parts.looks),
            events,
            happened: VecDeque::new(),
        };
        let settings = real.add(established, parts.config, &parts.files);
        (real, settings)
    }

    /// Takes in a configuration, which nothing runs with yet; returns what the core is told of it.
    pub(crate) fn add(&mut self, number: ConfigNumber, config: Config, files: &Files) -> Settings {
        let deployment = Deployment::of(&config, files);
        let settings = Settings {
            restart: config.restart.clone(),
            poison: config.handler.poison.clone(),
            stop_timeout: config.stop.timeout,
            hangs_after: config.handler.hangs_after(),
            commit_interval: config.offsets.commit_interval,
            worked: self.deployments.worked(&deployment),
        };
        secrecy::keep(config.identity());
        let kafka = client_properties(&self.brokers, &config);
        self.configs
            .insert(number, Configured { config, kafka, read_at: now(), unreadable: Vec::new(), deployment });
        settings
    }

    /// Workers that are started from here on begin with these brokers, whatever their configuration.
    pub(crate) fn take_brokers(&mut self, brokers: Vec<String>) {
        self.brokers = brokers;
        for configured in self.configs.values_mut() {
            configured.kafka = client_properties(&self.brokers, &configured.config);
        }
    }

    /// From here on this is what is shown to brokers.
    pub(crate) fn take_token(&mut self, token: Token) {
        self.workers.say_to_all(&ToWorker::Token(token.clone()));
        self.token = Some(token);
    }

    /// From here on lines from this level on are logged, here and in all workers, until somebody says otherwise or a configuration
    /// is read again and established.
    pub(crate) fn set_log_level(&mut self, level: LevelFilter) {
        logging::set_level(level);
        self.workers.say_to_all(&ToWorker::LogLevel { level });
        self.log_level = level;
    }

    /// The configuration that everything is by, but what a roll has replaced.
    pub(crate) fn config(&self) -> &Config {
        // It was put there before anything else, and only another one takes its place.
        #[expect(clippy::expect_used, reason = "the established configuration is never discarded")]
        let configured = self.configs.get(&self.established).expect("an established configuration");
        &configured.config
    }

    /// Something is wrong with how we log in, or we were told to look: what stands in files may have been changed.
    pub(crate) fn read_secrets(&mut self) {
        if let Some(configured) = self.configs.get_mut(&self.established) {
            configured.read_secrets(&self.brokers, now());
            self.lookups.take_properties(&configured.kafka);
        }
    }

    /// One that something runs with.
    pub(crate) fn config_of(&self, number: ConfigNumber) -> Option<&Config> {
        self.configs.get(&number).map(|configured| &configured.config)
    }

    /// When those that can't be read any more are read again: what is said of them is to end with it.
    pub(crate) fn secrets_deadline(&self) -> Option<Instant> {
        let configured = self.configs.get(&self.established)?;
        (!configured.unreadable.is_empty()).then(|| configured.read_at + UNREADABLE_AGAIN)
    }

    /// Secrets that can't be read any more: this process goes on without, the next one would not start.
    pub(crate) fn unreadable_secrets(&self) -> impl Iterator<Item = String> {
        let unreadable =
            self.configs.get(&self.established).into_iter().flat_map(|configured| &configured.unreadable);
        unreadable.map(|(name, error)| {
            format!("kafka.{name}: {error}; it stays what it was until this supervisor ends")
        })
    }

    fn start_of(&mut self, start: &WorkerStart) -> Result<ToWorker, String> {
        let configured = self.configs.get_mut(&start.config).ok_or("its configuration is gone")?;
        configured.read_secrets(&self.brokers, now());
        if start.config == self.established {
            self.lookups.take_properties(&configured.kafka);
        }
        let entry = self.pages.get(&start.partition).ok_or("it has no status page")?;
        let config = &configured.config;
        Ok(ToWorker::Start(Box::new(Start {
            group: config.group.clone(),
            partition: start.partition.clone(),
            generation: start.generation,
            fencing_token: start.token,
            offset: start.offset,
            page: entry.path.clone(),
            handler: config.handler.clone(),
            restart: config.restart.clone(),
            kafka: configured.kafka.clone(),
            secret: config.identity().holds_secrets(),
            commit_messages: config.offsets.commit_messages,
            log: Log { level: self.log_level, ..config.log },
            log_allowance: self.log_shares.take(&start.partition, self.pages.count(), now()),
            token: self.token.clone(),
            dead_letter: start.dead_letter.clone(),
            trace: None,
        })))
    }

    fn try_spawn(&mut self, start: &WorkerStart) -> Result<(), String> {
        self.pages.repair(&start.partition, start.offset).map_err(|error| error.to_string())?;
        let message = self.start_of(start)?;
        log::debug!(partition:% = start.partition; "a worker is asked for, to begin at offset {}", start.offset);
        self.workers.spawn(&start.partition, &message);
        Ok(())
    }
}

impl System for Real {
    fn now(&self) -> Instant {
        now()
    }

    fn boottime(&self) -> Boottime {
        Boottime::now()
    }

    fn changed(&mut self, changes: Vec<Change>) {
        self.events.note(wall_millis(), changes, None);
    }

    fn find_start(&mut self, partition: &TopicPartition, request: u64, made_again: bool) {
        self.lookups.ask(Ask::Start { partition: partition.clone(), request, made_again });
    }

    fn commit(&mut self, offsets: BTreeMap<TopicPartition, Offset>, starts: BTreeSet<TopicPartition>) {
        let stored = |(partition, offset): (TopicPartition, Offset)| {
            let topic_id = self.pages.topic_id(&partition);
            let note = CommitNote::new(&self.config().name, &self.instance_id, topic_id).to_text();
            (partition, Stored { offset, note })
        };
        let offsets = offsets.into_iter().map(stored).collect();
        self.commits.request(CommitRequest { author: self.author.clone(), offsets, starts });
    }

    fn page(&self, partition: &TopicPartition) -> Option<(Progress, Attempts)> {
        self.pages.get(partition).map(|entry| (entry.page.progress(), entry.page.attempts()))
    }

    fn pages(&self) -> Vec<(TopicPartition, Progress)> {
        self.pages.progress()
    }

    fn take_up_page(&mut self, partition: &TopicPartition, committed: Offset) -> Option<TakenUp> {
        self.pages.take_up(partition, committed)
    }

    fn make_page(&mut self, partition: &TopicPartition, start: Offset) {
        if let Err(error) = self.pages.make(partition, start) {
            log::error!(partition:%; "{error}");
        }
    }

    fn settle_page(&mut self, partition: &TopicPartition, attempts: Attempts) {
        if let Some(entry) = self.pages.get(partition) {
            entry.page.drop_in_flight();
            entry.page.set_attempts(attempts);
        }
    }

    fn move_page(&mut self, partition: &TopicPartition, next: Offset) {
        if let Some(entry) = self.pages.get(partition) {
            entry.page.move_to(next);
        }
    }

    fn forget_page(&mut self, partition: &TopicPartition) {
        self.pages.forget(partition);
    }

    fn note_commit_sent(&mut self, partition: &TopicPartition, offset: Offset) {
        if let Some(entry) = self.pages.get(partition) {
            entry.page.set_commit_sent(offset);
        }
    }

    fn note_committed(&mut self, partition: &TopicPartition, offset: Offset) {
        if let Some(entry) = self.pages.get(partition) {
            entry.page.set_committed(offset);
        }
    }

    fn set_lease(&mut self, lease: Lease) {
        self.pages.set_lease(lease);
        self.shared_lease.set(lease.deliver_until);
    }

    fn spawn(&mut self, start: WorkerStart) {
        let partition = start.partition.clone();
        if let Err(error) = self.try_spawn(&start) {
            self.happened.push_back(Happened::SpawnFailed { partition, error });
        }
    }

    fn stop_worker(&mut self, pid: Pid, reason: StopReason, within: Duration) {
        self.workers.say(pid, &ToWorker::Stop { reason, within });
    }

    fn decide(&mut self, pid: Pid, _partition: &TopicPartition, offset: Offset, verdict: Verdict) {
        self.workers.say(pid, &ToWorker::Decide { offset, verdict });
    }

    fn abort_worker(&mut self, pid: Pid) {
        self.workers.signal(pid, Signal::SIGABRT);
    }

    fn kill_worker(&mut self, pid: Pid) {
        self.workers.signal(pid, Signal::SIGKILL);
    }

    fn release(&mut self, partition: &TopicPartition, token: Option<FencingToken>) {
        self.member.released(partition.clone(), token);
    }

    fn leave_group(&mut self) {
        self.member.leave();
    }

    fn answer(&mut self, ticket: Ticket, result: Result<String, Refusal>) {
        self.replies.answer(ticket, result);
    }

    fn note_worked(&mut self, config: ConfigNumber) {
        if let Some(configured) = self.configs.get(&config) {
            self.deployments.note(&configured.deployment);
        }
    }

    fn note_gave_up(&mut self, config: ConfigNumber) {
        if let Some(configured) = self.configs.get(&config) {
            self.deployments.forget(&configured.deployment);
        }
    }

    fn establish(&mut self, config: ConfigNumber) {
        self.established = config;
        if let Some(configured) = self.configs.get(&config) {
            self.lookups.take_properties(&configured.kafka);
        }
        self.set_log_level(self.config().log.level);
    }

    fn discard(&mut self, config: ConfigNumber) {
        if config != self.established {
            self.configs.remove(&config);
        }
    }
}
