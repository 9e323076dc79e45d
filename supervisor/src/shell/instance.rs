//! Starts an instance: everything that can be wrong is found before the first partition is taken, in the order in which an
//! operator would look for it, and each with its exit code.

use std::collections::BTreeMap;
use std::io;
use std::mem::ManuallyDrop;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;

use crossbeam_channel::{Receiver, never, unbounded};
use kafkavisor::clock::now;
use kafkavisor::config::{Admin, Config};
use kafkavisor::membership::{ListedMember, Member, ZookeeperMember, host_name};
use kafkavisor::text::named;
use kafkavisor::token::Token;
use kafkavisor_link::process::become_subreaper;
use kafkavisor_link::truncation;
use nix::sys::signal::Signal;

use super::deployments::{Deployments, Files};
use super::event_loop::{EventLoop, Sources, sink};
use super::group::eligible;
use super::instance_id::instance_id;
use super::pages::Pages;
use super::publishing::Telling;
use super::reach::{Reached, reach_all, start_runtime};
use super::rebalances::Rebalances;
use super::runtime_directory::RuntimeDirectory;
use super::signals::unless_stopped;
use super::system::{Parts, Real};
use super::troubles::Troubles;
use crate::cluster::{self, Followed};
use crate::exit::{Exit, Failure};
use crate::kafka::{Commits, SharedLease, Unfetched};
use crate::observe::metrics::Pushing;
use crate::observe::{Board, Events, Looks, http};
use crate::operate::asked::Asked;
use crate::operate::attending::Attending;
use crate::operate::control::Control;
use crate::operate::reload::Load;
use crate::operate::service::Service;
use crate::processes::{Workers, limits, secrecy};
use crate::tokens::{Keeper, Settings, Told};
use kafkavisor_driver::{Assignment, Driver};
use kafkavisor_supervisor_core::Core;

/// Runs an instance to its end.
pub(crate) fn run(
    config: Config,
    worker: &Path,
    load: Load,
    signals: Receiver<Signal>,
) -> Result<Exit, Failure> {
    secrecy::keep(config.identity());
    let directory =
        RuntimeDirectory::take(&config.name).map_err(|e| Failure::configuration(e.to_string()))?;
    let runtime = start_runtime("async")?;
    let http = config.admin.http.as_deref().map(listen_for_http).transpose()?;
    become_subreaper().map_err(|error| Failure::bug(format!("failed to become a subreaper: {error}")))?;
    truncation::survive().map_err(|error| Failure::bug(format!("failed to install a handler: {error}")))?;

    let instance_id = instance_id(directory.path());
    let lease = SharedLease::default();
    let (kafka_in, kafka) = unbounded();
    let reached = {
        let (config, instance_id, runtime) = (config.clone(), instance_id.clone(), runtime.clone());
        let heard = sink(kafka_in);
        unless_stopped(&signals, move || reach_all(&config, instance_id, &runtime, heard))?
    };
    let Some(reached) = reached else { return Ok(Exit::Clean) };
    let Reached { servers, clients, connection, store, cluster_id, lookups, partitions, token } = reached?;
    let partitions = eligible(&config, partitions);
    limits::check(partitions.len()).map_err(Failure::configuration)?;

    let socket = config.admin.socket.clone().unwrap_or_else(|| directory.socket());
    let (board, woken) = Board::new();
    let (describe_in, describe) = unbounded();
    let looks = Looks::new(board, Arc::new(Events::default()), describe_in);
    if let Some(listener) = http {
        serve_http(listener, &config.admin, looks.clone())?;
    }
    let (control, asked, attending) = control(&socket, looks.clone())?;

    let (workers_in, workers_out) = unbounded();
    let (commits_in, commits_out) = unbounded();
    let (notices_in, notices) = unbounded();
    let (loaded_in, loaded) = unbounded();
    let workers = Workers::new(worker, runtime.clone(), workers_in)
        .map_err(|e| Failure::configuration(format!("worker binary {}: {e}", named(worker.display()))))?;
    let commits = Commits::start(store, lease.clone(), sink(commits_in)).map_err(no_thread)?;
    let (keeper, told) = keep_asking(&config, token.as_ref()).map_err(no_thread)?;
    let followed = Followed { servers: servers.clone(), cluster_id: cluster_id.clone(), clients };
    let brokers = cluster::follow(&config, followed).map_err(no_thread)?;
    let notices_in = sink(notices_in);
    let member_options = connection.as_ref().map(|(_, options)| options.clone());
    let (mode, member): (_, Box<dyn Member>) = match connection {
        Some((connection, options)) => {
            let member = ZookeeperMember::start(&runtime, connection, options, partitions, notices_in);
            ("zookeeper", Box::new(member))
        }
        None => ("static", Box::new(ListedMember::start(partitions, notices_in))),
    };
    let pushing =
        Pushing::start(Arc::clone(&looks.board), &host_name(), &config.name, config.metrics.clone())
            .map_err(no_thread)?;
    let (real, settings) = Real::new(Parts {
        instance_id,
        deployments: Deployments::read(directory.path()).map_err(no_thread)?,
        pages: Pages::new(directory.path(), boot_id().trim(), &cluster_id, &config.group),
        shared_lease: lease,
        files: Files::of(&config),
        brokers: servers.brokers,
        token,
        config,
        workers,
        member,
        lookups,
        commits,
        looks: looks.clone(),
    });
    // The process ends next: nobody waits until librdkafka has taken its clients apart.
    let mut event_loop = ManuallyDrop::new(EventLoop {
        driver: Driver::new(Core::new(settings, fastrand::u64(..)), Assignment::new(mode), now()),
        real,
        member_options,
        started: now(),
        seeks: BTreeMap::new(),
        ends: BTreeMap::new(),
        unfetched: Unfetched::new(),
        service: Service::new(),
        load,
        loaded: loaded_in,
        keeper,
        telling: Telling::new(looks, host_name()),
        pushing,
        beat_at: now(),
        troubles: Troubles::default(),
        rebalances: Rebalances::default(),
    });
    let sources = Sources {
        signals,
        workers: workers_out,
        notices,
        kafka,
        commits: commits_out,
        asked,
        attending,
        loaded,
        brokers,
        told,
        woken,
        describe,
    };
    let exit = ended(event_loop.run(&sources));
    control.finish(exit);
    drop(control);
    Ok(exit)
}

