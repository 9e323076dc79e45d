//! One member whose requests are answered at once, beside nodes that others make by hand.

use std::time::{Duration, Instant};

use super::partitions;
use crate::ids::{FencingToken, TopicPartition};
use crate::partitioner::messages::{Action, Answer, Epoch, Event, Notice, Request, RequestId};
use crate::partitioner::node_names::Nonce;
use crate::partitioner::set_partitioner::{SetPartitioner, Settings};
use crate::partitioner::simulation::zookeeper::{Session, ZooKeeper};

pub(super) const FOLDER: &str = "/g/a";
pub(super) const COOLDOWN: Duration = Duration::from_secs(1);

/// See the module.
pub(super) struct Alone {
    pub(super) member: SetPartitioner,
    pub(super) zookeeper: ZooKeeper,
    pub(super) session: Session,
    pub(super) now: Instant,
    heard: Vec<Notice>,
    pub(super) asked: Vec<Request>,
    pub(super) last_epoch: u64,
}

impl Alone {
    pub(super) fn new(count: i32, siblings: bool) -> Self {
        let now = crate::clock::now();
        let mut zookeeper = ZooKeeper::new(Duration::from_secs(3600));
        let session = zookeeper.open(now);
        let settings = Settings { identity: "host-1".to_owned(), cooldown: COOLDOWN, siblings };
        let member = SetPartitioner::new(settings, partitions(count));
        Self { member, zookeeper, session, now, heard: Vec::new(), asked: Vec::new(), last_epoch: 0 }
    }

    pub(super) fn acquired(count: i32) -> Self {
        let mut alone = Self::new(count, false);
        alone.start();
        alone.settle();
        alone
    }

    pub(super) fn start(&mut self) {
        self.last_epoch += 1;
        let epoch = Epoch(self.last_epoch);
        let nonce = Nonce([u8::try_from(self.last_epoch).unwrap(); 16]);
        self.say(Event::SessionStarted {
            epoch,
            nonce,
            session: "0x1".to_owned(),
            timeout: Duration::from_secs(10),
        });
    }

    pub(super) fn settle(&mut self) {
        self.now += COOLDOWN;
        self.say(Event::DeadlineReached);
    }

    pub(super) fn epoch(&self) -> Epoch {
        Epoch(self.last_epoch)
    }

    /// Tells the member, and goes on until nothing is on its way.
    pub(super) fn say(&mut self, event: Event) {
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            for action in self.member.handle(self.now, event) {
                match action {
                    Action::Send { epoch, id, request } => {
                        let answer = self.zookeeper.perform(self.session, FOLDER, id, &request);
                        self.asked.push(request);
                        events.insert(0, Event::Answered { epoch, id, answer });
                    }
                    Action::CloseSession { epoch } => {
                        self.zookeeper.end(self.session);
                        self.session = self.zookeeper.open(self.now);
                        events.insert(0, Event::SessionEnded { epoch });
                    }
                    Action::OpenSession { .. } => {}
                    Action::Notify(notice) => self.heard.push(notice),
                }
            }
            self.fire(&mut events);
        }
    }

    pub(super) fn fire(&mut self, events: &mut Vec<Event>) {
        for (session, id) in self.zookeeper.take_fired() {
            if session == self.session {
                events.insert(0, Event::WatchFired { epoch: self.epoch(), id });
            }
        }
    }

    /// Somebody else does this.
    pub(super) fn other(&mut self, session: Session, folder: &str, request: &Request) -> Answer {
        let answer = self.zookeeper.perform(session, folder, RequestId(0), request);
        let mut events = Vec::new();
        self.fire(&mut events);
        for event in events {
            self.say(event);
        }
        answer
    }

    pub(super) fn other_joins(&mut self, name: &str) -> Session {
        let session = self.zookeeper.open(self.now);
        let node = format!("0123456789ab4def0123456789abcdef-{name}");
        self.other(session, FOLDER, &Request::JoinParty { node, identifier: name.to_owned() });
        session
    }

    pub(super) fn other_closes(&mut self, session: Session) {
        self.zookeeper.end(session);
        let mut events = Vec::new();
        self.fire(&mut events);
        for event in events {
            self.say(event);
        }
    }

    /// What is news of the partitions.
    pub(super) fn hears(&mut self) -> Vec<Notice> {
        let mut heard = std::mem::take(&mut self.heard);
        heard.retain(|notice| !matches!(notice, Notice::Listed { .. }));
        heard
    }

    /// How many members it said last.
    pub(super) fn members(&self) -> Option<usize> {
        let members = |notice: &Notice| {
            if let Notice::Listed { members } = notice { Some(members.len()) } else { None }
        };
        self.heard.iter().rev().find_map(members)
    }

    pub(super) fn token(notices: &[Notice], of: &TopicPartition) -> FencingToken {
        let token = |notice: &Notice| {
            let Notice::Assigned { partition, token } = notice else { return None };
            token.filter(|_| partition == of)
        };
        notices.iter().find_map(token).unwrap_or_else(|| panic!("{of} was not acquired: {notices:?}"))
    }

    pub(super) fn lock_nodes(&self) -> usize {
        self.zookeeper.paths().filter(|path| path.contains("/locks/")).count()
    }
}
