//! A group whose consumers are processes.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use super::callbacks::Callbacks;
use super::consumer::{Consumer, Status};
use super::conversation::Question;
use super::said::Sink;
use super::supervisor::{Launch, Supervisor};
use super::{Builder, ConsumerGroupError, Ending, attending};
use crate::clock::now;
use crate::consumer_config::KafkaConsumerConfig;

/// Longest that anybody waits in one call.
const A_YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// A consumer group with a process for each partition, for topics of high volume. From yelp_kafka:
/// `yelp_kafka.consumer_group.MultiprocessingConsumerGroup`.
///
/// The consumers are processes of a *handler*, any program that speaks one of the protocols ([`crate::protocol`]; in Rust with
/// [`crate::handler`]). What was a subclass of `KafkaConsumerBase` is such a program:
///
/// | `KafkaConsumerBase` | a handler |
/// |---|---|
/// | the class, given as `consumer_factory` | the command |
/// | `initialize()`, once per process, before the first message | the line `init`, with group, topic, partition and offset: in Rust, the beginning of `main` |
/// | `process(message)` | a line `message`; it is done when the handler has acknowledged it |
/// | an exception in `process` ends the process, which is started again | so does any exit: at once after a healthy run, else with growing pauses |
/// | `dispose()`, after the commit | after the line `stop`: finish, acknowledge, exit 0 |
/// | `terminate()` | the line `stop`, sent by `kafkavisor` |
///
/// A message that kills its handler again and again is not delivered for ever, as it was: see `handler.poison`.
///
/// It starts `kafkavisor` as a child process, which is a member of the group like any other: with the partitions, offsets and rights that
/// `kafkavisor run` would have. `kafkavisor status`, `pause` and the other commands find it by its name. It is in a process group of its
/// own: a terminal's Ctrl-C reaches this program alone. It ends with this one, however that ends: dropped, the group is stopped; and
/// where this process is killed, or ends without having dropped the group, the child stops by itself, as at TERM. A program that
/// puts itself into the background by a fork starts its group after that.
///
/// All calls block, and none needs an async runtime; within one, call them by its `spawn_blocking`.
///
/// ```no_run
/// use kafkavisor::cluster_config::ClusterConfig;
/// use kafkavisor::consumer_config::KafkaConsumerConfig;
/// use kafkavisor::multiprocessing::MultiprocessingConsumerGroup;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let cluster = ClusterConfig::new("standard", "uswest2-prod", "k1:9092,k2:9092", "zk1:2181/kafka");
/// let config = KafkaConsumerConfig::builder("services.billing", cluster).build()?;
/// let mut group = MultiprocessingConsumerGroup::builder(["orders"], config, ["./handler", "--verbose"])
///     .before_rebalance(|partitions| println!("about to lose {partitions:?}"))
///     .after_rebalance(|partitions| println!("now at {partitions:?}"))
///     .setting("handler.timeout", "30s")
///     .build()?;
/// group.start_group()?;
/// for consumer in group.consumers()? {
///     println!("{}:{} {:?}, process {:?}", consumer.topic, consumer.partition, consumer.state, consumer.handler_pid);
/// }
/// let ending = group.stop_group()?;
/// println!("stopped: {ending}");
/// # Ok(())
/// # }
/// ```
pub struct MultiprocessingConsumerGroup {
    settings: Settings,
    running: Option<Supervisor>,
}

/// What it is made of, checked.
pub(super) struct Settings {
    /// The child's configuration file.
    pub(super) text: String,
    pub(super) name: String,
    pub(super) socket: PathBuf,
    pub(super) connect_timeout: Duration,
    pub(super) stop_timeout: Duration,
    pub(super) binary: PathBuf,
    pub(super) worker_binary: Option<PathBuf>,
    pub(super) runtime_directory: Option<PathBuf>,
    pub(super) environment: Vec<(OsString, OsString)>,
    pub(super) callbacks: Arc<Callbacks>,
    pub(super) log: Arc<Mutex<Sink>>,
}

impl Settings {
    /// The callback before a rebalance is called with all that there is; one that takes longer than it may is not waited for.
    fn tell_of_the_stop(&self) {
        let (callbacks, (returns, returned)) = (Arc::clone(&self.callbacks), mpsc::channel());
        let call = move || {
            callbacks.stop();
            // Nobody waits any more.
            let _too_late = returns.send(());
        };
        if let Err(error) = thread::Builder::new().name("kafkavisor-stop".to_owned()).spawn(call) {
            log::error!("before_rebalance is not called: failed to start a thread: {error}");
        } else if returned.recv_timeout(self.stop_timeout).is_err() {
            log::warn!(
                "before_rebalance has not returned within {:?}: the group stops all the same",
                self.stop_timeout
            );
        }
    }
}