fn ended(cut_short: bool) -> Exit {
    if cut_short {
        log::warn!("ended: the drain was cut short, and what was in flight comes again (exit code 75)");
        Exit::CutShort
    } else {
        log::info!("ended: drained");
        Exit::Clean
    }
}

fn no_thread(error: io::Error) -> Failure {
    Failure::bug(format!("failed to start a thread: {error}"))
}

/// The control socket, what is asked over it, and those who attend the rebalances there.
fn control(socket: &Path, looks: Looks) -> Result<(Control, Receiver<Asked>, Receiver<Attending>), Failure> {
    let ((asked_in, asked), (attending_in, attending)) = (unbounded(), unbounded());
    let control = Control::listen(socket, asked_in, attending_in, looks).map_err(|error| {
        let remedy = "set `admin.socket` to a path in a folder that exists and that this user may write to";
        Failure::configuration(format!("control socket {}: {error}: {remedy}", named(socket.display())))
    })?;
    Ok((control, asked, attending))
}

/// Of this life of the machine; empty where the system does not tell.
fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default()
}

/// A busy port is found before anybody is asked.
fn listen_for_http(address: &str) -> Result<TcpListener, Failure> {
    http::listen(address).map_err(|error| {
        let remedy =
            "free it, or set `admin.http` (--http) to another address; port 0 is chosen by the system";
        Failure::configuration(format!("HTTP at {}: {error}: {remedy}", named(address)))
    })
}

fn serve_http(listener: TcpListener, admin: &Admin, looks: Looks) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::bug(format!("HTTP can't be served: {error}"));
    let address = listener.local_addr().map_err(failed)?;
    let routes = http::Routes::new(looks, address.ip(), &host_name(), &admin.hosts, admin.details);
    let address = http::serve(listener, routes).map_err(failed)?;
    log::info!("HTTP at http://{address}/");
    Ok(())
}

/// Who asks for tokens, and says so; where there are none to ask for, nobody, who says nothing ever: a channel without a sender would
/// keep the loop awake.
fn keep_asking(config: &Config, token: Option<&Token>) -> io::Result<(Option<Keeper>, Receiver<Told>)> {
    let Some(token) = token else { return Ok((None, never())) };
    let (tokens_in, told) = unbounded();
    Ok((Some(Keeper::start(Settings::from(config.identity()), token, sink(tokens_in))?), told))
}
