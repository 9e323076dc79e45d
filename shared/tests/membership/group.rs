//! A group of its own on the test ZooKeeper, its members as the supervisor would keep them, and waiting for conditions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use kafkavisor::clock::Boottime;
use kafkavisor::ids::{FencingToken, TopicPartition};
use kafkavisor::membership::zookeeper::observer::GroupSeen;
use kafkavisor::membership::{
    Connection, Ensemble, Identity, Member, Notice, Observer, Options, ZookeeperMember,
};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use zookeeper_client::Client;

use super::python::Python;

pub(crate) const SESSION: Duration = Duration::from_secs(2);
pub(crate) const COOLDOWN: Duration = Duration::from_millis(300);
/// However slow the machine is: until then a condition must have come true.
pub(crate) const WITHIN: Duration = Duration::from_secs(40);

pub(crate) fn servers() -> String {
    std::env::var("KAFKAVISOR_TEST_ZOOKEEPER")
        .expect("KAFKAVISOR_TEST_ZOOKEEPER is not set; these tests need a ZooKeeper: run `eval \"$(script/cluster env)\"`")
}

pub(crate) fn partitions(count: i32) -> BTreeSet<TopicPartition> {
    (0..count).map(|partition| format!("t:{partition}").parse().unwrap()).collect()
}

/// Different in each run.
pub(crate) fn unique() -> String {
    static RUN: OnceLock<String> = OnceLock::new();
    RUN.get_or_init(|| format!("{}-{}", std::process::id(), kafkavisor::clock::wall_millis())).clone()
}

pub(crate) fn options(name: &str, path: &str) -> Options {
    Options {
        ensemble: Ensemble::new(servers()),
        chroot: format!("/kafkavisor-test-{}", unique()),
        group_path: path.to_owned(),
        siblings: false,
        session_timeout: SESSION,
        cooldown: COOLDOWN,
        identity: Identity { fqdn: name.to_owned(), pid: 77 },
    }
}

/// What is known of any member.
pub(crate) trait Owner {
    /// What its own words say it owns.
    fn owns(&self) -> BTreeSet<TopicPartition>;
    fn id(&self) -> String;
}

#[derive(Debug, Default)]
struct Known {
    has: BTreeMap<TopicPartition, FencingToken>,
    settled: Option<usize>,
    session: String,
    id: String,
    blocked: BTreeMap<TopicPartition, String>,
    waiting: BTreeMap<TopicPartition, String>,
    members: usize,
    proofs: usize,
    /// How long ago that was asked for whose answer came, at most.
    oldest_proof: Duration,
    suspended: usize,
    reconnected: usize,
    lost: usize,
    left: bool,
    owned_twice: Option<String>,
}

/// One of ours, whose supervisor releases at once.
pub(crate) struct Ours {
    known: Arc<Mutex<Known>>,
    membership: Arc<ZookeeperMember>,
}

impl Ours {
    fn known<T>(&self, what: impl FnOnce(&Known) -> T) -> T {
        let known = self.known.lock().unwrap();
        assert_eq!(known.owned_twice, None);
        what(&known)
    }

    pub(crate) fn has(&self) -> BTreeMap<TopicPartition, FencingToken> {
        self.known(|known| known.has.clone())
    }

    pub(crate) fn settled(&self) -> Option<usize> {
        self.known(|known| known.settled)
    }

    pub(crate) fn session(&self) -> String {
        self.known(|known| known.session.clone())
    }

    pub(crate) fn session_number(&self) -> i64 {
        let session = self.session();
        u64::from_str_radix(session.strip_prefix("0x").unwrap(), 16).unwrap().cast_signed()
    }

    pub(crate) fn blocked(&self) -> Vec<String> {
        self.known(|known| known.blocked.values().cloned().collect())
    }

    /// Behind whom it waits.
    pub(crate) fn waiting(&self) -> BTreeMap<TopicPartition, String> {
        self.known(|known| known.waiting.clone())
    }

    pub(crate) fn members(&self) -> usize {
        self.known(|known| known.members)
    }

    pub(crate) fn proofs(&self) -> usize {
        self.known(|known| known.proofs)
    }

    pub(crate) fn oldest_proof(&self) -> Duration {
        self.known(|known| known.oldest_proof)
    }

