//! A member of the group on a ZooKeeper that says anything: nodes that are not there, locks of others under our names, one watch
//! twice. However it is lied to, the supervisor is never told to start what it has, or to stop what it has not.
//!
//! The input is a script, an event a line: its first letter, then what it is about.
//!
//! | letter | event |
//! |---|---|
//! | `s` | the session awaited is established |
//! | `a NAME NAME` | the oldest request is answered, with these nodes; `%` in a name stands for ours |
//! | `b NAME NAME` | the newest request is answered |
//! | `o` | the oldest request is answered with the answer to another question |
//! | `f` | the oldest request's answer is lost |
//! | `w` | the oldest watch fires; `v`: the newest |
//! | `z`, `r`, `x` | suspended, reconnected, the session has ended |
//! | `i N` | there are N partitions now |
//! | `d` | the first partition that is to be given up is released |
//! | `t` | time passes until the member's deadline |
//! | `l` | somebody wants it to leave |

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use kafkavisor::clock;
use kafkavisor::ids::{FencingToken, Topic, TopicPartition};
use kafkavisor::partitioner::messages::{
    Action, Answer, Epoch, Event, Notice, OwnLock, Request, RequestId, SiblingLock,
};
use kafkavisor::partitioner::node_names::Nonce;
use kafkavisor::partitioner::set_partitioner::{SetPartitioner, Settings};

/// Lines that are followed, and partitions.
const MOST_LINES: usize = 400;
const MOST_ITEMS: usize = 5;

#[derive(Debug)]
struct World {
    member: SetPartitioner,
    now: Instant,
    epoch: Epoch,
    suspended: bool,
    opening: bool,
    closing: bool,
    last_request: RequestId,
    requests: VecDeque<(Epoch, RequestId, Request)>,
    watches: VecDeque<(Epoch, RequestId)>,
    party_node: String,
    /// What the supervisor has, and whether it is to give it back.
    has: BTreeMap<TopicPartition, (FencingToken, bool)>,
    left: bool,
}

/// A script.
pub(super) fn member(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let siblings = text.starts_with('S');
    let settings = Settings { identity: "host-1".to_owned(), cooldown: Duration::from_secs(1), siblings };
    let mut world = World {
        member: SetPartitioner::new(settings, partitions(2)),
        now: clock::now(),
        epoch: SetPartitioner::FIRST_EPOCH,
        suspended: false,
        opening: true,
        closing: false,
        last_request: RequestId(0),
        requests: VecDeque::new(),
        watches: VecDeque::new(),
        party_node: String::new(),
        has: BTreeMap::new(),
        left: false,
    };
    for line in text.lines().take(MOST_LINES) {
        world.follow(line);
    }
}

fn partitions(count: usize) -> BTreeSet<TopicPartition> {
    let topic = Topic::new("t").expect("a topic's name");
    (0..count.min(MOST_ITEMS))
        .filter_map(|n| Some(TopicPartition::new(topic.clone(), i32::try_from(n).ok()?)))
        .collect()
}

impl World {
    fn follow(&mut self, line: &str) {
        let (letter, rest) = line.split_at_checked(1).unwrap_or((line, ""));
        let epoch = self.epoch;
        let event = match letter {
            "s" if self.opening => {
                self.opening = false;
                let nonce = Nonce([u8::try_from(epoch.0 % 200).unwrap_or(0); 16]);
                let (session, timeout) = ("0x1".to_owned(), Duration::from_secs(10));
                Event::SessionStarted { epoch, nonce, session, timeout }
            }
            "a" | "b" | "o" | "f" | "n" => {
                let asked = if letter == "b" { self.requests.pop_back() } else { self.requests.pop_front() };
                let Some((epoch, id, request)) = asked else { return };
                match letter {
                    "f" => Event::Failed { epoch, id },
                    "n" => Event::Refused { epoch, id },
                    "o" => Event::Answered { epoch, id, answer: other(&request) },
                    _ => Event::Answered { epoch, id, answer: self.answer(epoch, id, &request, rest) },
                }
            }
            "w" | "v" => {
                let watch =
                    if letter == "w" { self.watches.pop_front() } else { self.watches.back().copied() };
                let Some((epoch, id)) = watch else { return };
                Event::WatchFired { epoch, id }
            }
            "z" => Event::Suspended { epoch },
            "r" => Event::Reconnected { epoch },
            "x" => Event::SessionEnded { epoch },
            "i" => Event::PartitionsChanged { partitions: partitions(rest.trim().parse().unwrap_or(0)) },
            "d" => {
                let Some((partition, token)) = self.to_be_given_up() else { return };
                self.has.remove(&partition);
                Event::Released { partition, token }
            }
            "t" => return self.wait(),
            "l" => Event::LeaveRequested,
            _ => return,
        };
        self.handle(event);
    }

    fn to_be_given_up(&self) -> Option<(TopicPartition, FencingToken)> {
        let mut revoked = self.has.iter().filter(|(_, (_, revoked))| *revoked);
        revoked.next().map(|(partition, (token, _))| (partition.clone(), *token))
    }

    /// A deadline that was obeyed is over: else the loop around the member would spin.
    fn wait(&mut self) {
        let Some(deadline) = self.member.next_deadline() else { return };
        self.now = self.now.max(deadline);
        self.handle(Event::DeadlineReached);
        let next = self.member.next_deadline();
        assert!(next.is_none_or(|next| next > self.now), "the deadline is still {next:?}: {self:#?}");
    }

