//! The course of a run: supervisors join, messages flow, faults come and are healed, all is drained, all leave.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use kafkavisor::clock;
use kafkavisor_tests::environment::unique;
use kafkavisor_tests::waiting::{pause, until_within};
use serde_json::{Value, json};

use super::cluster::Cluster;
use super::faults;
use super::load::{Load, create_topic, ends, read_log};
use super::proxy::Proxy;
use super::supervisor::{Supervisor, program};
use super::watch::{Offsets, Watch};
use super::world::{PARTITIONS, SUPERVISORS, World, calm_path, history_path};
use crate::history::{Event, Writer};
use crate::schedule::Schedule;

/// All supervisors have joined by then.
pub(super) const JOIN_WITHIN: Duration = Duration::from_secs(90);
/// The bound of L1: sessions expire, brokers elect, backoffs end, what has piled up is handled.
const DRAIN_WITHIN: Duration = Duration::from_secs(90);
pub(super) const LEAVE_WITHIN: Duration = Duration::from_secs(60);

/// What is wanted.
#[derive(Debug, Clone)]
pub struct Options {
    /// Of the schedule and the handlers' moods.
    pub seed: u64,
    /// How long faults come.
    pub length: Duration,
    /// On a cluster with TLS, SASL and rights.
    pub secure: bool,
    /// An empty folder for everything.
    pub folder: PathBuf,
    /// Set from outside when the run is to end early.
    pub interrupted: Arc<AtomicBool>,
}

/// Runs, and gives the history's file; none where it was interrupted.
pub fn run(options: &Options) -> Option<PathBuf> {
    let world = build(options);
    create_topic(&world);
    world.supervisors.iter().for_each(Supervisor::start);
    until_within(JOIN_WITHIN, "all supervisors share the partitions", || {
        world.supervisors.iter().for_each(Supervisor::look_after);
        (world.is_interrupted() || all_share(&world, SUPERVISORS)).then_some(())
    });
    let history = world.history();
    history.write(Event::Began { seed: options.seed, partitions: PARTITIONS });
    let (load, watch) = (Load::start(&world), Watch::start(&world));

    perform(&world, &Schedule::new(options.seed, options.length));

    File::create(calm_path(&world.folder)).expect("handlers are told to behave");
    history.write(Event::FaultsEnded);
    if !world.is_interrupted() {
        load.stop();
        drain(&world, &history);
    }
    watch.stop();
    if world.is_interrupted() {
        return None;
    }
    thread::scope(|scope| {
        for supervisor in &world.supervisors {
            scope.spawn(|| supervisor.leave(LEAVE_WITHIN));
        }
    });
    read_log(&world);
    Some(world.history_path())
}

/// A group that does not run yet.
pub(super) fn build(options: &Options) -> Arc<World> {
    let (folder, cluster) = (&options.folder, Cluster::from_environment(options.secure));
    let (group, topic) = (unique("chaos"), unique("numbers"));
    let like = configuration(options, &cluster, &group, &topic);
    let supervisor = |number: usize| {
        let proxy = Proxy::start(&cluster.zookeepers);
        let history = Writer::open(&history_path(folder));
        Supervisor::new(&format!("s{number}"), folder, history, proxy, like.clone())
    };
    let supervisors = (1..=SUPERVISORS).map(supervisor).collect();
    let interrupted = Arc::clone(&options.interrupted);
    Arc::new(World { folder: folder.clone(), cluster, group, topic, supervisors, interrupted })
}

/// Everything that takes time takes less than it would by default, so that more happens in a minute; but commits come
/// seldom, so that it shows where a successor begins.
fn configuration(options: &Options, cluster: &Cluster, group: &str, topic: &str) -> Value {
    let text = |path: &Path| path.to_str().expect("paths are text here").to_owned();
    let handler = [
        text(&program("kafkavisor-chaos-handler")),
        text(&history_path(&options.folder)),
        options.seed.to_string(),
        text(&calm_path(&options.folder)),
    ];
    json!({
        "group": group,
        "topics": [topic],
        "cluster": {"brokers": cluster.listeners, "connect_timeout": "30s"},
        "assignment": {"cooldown": "500ms", "session_timeout": "6s"},
        "handler": {
            "command": handler,
            "start_timeout": "10s",
            "timeout": "3s",
            "max_in_flight": {"messages": 100},
        },
        "offsets": {"reset": "earliest", "commit_interval": "2s"},
        "restart": {"initial": "100ms", "max": "2s"},
        "stop": {"timeout": "10s"},
        "kafka": cluster.kafka,
    })
}

/// Whether so many run, and share all partitions.
pub(super) fn all_share(world: &World, running: usize) -> bool {
    let statuses: Vec<_> = world.supervisors.iter().filter_map(Supervisor::status).collect();
    let owned: usize = statuses.iter().map(|status| status.partitions.len()).sum();
    let ready = statuses.iter().all(|status| status.is_ready(status.partitions.len()));
    ready && owned == usize::try_from(PARTITIONS).expect("few") && statuses.len() == running
}

/// Both lanes beside each other; meanwhile whatever ends by itself is started again.
fn perform(world: &Arc<World>, schedule: &Schedule) {
    let began: Instant = clock::now();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let group = scope.spawn(|| faults::perform(world, &schedule.group, began, 0));
        let servers = scope.spawn(|| faults::perform(world, &schedule.servers, began, 1));
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                world.supervisors.iter().for_each(Supervisor::look_after);
                pause(Duration::from_millis(100));
            }
        });
        let ends = [group.join(), servers.join()];
        over.store(true, Ordering::Relaxed);
        ends.into_iter().for_each(|end| end.expect("the faults are performed"));
    });
}

/// Waits until everything in the log is committed.
pub(super) fn drain(world: &World, history: &Writer) {
    let behind = commit_all(world, DRAIN_WITHIN);
    if world.is_interrupted() {
        return;
    }
    if behind.is_empty() {
        return history.write(Event::Drained);
    }
    history.write(Event::NotDrained { behind });
    for supervisor in &world.supervisors {
        let status =
            supervisor.status().map_or_else(|| "no answer".to_owned(), |status| format!("{status:#?}"));
        let _ = fs::write(world.folder.join(format!("{}-status", supervisor.instance())), status);
    }
}

/// Waits until everything that is in the log now is committed, and starts again who ends by himself. What is behind in the end:
/// partition, committed offset, end of the log.
pub(super) fn commit_all(world: &World, within: Duration) -> Vec<(i32, i64, i64)> {
    let (ends, mut offsets) = (ends(world), Offsets::of(world));
    let deadline = clock::now() + within;
    let mut behind: Vec<_> = ends.iter().map(|(partition, end)| (*partition, 0, *end)).collect();
    while clock::now() < deadline && !world.is_interrupted() {
        world.supervisors.iter().for_each(Supervisor::look_after);
        if let Some(committed) = offsets.look() {
            let of = |partition: &i32| committed.get(partition).copied().unwrap_or(0);
            behind = ends.iter().filter(|(p, end)| of(p) < **end).map(|(p, end)| (*p, of(p), *end)).collect();
            if behind.is_empty() {
                break;
            }
        }
        pause(Duration::from_millis(100));
    }
    behind
}