    pub(crate) fn suspended(&self) -> usize {
        self.known(|known| known.suspended)
    }

    pub(crate) fn reconnected(&self) -> usize {
        self.known(|known| known.reconnected)
    }

    pub(crate) fn lost(&self) -> usize {
        self.known(|known| known.lost)
    }

    pub(crate) fn left(&self) -> bool {
        self.known(|known| known.left)
    }

    pub(crate) fn leave(&self) {
        self.membership.leave();
    }
}

impl Owner for Ours {
    fn owns(&self) -> BTreeSet<TopicPartition> {
        self.has().into_keys().collect()
    }

    fn id(&self) -> String {
        self.known(|known| known.id.clone())
    }
}

type Owners = Arc<Mutex<BTreeSet<TopicPartition>>>;

pub(crate) struct Group {
    path: String,
    partitions: BTreeSet<TopicPartition>,
    siblings: bool,
    changed: Arc<Notify>,
    /// What members of ours own at this moment.
    owners: Owners,
}

impl Group {
    pub(crate) fn new(name: &str, count: i32) -> Self {
        let path = format!("/yelp-kafka/{name}");
        Self {
            path,
            partitions: partitions(count),
            siblings: false,
            changed: Arc::default(),
            owners: Owners::default(),
        }
    }

    pub(crate) fn with_siblings(self) -> Self {
        Self { siblings: true, ..self }
    }

    /// The same group with other topics.
    pub(crate) fn sibling(&self, name: &str) -> Self {
        let parent = self.path.rsplit_once('/').unwrap().0;
        Self {
            path: format!("{parent}/{name}"),
            partitions: self.partitions.clone(),
            siblings: true,
            changed: Arc::clone(&self.changed),
            owners: Arc::clone(&self.owners),
        }
    }

    /// The group's folder, chroot included.
    pub(crate) fn path(&self) -> String {
        format!("{}{}", options("", "").chroot, self.path)
    }

    pub(crate) async fn join(&self, name: &str) -> Ours {
        self.join_through(name, &servers()).await
    }

    pub(crate) async fn join_through(&self, name: &str, servers: &str) -> Ours {
        let mut options = options(name, &self.path);
        options.ensemble = Ensemble::new(servers);
        options.siblings = self.siblings;
        let connection = Connection::establish(&options, WITHIN).await.expect("the test ZooKeeper answers");
        let (sender, mut notices) = tokio::sync::mpsc::unbounded_channel();
        let sink = move |notice| drop(sender.send(notice));
        let membership = Arc::new(ZookeeperMember::start(
            &Handle::current(),
            connection,
            options,
            self.partitions.clone(),
            sink,
        ));
        let ours = Ours { known: Arc::default(), membership: Arc::clone(&membership) };
        let (known, changed, owners) =
            (Arc::clone(&ours.known), Arc::clone(&self.changed), Arc::clone(&self.owners));
        let weak = Arc::downgrade(&membership);
        tokio::spawn(async move {
            while let Some(notice) = notices.recv().await {
                let release = known.lock().unwrap().learn(notice, &mut owners.lock().unwrap());
                if let Some((partition, token)) = release
                    && let Some(membership) = weak.upgrade()
                {
                    membership.released(partition, Some(token));
                }
                changed.notify_waiters();
            }
        });
        ours
    }

    pub(crate) fn python(&self, identifier: &str) -> Python {
        Python::start(&servers(), &self.path(), identifier, COOLDOWN, &self.partitions, false)
    }

    /// One that keeps what it has, whoever comes.
    pub(crate) fn stubborn_python(&self, identifier: &str) -> Python {
        Python::start(&servers(), &self.path(), identifier, COOLDOWN, &self.partitions, true)
    }

    /// Waits for a condition; what it waited for, and how it stood, is in the failure.
    pub(crate) async fn until(&self, what: &str, condition: impl Fn() -> bool) {
        let holds = async {
            while !condition() {
                // Python's words come without a notification.
                let _ = timeout(Duration::from_millis(20), self.changed.notified()).await;
            }
        };
        let came = timeout(WITHIN, holds).await.is_ok();
        assert!(came, "not after {WITHIN:?}: {what}; nodes: {:#?}", self.seen().await);
    }

