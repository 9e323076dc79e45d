//! The simulated server: what of ZooKeeper a member can notice.
//!
//! Sessions expire when nothing was heard of them for the timeout; ephemeral nodes go with them; sequences grow; each
//! write has a zxid; a watch fires once. Requests take effect one by one in the order they are performed. Connections
//! and what gets lost on them are left to [`group`](super::group).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::ids::{FencingToken, TopicPartition};
use crate::partitioner::allocation::kazoo_name;
use crate::partitioner::messages::{Answer, OwnLock, Request, RequestId, SiblingLock};
use crate::partitioner::node_names::{contenders, holder};

/// A session's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Session(pub u64);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Node {
    owner: Session,
    zxid: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Watched {
    Children,
    Node,
}

#[derive(Debug)]
struct Watch {
    session: Session,
    id: RequestId,
    path: String,
    watched: Watched,
}

/// See the module.
#[derive(Debug)]
pub struct ZooKeeper {
    timeout: Duration,
    zxid: i64,
    last_session: u64,
    /// When each living session was last heard of.
    sessions: BTreeMap<Session, Instant>,
    nodes: BTreeMap<String, Node>,
    sequences: BTreeMap<String, u32>,
    watches: Vec<Watch>,
    fired: Vec<(Session, RequestId)>,
}

impl ZooKeeper {
    /// An empty server that gives every session this timeout.
    pub fn new(timeout: Duration) -> Self {
        Self {
            timeout,
            zxid: 0x1_0000_0000,
            last_session: 0,
            sessions: BTreeMap::new(),
            nodes: BTreeMap::new(),
            sequences: BTreeMap::new(),
            watches: Vec::new(),
            fired: Vec::new(),
        }
    }

    /// A new session.
    pub fn open(&mut self, now: Instant) -> Session {
        self.last_session += 1;
        self.zxid += 1;
        self.sessions.insert(Session(self.last_session), now);
        Session(self.last_session)
    }

    /// Whether the session has neither expired nor been closed.
    pub fn is_alive(&self, session: Session) -> bool {
        self.sessions.contains_key(&session)
    }

    /// The session is heard of. No effect on one that is over.
    pub fn hear(&mut self, session: Session, now: Instant) {
        if let Some(heard) = self.sessions.get_mut(&session) {
            *heard = now;
        }
    }

    /// Ends every session that was not heard of for the timeout.
    pub fn expire(&mut self, now: Instant) {
        let timeout = self.timeout;
        let over = |(session, heard): (&Session, &Instant)| (now - *heard > timeout).then_some(*session);
        let over: Vec<_> = self.sessions.iter().filter_map(over).collect();
        for session in over {
            self.end(session);
        }
    }

    /// Closes a session: its nodes and watches go.
    pub fn end(&mut self, session: Session) {
        self.sessions.remove(&session);
        self.watches.retain(|watch| watch.session != session);
        let of_it = |(path, node): (&String, &Node)| (node.owner == session).then(|| path.clone());
        let nodes: Vec<_> = self.nodes.iter().filter_map(of_it).collect();
        for path in nodes {
            self.delete(&path);
        }
    }

    /// The watches that fired since the last call.
    pub fn take_fired(&mut self) -> Vec<(Session, RequestId)> {
        std::mem::take(&mut self.fired)
    }

    /// Deletes a node behind its owner's back, as an operator may.
    pub fn delete(&mut self, path: &str) {
        if self.nodes.remove(path).is_some() {
            self.zxid += 1;
            self.fire(path);
        }
    }