impl MultiprocessingConsumerGroup {
    /// A group that consumes `topics` with `command`, the handler and its arguments, as the [`builder`](Self::builder) makes it.
    pub fn new<T: Into<String>, C: Into<String>>(
        topics: impl IntoIterator<Item = T>,
        config: KafkaConsumerConfig,
        command: impl IntoIterator<Item = C>,
    ) -> Result<Self, ConsumerGroupError> {
        Self::builder(topics, config, command).build()
    }

    /// Begins with what every group needs. Of the `config`, `consumer_timeout` and what concerns metrics mean nothing here;
    /// `auto_commit_enable` has to be true.
    pub fn builder<T: Into<String>, C: Into<String>>(
        topics: impl IntoIterator<Item = T>,
        config: KafkaConsumerConfig,
        command: impl IntoIterator<Item = C>,
    ) -> Builder {
        let topics = topics.into_iter().map(Into::into).collect();
        Builder::new(topics, config, command.into_iter().map(Into::into).collect())
    }

    pub(super) fn of(settings: Settings) -> Self {
        Self { settings, running: None }
    }

    /// Starts the child and returns when it is up: it has reached Kafka and ZooKeeper and joins the group. Partitions come when the
    /// group has settled, after `partitioner_cooldown` at the earliest.
    ///
    /// Fails with what the child said where that does not become true, within `cluster.connect_timeout` (10 s) if Kafka or ZooKeeper is
    /// not reached. Nothing is left behind then. After [`stop_group`](Self::stop_group), or an end of the child's own, it may be started
    /// again.
    pub fn start_group(&mut self) -> Result<(), ConsumerGroupError> {
        if self.running.as_ref().is_some_and(|running| running.ended().is_none()) {
            return Err(ConsumerGroupError::Started);
        }
        self.running = None;
        let running = self.launch().start(Arc::clone(&self.settings.log))?;
        running.wait_up()?;
        if !self.settings.callbacks.are_none() {
            attending::begin(running.socket(), running.pid(), &self.settings.callbacks)
                .map_err(|error| ConsumerGroupError::NoAnswer(error.to_string()))?;
        }
        self.running = Some(running);
        Ok(())
    }

    fn launch(&self) -> Launch<'_> {
        let settings = &self.settings;
        Launch {
            binary: &settings.binary,
            worker_binary: settings.worker_binary.as_deref(),
            text: &settings.text,
            runtime_directory: settings.runtime_directory.as_deref(),
            environment: &settings.environment,
            socket: settings.socket.clone(),
            connect_timeout: settings.connect_timeout,
            stop_timeout: settings.stop_timeout,
        }
    }

    /// Stops it: the [callback](Builder::before_rebalance) is called with all partitions that there are, then handlers finish what they
    /// have, for up to `max_termination_timeout`, what they acknowledged is committed, and the member leaves the group. Says how it
    /// ended. What does not end in time is killed: all of it takes three times `max_termination_timeout` and 40 s at the longest.
    pub fn stop_group(&mut self) -> Result<Ending, ConsumerGroupError> {
        let running = self.running.as_ref().ok_or(ConsumerGroupError::NotStartedYet)?;
        if running.ended().is_none() {
            self.settings.tell_of_the_stop();
        }
        self.settings.callbacks.end();
        let ending = running.stop();
        self.running = None;
        Ok(ending)
    }

    /// The partitions that this member has, with the processes that consume them. From yelp_kafka: `get_consumers`.
    #[doc(alias = "get_consumers")]
    pub fn consumers(&self) -> Result<Vec<Consumer>, ConsumerGroupError> {
        let running = self.running.as_ref().ok_or(ConsumerGroupError::NotStartedYet)?;
        let status: Status = running.ask(Question::Status)?;
        Ok(status.partitions.into_iter().map(Into::into).collect())
    }

    /// Waits up to `timeout` for the end of the child, and says how it ended, if it did. Consumers that end need nobody to look after
    /// them: the child starts them again. From yelp_kafka: `monitor`.
    pub fn monitor(&self, timeout: Duration) -> Result<Option<Ending>, ConsumerGroupError> {
        let running = self.running.as_ref().ok_or(ConsumerGroupError::NotStartedYet)?;
        // No clock goes so far that a year would not do.
        Ok(running.wait(now() + timeout.min(A_YEAR)))
    }

    /// The child's process, while there is one.
    pub fn pid(&self) -> Option<u32> {
        self.running.as_ref().filter(|running| running.ended().is_none()).map(Supervisor::pid)
    }

    /// This member's name on this host.
    pub fn name(&self) -> &str {
        &self.settings.name
    }
}

/// The callbacks are the program's, and not called by a drop.
impl Drop for MultiprocessingConsumerGroup {
    fn drop(&mut self) {
        self.settings.callbacks.end();
    }
}