    pub(crate) async fn seen(&self) -> GroupSeen {
        let options = options("", &self.path);
        let observer = Observer::connect(&options.ensemble, &options.chroot, WITHIN).await.unwrap();
        observer.read_members(&self.path).await.unwrap()
    }

    /// Waits until the lock nodes and the members' own words agree, each partition owned exactly once.
    pub(crate) async fn is_told_by_its_nodes(&self, members: &[&dyn Owner]) {
        let agree = async {
            while !self.agrees(members, &self.seen().await) {
                sleep(Duration::from_millis(50)).await;
            }
        };
        let agreed = timeout(WITHIN, agree).await.is_ok();
        let words: Vec<_> = members.iter().map(|member| (member.id(), member.owns())).collect();
        assert!(agreed, "nodes and words differ: {:#?}, {words:#?}", self.seen().await);
    }

    fn agrees(&self, members: &[&dyn Owner], seen: &GroupSeen) -> bool {
        let mut words: Vec<_> = members.iter().map(|member| (member.id(), member.owns())).collect();
        words.sort();
        let nodes: Vec<_> = seen.members.iter().map(|m| (m.id.clone(), m.partitions.clone())).collect();
        let owned: usize = words.iter().map(|(_, partitions)| partitions.len()).sum();
        nodes == words && seen.orphans.is_empty() && seen.free.is_empty() && owned == self.partitions.len()
    }
}

impl Known {
    /// What is to be released now.
    fn learn(
        &mut self,
        notice: Notice,
        owners: &mut BTreeSet<TopicPartition>,
    ) -> Option<(TopicPartition, FencingToken)> {
        match notice {
            Notice::Joined { session, member, .. } => {
                (self.session, self.id) = (session.unwrap(), member.unwrap());
            }
            Notice::Assigned { partition, token } => {
                let token = token.unwrap();
                if !owners.insert(partition.clone()) {
                    self.owned_twice = Some(format!("{partition} with {token}"));
                }
                self.blocked.remove(&partition);
                self.waiting.remove(&partition);
                self.has.insert(partition, token);
            }
            Notice::Revoked { partition, token } => {
                assert_eq!(self.has.remove(&partition), token);
                owners.remove(&partition);
                return Some((partition, token?));
            }
            Notice::Lost { partition, token } => {
                assert_eq!(self.has.remove(&partition), token);
                owners.remove(&partition);
                self.lost += 1;
            }
            Notice::Settled { members } => self.settled = Some(members),
            Notice::Unsettled | Notice::SessionLost => self.settled = None,
            Notice::Listed { members } => self.members = members.len(),
            Notice::Waiting { partition, by } => drop(self.waiting.insert(partition, by)),
            Notice::NoLongerWaiting { partition } => drop(self.waiting.remove(&partition)),
            Notice::Blocked { partition, by } => drop(self.blocked.insert(partition, by)),
            Notice::Evidence { timeout, sent, .. } => {
                assert_eq!(timeout, SESSION);
                self.proofs += 1;
                self.oldest_proof = self.oldest_proof.max(Boottime::now().since(sent));
            }
            Notice::Suspended => self.suspended += 1,
            Notice::Reconnected => self.reconnected += 1,
            Notice::Contended { .. } => {}
            Notice::Left => self.left = true,
            Notice::Troubled { .. } | Notice::Untroubled { .. } => {}
        }
        None
    }
}

/// Deletes a folder with all that is in it, in one moment, whoever makes nodes in it meanwhile.
pub(crate) async fn delete(client: &Client, folder: &str) {
    loop {
        let mut all = vec![folder.to_owned()];
        let mut listed = 0;
        while let Some(path) = all.get(listed) {
            let children = client.list_children(path).await.unwrap_or_default();
            let children: Vec<_> = children.iter().map(|child| format!("{path}/{child}")).collect();
            all.extend(children);
            listed += 1;
        }
        let mut deletion = client.new_multi_writer();
        for path in all.iter().rev() {
            deletion.add_delete(path, None).unwrap();
        }
        if deletion.commit().await.is_ok() || client.check_stat(folder).await.unwrap().is_none() {
            return;
        }
    }
}
