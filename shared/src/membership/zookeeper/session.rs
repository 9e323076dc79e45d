//! One session: follows its state, performs the member's requests, waits for its watches, and proves that it lives.
//!
//! Everything it learns goes into the loop's channel under the session's epoch. Its tasks end with it.

use std::time::Duration;

use kafkavisor_zookeeper::Ensemble;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use zookeeper_client::{Client, EventType, SessionState};

use super::input::{Input, Proved};
use super::paths::Paths;
use super::requests::Requests;
use super::troubles::Troubles;
use crate::clock::Boottime;
use crate::partitioner::messages::{Epoch, Event, Notice, Request, RequestId};

/// How long closing a session may take before the loop goes on without it.
const CLOSING: Duration = Duration::from_secs(1);
/// Between attempts to get an answer after a reconnection.
const BARRIER_AGAIN: Duration = Duration::from_millis(100);
/// What was refused is asked for again after this long: a right may come back, and others are not to wait for us.
const REFUSED_AGAIN: Duration = Duration::from_secs(2);

pub(super) struct Session {
    epoch: Epoch,
    client: Client,
    requests: Requests,
    troubles: Troubles,
    inputs: mpsc::UnboundedSender<Input>,
    holding: watch::Sender<Option<String>>,
    tasks: JoinSet<()>,
}

impl Session {
    pub(super) fn new(
        epoch: Epoch,
        client: Client,
        paths: Paths,
        ensemble: &Ensemble,
        troubles: Troubles,
        inputs: mpsc::UnboundedSender<Input>,
    ) -> Self {
        let requests = Requests::new(client.clone(), paths, ensemble.acls());
        let (holding, held) = watch::channel(None);
        let mut tasks = JoinSet::new();
        tasks.spawn(follow_state(epoch, client.clone(), requests.clone(), inputs.clone()));
        tasks.spawn(prove_life(epoch, client.session_timeout(), requests.clone(), held, inputs.clone()));
        tasks.spawn(look_while_cut_off(client.clone(), ensemble.clone(), troubles.clone(), inputs.clone()));
        Self { epoch, client, requests, troubles, inputs, holding, tasks }
    }

    pub(super) fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Its id as text, and its negotiated timeout.
    pub(super) fn describe(&self) -> (String, Duration) {
        (self.client.session_id().to_string(), self.client.session_timeout())
    }

    pub(super) fn send(&mut self, id: RequestId, request: Request) {
        while self.tasks.try_join_next().is_some() {}
        let (epoch, requests, inputs) = (self.epoch, self.requests.clone(), self.inputs.clone());
        let troubles = self.troubles.clone();
        self.tasks.spawn(async move {
            let performed = requests.perform(&request).await;
            drop(requests);
            // The loop's end is the only reason for which it would not listen.
            let tell = |event| inputs.send(Input::Event(event)).unwrap_or_default();
            match performed {
                Ok((answer, watcher)) => {
                    say(&inputs, troubles.allowed(&request));
                    tell(Event::Answered { epoch, id, answer });
                    let Some(watcher) = watcher else { return };
                    // The session's end comes as an event of its own.
                    if watcher.changed().await.event_type != EventType::Session {
                        tell(Event::WatchFired { epoch, id });
                    }
                }
                Err(error) if error.is_refused() => {
                    say(&inputs, troubles.refused(&request, error.to_string()));
                    sleep(REFUSED_AGAIN).await;
                    tell(Event::Refused { epoch, id });
                }
                Err(error) => {
                    log::debug!("no answer from ZooKeeper to {request:?}: {error}");
                    tell(Event::Failed { epoch, id });
                }
            }
        });
    }

    /// While this is the name of the member's party node, proofs of life are asked for.
    pub(super) fn hold(&self, node: Option<&str>) {
        self.holding.send_if_modified(|holding| {
            let changed = holding.as_deref() != node;
            if changed {
                *holding = node.map(str::to_owned);
            }
            changed
        });
    }

