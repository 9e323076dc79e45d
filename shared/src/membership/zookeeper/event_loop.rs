//! The member's loop: wait for the next event, let the member handle it, perform all it says, wait again.

use std::collections::BTreeSet;
use std::time::Instant;

use kafkavisor_zookeeper::ensemble::OpenError;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use uuid::Uuid;
use zookeeper_client::Client;

use super::input::{Input, Proved};
use super::options::Options;
use super::paths::Paths;
use super::session::Session;
use super::troubles::Troubles;
use crate::clock;
use crate::ids::TopicPartition;
use crate::partitioner::messages::{Action, Epoch, Event, Notice};
use crate::partitioner::node_names::Nonce;
use crate::partitioner::set_partitioner::{SetPartitioner, Settings};

pub(super) struct EventLoop<S> {
    options: Options,
    paths: Paths,
    member: SetPartitioner,
    sink: S,
    inputs: mpsc::UnboundedSender<Input>,
    session: Option<Session>,
    opening: Option<JoinHandle<()>>,
    troubles: Troubles,
}

impl<S: Fn(Notice) + Send + 'static> EventLoop<S> {
    pub(super) fn new(
        options: Options,
        partitions: BTreeSet<TopicPartition>,
        sink: S,
        inputs: mpsc::UnboundedSender<Input>,
    ) -> Self {
        let identity = format!("{}-{}", options.identity.fqdn, options.identity.pid);
        let settings = Settings { identity, cooldown: options.cooldown, siblings: options.siblings };
        let paths = Paths::new(&options.chroot, &options.group_path);
        let member = SetPartitioner::new(settings, partitions);
        Self {
            options,
            paths,
            member,
            sink,
            inputs,
            session: None,
            opening: None,
            troubles: Troubles::default(),
        }
    }

    /// Until the member has left, or the handle is dropped.
    pub(super) async fn run(mut self, client: Client, mut inputs: mpsc::UnboundedReceiver<Input>) {
        let mut input = Some(Input::Opened { epoch: SetPartitioner::FIRST_EPOCH, client });
        while let Some(happened) = input {
            let event = match happened {
                Input::Event(event) => Some(event),
                Input::Opened { epoch, client } => self.opened(epoch, client),
                Input::Proved(proved) => {
                    self.pass_on(proved);
                    None
                }
                Input::Notice(notice) => {
                    (self.sink)(notice);
                    None
                }
                Input::Abandoned => break,
            };
            if let Some(event) = event
                && self.handle(event)
            {
                break;
            }
            input = next_input(&mut inputs, self.member.next_deadline()).await;
        }
        self.opening.inspect(JoinHandle::abort);
        if let Some(session) = self.session.take() {
            session.close().await;
        }
    }

    /// True when the member has left.
    fn handle(&mut self, event: Event) -> bool {
        let mut left = false;
        for action in self.member.handle(clock::now(), event) {
            left |= action == Action::Notify(Notice::Left);
            self.perform(action);
        }
        if let Some(session) = &self.session {
            session.hold(self.member.holding_as());
        }
        self.troubles.keep(|partition| self.member.has_lock(partition)).into_iter().for_each(&self.sink);
        left
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::OpenSession { epoch } => self.open(epoch),
            Action::CloseSession { epoch } => self.close(epoch),
            Action::Send { epoch, id, request } => match &mut self.session {
                Some(session) if session.epoch() == epoch => session.send(id, request),
                _ => self.tell(Event::Failed { epoch, id }),
            },
            Action::Notify(notice) => (self.sink)(notice),
        }
    }

    fn open(&mut self, epoch: Epoch) {
        // What is over has no tasks, and closes if it is not over at the server.
        self.session = None;
        self.troubles.session_over().into_iter().for_each(&self.sink);
        let (ensemble, timeout) = (self.options.ensemble.clone(), self.options.session_timeout);
        let (inputs, troubles) = (self.inputs.clone(), self.troubles.clone());
        self.opening = Some(tokio::spawn(async move {
            let told = |error: &OpenError| {
                log::warn!("no session with ZooKeeper at {} yet: {error}", ensemble.servers());
                if let OpenError::Trouble(trouble) = error
                    && let Some(notice) = troubles.no_session(trouble.to_string())
                {
                    inputs.send(Input::Notice(notice)).unwrap_or_default();
                }
            };
            let client = ensemble.connect_for_ever(timeout, told).await;
            // The loop's end is the only reason for which it would not listen; then the session closes here.
            inputs.send(Input::Opened { epoch, client }).unwrap_or_default();
        }));
    }

    fn opened(&mut self, epoch: Epoch, client: Client) -> Option<Event> {
        if self.member.awaits_session() != Some(epoch) {
            // It was asked for and then not wanted any more: dropped, it closes.
            return None;
        }
        self.opening = None;
        self.troubles.connected().into_iter().for_each(&self.sink);
        let (paths, inputs, troubles) = (self.paths.clone(), self.inputs.clone(), self.troubles.clone());
        let session = Session::new(epoch, client, paths, &self.options.ensemble, troubles, inputs);
        let (id, timeout) = session.describe();
        self.session = Some(session);
        Some(Event::SessionStarted { epoch, nonce: Nonce(Uuid::new_v4().into_bytes()), session: id, timeout })
    }

    fn close(&mut self, epoch: Epoch) {
        self.opening.take().inspect(JoinHandle::abort);
        match self.session.take() {
            Some(session) => drop(tokio::spawn(session.close())),
            None => self.tell(Event::SessionEnded { epoch }),
        }
    }

    /// Proofs that were on their way when the last partition went, or the session, are of no use to anybody.
    fn pass_on(&self, proved: Proved) {
        let present = self.session.as_ref().is_some_and(|session| session.epoch() == proved.epoch);
        if present && self.member.holding_as().is_some() {
            let Proved { sent, timeout, .. } = proved;
            (self.sink)(Notice::Evidence { sent, timeout });
        }
    }

    fn tell(&self, event: Event) {
        // This loop holds the other end.
        self.inputs.send(Input::Event(event)).unwrap_or_default();
    }
}

async fn next_input(inputs: &mut mpsc::UnboundedReceiver<Input>, deadline: Option<Instant>) -> Option<Input> {
    let Some(deadline) = deadline else { return inputs.recv().await };
    tokio::select! {
        input = inputs.recv() => input,
        () = tokio::time::sleep_until(deadline.into()) => Some(Input::Event(Event::DeadlineReached)),
    }
}