    fn handle(&mut self, event: Event) {
        let actions = self.member.handle(self.now, event.clone());
        assert!(actions.len() <= 4 * MOST_ITEMS + 4, "{} actions after {event:?}", actions.len());
        for action in actions {
            assert!(!self.left, "{action:?} after it has left");
            self.perform(action);
        }
        assert_eq!(self.member.holding_as().is_some(), !self.has.is_empty(), "after {event:?}: {self:#?}");
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::OpenSession { epoch } => {
                assert_eq!(epoch.0, self.epoch.0 + 1);
                (self.epoch, self.opening, self.closing, self.suspended) = (epoch, true, false, false);
            }
            Action::CloseSession { epoch } => {
                assert_eq!(epoch, self.epoch);
                assert!(self.has.is_empty(), "closed with {:?}", self.has);
                self.closing = true;
            }
            Action::Send { epoch, id, request } => {
                assert!(epoch == self.epoch && id > self.last_request, "{epoch:?} {id:?}");
                assert!(!self.suspended && !self.opening && !self.closing, "{request:?} can't be sent now");
                self.last_request = id;
                if let Request::JoinParty { node, .. } = &request {
                    self.party_node.clone_from(node);
                }
                self.requests.push_back((epoch, id, request));
            }
            Action::Notify(notice) => self.notice(notice),
        }
    }

    fn notice(&mut self, notice: Notice) {
        match notice {
            Notice::Assigned { partition, token } => {
                let token = token.expect("a lock has a token");
                let had = self.has.insert(partition.clone(), (token, false));
                assert_eq!(had, None, "{partition} is assigned with {token}");
            }
            Notice::Revoked { partition, token } => {
                let token = token.expect("a lock has a token");
                let had = self.has.insert(partition.clone(), (token, true));
                assert_eq!(had, Some((token, false)), "{partition} is revoked with {token}");
            }
            Notice::Lost { partition, token } => {
                let had = self.has.remove(&partition).map(|(token, _)| token);
                assert_eq!((had, token.is_some()), (token, true), "{partition} is lost");
            }
            Notice::Left | Notice::SessionLost => {
                assert!(self.has.is_empty(), "{notice:?} with {:?}", self.has);
                self.left |= notice == Notice::Left;
            }
            Notice::Suspended => self.suspended = true,
            Notice::Reconnected => self.suspended = false,
            Notice::Joined { .. }
            | Notice::Settled { .. }
            | Notice::Unsettled
            | Notice::Listed { .. }
            | Notice::Troubled { .. }
            | Notice::Untroubled { .. }
            | Notice::Waiting { .. }
            | Notice::NoLongerWaiting { .. }
            | Notice::Blocked { .. }
            | Notice::Contended { .. }
            | Notice::Evidence { .. } => {}
        }
    }

    /// The answer of the right kind, holding `rest`.
    fn answer(&mut self, epoch: Epoch, id: RequestId, request: &Request, rest: &str) -> Answer {
        let names =
            |ours: &str| rest.split_whitespace().map(|name| name.replace('%', ours)).collect::<Vec<_>>();
        match request {
            Request::EnsureFolders => Answer::FoldersEnsured,
            Request::JoinParty { .. } => Answer::PartyJoined,
            Request::ListParty => {
                self.watches.push_back((epoch, id));
                Answer::PartyListed { nodes: names(&self.party_node) }
            }
            Request::CreateLock { prefix, .. } => {
                let node = format!("{prefix}{}", rest.trim());
                Answer::LockCreated(OwnLock { token: token(&node), node })
            }
            Request::ListLocks { prefix, .. } => {
                let children = names(prefix);
                let ours = children.iter().filter(|child| child.starts_with(prefix.as_str()));
                let own = ours.map(|node| OwnLock { token: token(node), node: node.clone() }).collect();
                Answer::LocksListed { children, own }
            }
            Request::WatchPredecessor { .. } if rest.trim().is_empty() => Answer::PredecessorGone,
            Request::WatchPredecessor { .. } => {
                self.watches.push_back((epoch, id));
                Answer::PredecessorWatched { by: String::new() }
            }
            Request::ListSiblings { .. } => {
                let lock = |node: String| {
                    let (path, token, first) = (format!("/{node}"), token(&node), node.contains('1'));
                    SiblingLock { path, token, first, node }
                };
                Answer::SiblingsListed { locks: names("").into_iter().map(lock).collect() }
            }
            Request::DeleteLock { .. } => Answer::LockDeleted,
            Request::LeaveParty { .. } => Answer::PartyLeft,
        }
    }
}

/// A creation zxid that goes with the name, as in ZooKeeper: by its last digits.
fn token(node: &str) -> FencingToken {
    let digits = node.bytes().filter(u8::is_ascii_digit).map(i64::from);
    FencingToken(digits.fold(0, |sum, digit| sum.wrapping_mul(10).wrapping_add(digit - 48)))
}

/// An answer of the wrong kind.
fn other(request: &Request) -> Answer {
    match request {
        Request::ListParty | Request::LeaveParty { .. } => {
            Answer::LocksListed { children: Vec::new(), own: Vec::new() }
        }
        Request::CreateLock { .. } | Request::ListLocks { .. } => Answer::LockDeleted,
        Request::DeleteLock { .. } | Request::ListSiblings { .. } => {
            Answer::PredecessorWatched { by: String::new() }
        }
        Request::EnsureFolders | Request::JoinParty { .. } | Request::WatchPredecessor { .. } => {
            Answer::PartyLeft
        }
    }
}