    /// Closes the session, so that its nodes go at once; says that it has ended as soon as that is known, or soon anyway.
    pub(super) async fn close(mut self) {
        self.tasks.shutdown().await;
        let Self { epoch, client, requests, inputs, .. } = self;
        let mut state = client.state_watcher();
        let closed = client.state().is_terminated();
        // The client closes the session when the last of its clones is dropped.
        drop((client, requests));
        if !closed {
            let ended = async { while !state.changed().await.is_terminated() {} };
            if timeout(CLOSING, ended).await.is_err() {
                log::warn!("ZooKeeper did not confirm the end of the session; its nodes go when it expires");
            }
        }
        inputs.send(Input::Event(Event::SessionEnded { epoch })).unwrap_or_default();
    }
}

fn say(inputs: &mpsc::UnboundedSender<Input>, notice: Option<Notice>) {
    if let Some(notice) = notice {
        inputs.send(Input::Notice(notice)).unwrap_or_default();
    }
}

/// Says why there is no connection, where that has a name, and that there is one again.
async fn look_while_cut_off(
    client: Client,
    ensemble: Ensemble,
    troubles: Troubles,
    inputs: mpsc::UnboundedSender<Input>,
) {
    let mut states = client.state_watcher();
    let mut state = client.state();
    // What has ended is opened anew, and whoever does that looks again.
    while !state.is_terminated() {
        state = if state == SessionState::SyncConnected {
            say(&inputs, troubles.connected());
            states.changed().await
        } else {
            tokio::select! {
                state = states.changed() => state,
                trouble = ensemble.trouble() => {
                    say(&inputs, troubles.no_session(trouble.to_string()));
                    states.changed().await
                }
            }
        };
    }
}

/// Reports disconnections, reconnections and the end.
async fn follow_state(
    epoch: Epoch,
    client: Client,
    requests: Requests,
    inputs: mpsc::UnboundedSender<Input>,
) {
    let tell = |event| inputs.send(Input::Event(event)).unwrap_or_default();
    let mut states = client.state_watcher();
    let mut state = client.state();
    if state == SessionState::SyncConnected {
        state = states.changed().await;
    }
    loop {
        if state.is_terminated() {
            tell(Event::SessionEnded { epoch });
            return;
        }
        // A short disconnection may show only its end.
        tell(Event::Suspended { epoch });
        state = if state == SessionState::SyncConnected {
            tokio::select! {
                () = passed(&requests) => {
                    tell(Event::Reconnected { epoch });
                    states.changed().await
                }
                state = states.changed() => state,
            }
        } else {
            states.changed().await
        };
    }
}

/// Until the quorum has answered: what was sent before the disconnection has had its effect or never will, and this
/// server has caught up with it.
async fn passed(requests: &Requests) {
    while let Err(error) = requests.barrier().await {
        log::debug!("connected to ZooKeeper, but no answer from the quorum: {error}");
        sleep(BARRIER_AGAIN).await;
    }
}

/// While something is held: one proof every tenth of the session's timeout, never two at once.
async fn prove_life(
    epoch: Epoch,
    timeout: Duration,
    requests: Requests,
    mut holding: watch::Receiver<Option<String>>,
    inputs: mpsc::UnboundedSender<Input>,
) {
    loop {
        let Ok(node) = holding.wait_for(Option::is_some).await.map(|node| node.clone().unwrap_or_default())
        else {
            return;
        };
        let sent = Boottime::now();
        match requests.evidence(&node).await {
            Ok(()) => {
                inputs.send(Input::Proved(Proved { epoch, sent, timeout })).unwrap_or_default();
            }
            Err(error) => log::debug!("no proof that the session with ZooKeeper lives: {error}"),
        }
        sleep((timeout / 10).saturating_sub(Boottime::now().since(sent))).await;
    }
}