/// The configuration may hold secrets.
impl fmt::Debug for MultiprocessingConsumerGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MultiprocessingConsumerGroup")
            .field("name", &self.settings.name)
            .field("socket", &self.settings.socket)
            .field("running", &self.running)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster_config::ClusterConfig;

    fn builder(binary: &str) -> Builder {
        let cluster = ClusterConfig::new("standard", "local", "127.0.0.1:1", "127.0.0.1:1");
        let config = KafkaConsumerConfig::builder("services.billing", cluster).build().unwrap();
        MultiprocessingConsumerGroup::builder(["orders"], config, ["true"])
            .binary(binary)
            .setting("kafka.security.protocol", "SASL_PLAINTEXT")
            .setting("kafka.sasl.mechanism", "PLAIN")
            .setting("kafka.sasl.username", "svc")
            .setting("kafka.sasl.password", "not for everybody")
            .on_log_line(|_| ())
    }

    fn group(binary: &str) -> MultiprocessingConsumerGroup {
        builder(binary).build().unwrap()
    }

    #[test]
    fn it_may_go_from_thread_to_thread_and_be_shared() {
        fn is_sent_and_shared<T: Send + Sync>() {}
        fn is_sent<T: Send>() {}
        is_sent_and_shared::<MultiprocessingConsumerGroup>();
        is_sent_and_shared::<Consumer>();
        is_sent_and_shared::<ConsumerGroupError>();
        is_sent::<Builder>();
    }

    #[test]
    fn what_is_not_started_is_neither_asked_nor_stopped() {
        let mut group = group("true");
        assert!(matches!(group.consumers(), Err(ConsumerGroupError::NotStartedYet)));
        assert!(matches!(group.stop_group(), Err(ConsumerGroupError::NotStartedYet)));
        assert!(matches!(group.monitor(Duration::ZERO), Err(ConsumerGroupError::NotStartedYet)));
        assert_eq!((group.pid(), group.name()), (None, "services.billing"));
        assert!(!format!("{group:?}").contains("not for everybody"));
    }

    #[test]
    fn a_callback_before_the_end_is_waited_for_as_long_as_it_may_take() {
        // Nobody ever tells it to go on.
        let (go_on, waits) = mpsc::channel::<()>();
        let (calls, called) = mpsc::channel();
        let builder = builder("true").setting("stop.timeout", "1s").before_rebalance(move |_| {
            calls.send(()).unwrap();
            let _gone = waits.recv();
        });
        let group = builder.build().unwrap();
        group.settings.callbacks.start();
        group.settings.callbacks.assigned(&["orders:0".parse().unwrap()]);
        let (returns, returned) = mpsc::channel();
        thread::spawn(move || {
            group.settings.tell_of_the_stop();
            returns.send(())
        });
        assert_eq!(returned.recv_timeout(Duration::from_secs(20)), Ok(()));
        assert_eq!(called.try_recv(), Ok(()));
        drop(go_on);
    }

    #[test]
    fn the_child_is_no_unit_of_the_service_manager_and_where_it_lives_is_not_its_own_to_say() {
        let group = group("true");
        let command = group.launch().command().unwrap();
        let removed: Vec<_> = command.get_envs().filter(|(_, value)| value.is_none()).collect();
        assert!(removed.iter().any(|(name, _)| *name == "NOTIFY_SOCKET"), "{removed:?}");
        for name in ["RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR", "TMPDIR"] {
            let error = builder("true").env(name, "/elsewhere").build().unwrap_err().to_string();
            assert!(error.contains(name) && error.contains("`runtime_directory`"), "{error}");
        }
        let error = builder("true").runtime_directory("").build().unwrap_err().to_string();
        assert!(error.contains("the path is empty"), "{error}");
        let patient = builder("true").setting("cluster.connect_timeout", "45s").build().unwrap();
        assert_eq!(patient.launch().connect_timeout, Duration::from_secs(45));
    }

    #[test]
    fn who_can_not_be_started_is_named() {
        let error = group("/nowhere/kafkavisor").start_group().unwrap_err().to_string();
        assert!(error.contains("start /nowhere/kafkavisor"), "{error}");
    }

    #[test]
    fn what_ends_at_once_tells_how_and_what_it_has_said() {
        let folder = tempfile::tempdir().unwrap();
        let binary = folder.path().join("kafkavisor");
        let script = "#!/bin/sh\necho \"it is told: $*\" >&2\ncat >&2\nexit 78\n";
        std::fs::write(&binary, script).unwrap();
        std::fs::set_permissions(&binary, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let mut group = group(binary.to_str().unwrap());
        let error = group.start_group().unwrap_err().to_string();
        let us = std::process::id();
        assert!(error.contains("it can't work as it is configured"), "{error}");
        assert!(error.contains(&format!("it is told: run -c /dev/stdin --parent {us}\n")), "{error}");
        assert!(matches!(group.stop_group(), Err(ConsumerGroupError::NotStartedYet)));
    }
}
