//! Starts an instance: everything that can be wrong is found before the first partition is taken, in the order in which an
//! operator would look for it, and each with its exit code.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, never, unbounded};
use kafkavisor::clock::now;
use kafkavisor::config::{
    Assignment as AssignmentMode, Config, GroupPathStyle, ZookeeperAddress, find_executable,
};
use kafkavisor::ids::TopicPartition;
use kafkavisor::membership::{Connection, Identity, Membership, Observer, Options};
use kafkavisor::partitioner::group_path::{GroupFolder, TopicsRepr};
use kafkavisor_link::process::become_subreaper;
use kafkavisor_link::truncation;
use nix::sys::signal::Signal;
use nix::unistd::gethostname;
use signal_hook::iterator::Signals;
use tokio::runtime::{Builder, Handle};

use super::assignment::Assignment;
use super::control::Control;
use super::event_loop::{EventLoop, Sources, sink};
use super::pages::Pages;
use super::reload::Load;
use super::runtime_directory::RuntimeDirectory;
use super::service::Service;
use crate::exit::{Exit, Failure};
use crate::kafka::{Clients, Commits, KafkaError, Lookups, Scope, SharedLease, client_properties};
use crate::processes::{Workers, limits};
use kafkavisor_supervisor_core::{Core, Settings};

/// Runs an instance to its end.
pub(crate) fn run(
    config: Config,
    worker: &Path,
    load: Load,
    signals: Receiver<Signal>,
) -> Result<Exit, Failure> {
    let directory =
        RuntimeDirectory::take(&config.name).map_err(|e| Failure::configuration(e.to_string()))?;
    let runtime = start_runtime()?;
    become_subreaper().map_err(|error| Failure::bug(format!("failed to become a subreaper: {error}")))?;
    truncation::survive().map_err(|error| Failure::bug(format!("failed to install a handler: {error}")))?;

    let clients = Arc::new(reach_kafka(&config)?);
    let connection = reach_zookeeper(&config, &runtime)?;

    let socket = config.admin.socket.clone().unwrap_or_else(|| directory.socket());
    let (asked_in, asked) = unbounded();
    let control = Control::listen(&socket, asked_in).map_err(|e| {
        let remedy = "set `admin.socket` to a path in a folder that exists and that this user may write to";
        Failure::configuration(format!("control socket {}: {e}: {remedy}", socket.display()))
    })?;

    let (workers_in, workers_out) = unbounded();
    let (kafka_in, kafka) = unbounded();
    let (commits_in, commits_out) = unbounded();
    let (notices_in, notices) = unbounded();
    let (loaded_in, loaded) = unbounded();
    let workers = Workers::new(worker, runtime.clone(), workers_in)
        .map_err(|e| Failure::configuration(format!("worker binary {}: {e}", worker.display())))?;
    let lease = SharedLease::default();
    let scope = Scope {
        instance: config.name.clone(),
        topics: config.topics.clone(),
        reset: config.offsets.reset,
        connect_timeout: config.cluster.connect_timeout,
        classic: classic_offsets(&config, &runtime),
    };
    let (lookups, items) = Lookups::start(Arc::clone(&clients), lease.clone(), scope, sink(kafka_in))
        .map_err(|error| Failure::unreachable(format!("Kafka: {error}")))?;
    limits::check(items.len()).map_err(Failure::configuration)?;
    let kafka_properties = client_properties(&config);
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let identity = format!("{} {} {}", boot.trim(), clients.cluster_id(), config.group);
    let commits = Commits::start(clients, lease.clone(), sink(commits_in))
        .map_err(|error| Failure::bug(format!("failed to start a thread: {error}")))?;
    let membership = connection.map(|(connection, options)| {
        Membership::start(&runtime, connection, options, items, sink(notices_in))
    });

    // A channel whose sender is gone is always ready: without ZooKeeper there is nothing to wait for.
    let notices = if membership.is_some() { notices } else { never() };
    let mut event_loop = EventLoop {
        core: Core::new(core_settings(&config)),
        pages: Pages::new(directory.path(), identity),
        assignment: if membership.is_some() { Assignment::zookeeper() } else { Assignment::fixed() },
        kafka_properties,
        workers,
        membership,
        lookups,
        commits,
        shared_lease: lease,
        started: now(),
        ends: BTreeMap::new(),
        unfetched: BTreeSet::new(),
        leased: false,
        dead_by_passed: true,
        service: Service::new(),
        load,
        loaded: loaded_in,
        exit: None,
        config,
    };
    event_loop.assign_fixed();
    let sources =
        Sources { signals, workers: workers_out, notices, kafka, commits: commits_out, asked, loaded };
    let cut_short = event_loop.run(&sources);
    drop(control);
    Ok(if cut_short { Exit::CutShort } else { Exit::Clean })
}