    /// The paths of all nodes.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.nodes.keys().map(String::as_str)
    }

    /// Whether the lock node that was created as this token is still there.
    pub fn has_lock(&self, token: FencingToken) -> bool {
        self.nodes.values().any(|node| node.zxid == token.0)
    }

    /// Performs a request of a living session on the group in `folder`, which lies in its siblings' folder `parent`.
    pub fn perform(&mut self, session: Session, folder: &str, id: RequestId, request: &Request) -> Answer {
        match request {
            Request::EnsureFolders => Answer::FoldersEnsured,
            Request::JoinParty { node, .. } => {
                self.create(session, format!("{folder}/party/{node}"));
                Answer::PartyJoined
            }
            Request::ListParty => {
                let party = format!("{folder}/party");
                let nodes = self.children(&party);
                self.watch(session, id, party, Watched::Children);
                Answer::PartyListed { nodes }
            }
            Request::LeaveParty { node } => {
                self.delete(&format!("{folder}/party/{node}"));
                Answer::PartyLeft
            }
            Request::CreateLock { partition, prefix } => {
                self.create_lock(session, &locks(folder, partition), prefix)
            }
            Request::ListLocks { partition, prefix } => self.list_locks(&locks(folder, partition), prefix),
            Request::WatchPredecessor { partition, node } => {
                let path = format!("{}/{node}", locks(folder, partition));
                if !self.nodes.contains_key(&path) {
                    return Answer::PredecessorGone;
                }
                self.watch(session, id, path, Watched::Node);
                Answer::PredecessorWatched { by: String::new() }
            }
            Request::ListSiblings { partition } => {
                Answer::SiblingsListed { locks: self.siblings(folder, partition) }
            }
            Request::DeleteLock { partition, node } => {
                self.delete(&format!("{}/{node}", locks(folder, partition)));
                Answer::LockDeleted
            }
        }
    }

    fn create_lock(&mut self, session: Session, folder: &str, prefix: &str) -> Answer {
        let sequence = self.sequences.entry(folder.to_owned()).or_default();
        let node = format!("{prefix}{sequence:010}");
        *sequence += 1;
        let zxid = self.create(session, format!("{folder}/{node}"));
        Answer::LockCreated(OwnLock { node, token: FencingToken(zxid) })
    }

    fn list_locks(&self, folder: &str, prefix: &str) -> Answer {
        let children = self.children(folder);
        let own = children.iter().filter(|child| child.starts_with(prefix));
        let own = own.map(|node| OwnLock { node: node.clone(), token: self.token(folder, node) }).collect();
        Answer::LocksListed { children, own }
    }

    fn siblings(&self, folder: &str, partition: &TopicPartition) -> Vec<SiblingLock> {
        let parent = folder.rsplit_once('/').map_or("", |(parent, _)| parent);
        let mut folders: Vec<_> = self.paths().filter_map(|path| group_folder(path, parent)).collect();
        folders.dedup();
        folders.retain(|sibling| *sibling != folder);
        let mut found = Vec::new();
        for sibling in folders {
            let folder = locks(sibling, partition);
            let children = self.children(&folder);
            let first = holder(&children).map(str::to_owned);
            found.extend(contenders(&children).map(|node| SiblingLock {
                path: format!("{folder}/{node}"),
                node: node.to_owned(),
                token: self.token(&folder, node),
                first: first.as_deref() == Some(node),
            }));
        }
        found
    }

    fn token(&self, folder: &str, node: &str) -> FencingToken {
        FencingToken(self.nodes.get(&format!("{folder}/{node}")).map_or(0, |node| node.zxid))
    }

    fn create(&mut self, session: Session, path: String) -> i64 {
        if let Some(node) = self.nodes.get(&path) {
            return node.zxid;
        }
        self.zxid += 1;
        self.fire(&path);
        self.nodes.insert(path, Node { owner: session, zxid: self.zxid });
        self.zxid
    }

    fn children(&self, folder: &str) -> Vec<String> {
        let name = |path: &str| Some(path.strip_prefix(folder)?.strip_prefix('/')?.to_owned());
        self.paths().filter_map(name).filter(|name| !name.contains('/')).collect()
    }

    fn watch(&mut self, session: Session, id: RequestId, path: String, watched: Watched) {
        self.watches.push(Watch { session, id, path, watched });
    }

    fn fire(&mut self, path: &str) {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let fired = &mut self.fired;
        self.watches.retain(|watch| {
            let meant = match watch.watched {
                Watched::Children => watch.path == folder,
                Watched::Node => watch.path == path,
            };
            if meant {
                fired.push((watch.session, watch.id));
            }
            !meant
        });
    }
}

fn locks(folder: &str, partition: &TopicPartition) -> String {
    format!("{folder}/locks/{}", kazoo_name(partition))
}

/// The group's folder that a node lies in, if that lies in `parent`.
fn group_folder<'a>(path: &'a str, parent: &str) -> Option<&'a str> {
    let name = path.strip_prefix(parent)?.strip_prefix('/')?.split('/').next()?;
    path.get(..parent.len() + 1 + name.len())
}