pub(super) fn core_settings(config: &Config) -> Settings {
    Settings {
        restart: config.restart.clone(),
        poison: config.handler.poison.clone(),
        stop_timeout: config.stop.timeout,
        commit_interval: config.offsets.commit_interval,
        fixed: matches!(config.assignment, AssignmentMode::Static { .. }),
        seed: fastrand::u64(..),
    }
}

/// The handler's command with its program found: what is missing is said now, and is no crash loop later.
pub(crate) fn resolved(command: &[String]) -> Result<Vec<String>, Failure> {
    let Some((program, arguments)) = command.split_first() else {
        return Err(Failure::configuration(
            "no handler: give one after `--`, or set `handler.command`".to_owned(),
        ));
    };
    let path = find_executable(program, std::env::var_os("PATH").as_deref())
        .map_err(|error| Failure::configuration(error.to_string()))?;
    let program = path.to_string_lossy().into_owned();
    Ok(std::iter::once(program).chain(arguments.iter().cloned()).collect())
}

/// The runtime for what is async by nature, on a thread of its own.
fn start_runtime() -> Result<Handle, Failure> {
    let bug = |error| Failure::bug(format!("failed to start the async runtime: {error}"));
    let runtime = Builder::new_current_thread().enable_all().build().map_err(bug)?;
    let handle = runtime.handle().clone();
    let drive = move || runtime.block_on(std::future::pending::<()>());
    thread::Builder::new().name("async".to_owned()).spawn(drive).map_err(bug)?;
    Ok(handle)
}

/// To be called before anything else: who is asked to stop while it starts does so in order, too.
pub(crate) fn listen_for_signals() -> Result<Receiver<Signal>, Failure> {
    let bug = |error| Failure::bug(format!("failed to listen for signals: {error}"));
    let wanted = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGCHLD];
    let mut signals = Signals::new(wanted.map(|signal| signal as i32)).map_err(bug)?;
    let (sender, receiver) = unbounded();
    let forward = move || pass_on(&mut signals, &sender);
    thread::Builder::new().name("signals".to_owned()).spawn(forward).map_err(bug)?;
    Ok(receiver)
}

fn pass_on(signals: &mut Signals, sender: &Sender<Signal>) {
    for number in signals.forever() {
        if let Ok(signal) = Signal::try_from(number)
            && sender.send(signal).is_err()
        {
            return;
        }
    }
}

/// Whether librdkafka takes what stands under `kafka` in the file named `source`.
pub(crate) fn check_properties(config: &Config, source: Option<&str>) -> Result<(), Failure> {
    crate::kafka::validate(config).map_err(|error| {
        let source = source.map_or_else(String::new, |name| format!("{name}: "));
        Failure::configuration(format!("{source}`kafka`: {error}: remove or correct that property"))
    })
}

fn reach_kafka(config: &Config) -> Result<Clients, Failure> {
    let brokers = config.cluster.brokers.join(",");
    let within = config.cluster.connect_timeout;
    let clients = Clients::new(config).map_err(|error| match error {
        KafkaError::Configuration(_) => Failure::configuration(format!("`kafka`: {error}")),
        KafkaError::Request(_) => Failure::unreachable(error.to_string()),
    })?;
    let unreachable = |error| {
        Failure::unreachable(format!(
            "Kafka at {brokers} was not reached within {within:?} ({error}): is it running, and is the address right?"
        ))
    };
    clients.reach(within).map_err(unreachable)?;
    let foreign = clients.foreign_members(within).map_err(unreachable)?;
    if foreign.is_empty() {
        return Ok(clients);
    }
    let names: Vec<_> = foreign.iter().map(|m| format!("{} at {}", m.client_id, m.host)).collect();
    Err(Failure::configuration(format!(
        "other consumers are subscribed under group {}: {}. Kafka would refuse our commits: stop them, or use another group",
        config.group,
        names.join(", ")
    )))
}

/// What membership needs to know, where there is ZooKeeper.
pub(crate) fn membership_options(config: &Config) -> Result<Option<Options>, Failure> {
    let AssignmentMode::Zookeeper { group_path, cooldown, session_timeout, use_group_sha } =
        &config.assignment
    else {
        return Ok(None);
    };
    let Some(address) = &config.cluster.zookeeper else { return Ok(None) };
    let hashed = |repr| {
        if *use_group_sha {
            GroupFolder::hashed(&config.group, &config.topics, repr)
        } else {
            GroupFolder::plain(&config.group)
        }
    };
    let folder = match group_path {
        GroupPathStyle::Python3 => hashed(TopicsRepr::Python3),
        GroupPathStyle::Python2Unicode => hashed(TopicsRepr::Python2Unicode),
        GroupPathStyle::Path(path) => {
            GroupFolder::at(path).map_err(|error| Failure::configuration(error.to_string()))?
        }
    };
    Ok(Some(Options {
        servers: address.servers.join(","),
        chroot: address.chroot.clone(),
        group_path: folder.path().to_owned(),
        siblings: folder.parent().is_some(),
        session_timeout: *session_timeout,
        cooldown: *cooldown,
        identity: Identity { fqdn: host_name(), pid: std::process::id() },
    }))
}

/// The machine's name, without what a node's name must not hold.
fn host_name() -> String {
    let name = gethostname().map(|name| name.to_string_lossy().replace('/', "_")).unwrap_or_default();
    if name.is_empty() { "localhost".to_owned() } else { name }
}

fn reach_zookeeper(config: &Config, runtime: &Handle) -> Result<Option<(Connection, Options)>, Failure> {
    let Some(options) = membership_options(config)? else { return Ok(None) };
    let connection = runtime
        .block_on(Connection::establish(&options, config.cluster.connect_timeout))
        .map_err(|error| Failure::unreachable(error.to_string()))?;
    Ok(Some((connection, options)))
}

/// Asks ZooKeeper's classic layout for offsets, where there is ZooKeeper.
fn classic_offsets(config: &Config, runtime: &Handle) -> Box<crate::kafka::ClassicOffsets> {
    let zookeeper: Option<ZookeeperAddress> = match config.assignment {
        AssignmentMode::Zookeeper { .. } => config.cluster.zookeeper.clone(),
        AssignmentMode::Static { .. } => None,
    };
    let (runtime, group) = (runtime.clone(), config.group.clone());
    Box::new(move |items: &BTreeSet<TopicPartition>| {
        let Some(address) = &zookeeper else { return Ok(BTreeSet::new()) };
        let servers = address.servers.join(",");
        runtime.block_on(async {
            let within = Duration::from_secs(5);
            let observer = Observer::connect(&servers, &address.chroot, within)
                .await
                .map_err(|error| error.to_string())?;
            let offsets = observer.classic_offsets(&group, items).await.map_err(|error| error.to_string())?;
            Ok(offsets.into_iter().filter_map(|(item, offset)| offset.map(|_| item)).collect())
        })
    })
}

/// The worker's binary: beside ours, unless named.
pub(crate) fn worker_binary(named: Option<PathBuf>) -> Result<PathBuf, Failure> {
    if let Some(path) = named {
        let with_slash = std::path::absolute(&path).map_err(|error| Failure::bug(error.to_string()))?;
        return find_executable(&with_slash.to_string_lossy(), None).map_err(|error| {
            let path = path.display();
            Failure::configuration(format!(
                "--worker-binary {path}: {error}; name the kafkavisor-worker of this version"
            ))
        });
    }
    let ours = std::env::current_exe().map_err(|error| Failure::bug(error.to_string()))?;
    let beside = ours.with_file_name("kafkavisor-worker");
    if beside.is_file() {
        Ok(beside)
    } else {
        Err(Failure::configuration(format!(
            "kafkavisor-worker is not beside {}: install both, or say --worker-binary PATH",
            ours.display()
        )))
    }
}

/// Connects to Kafka and ZooKeeper as `run` would, and lets go again.
pub(crate) fn reach(config: &Config) -> Result<(), Failure> {
    let runtime = start_runtime()?;
    reach_kafka(config)?;
    reach_zookeeper(config, &runtime).map(drop)
}
