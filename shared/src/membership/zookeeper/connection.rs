//! Sessions with ZooKeeper: the first has a time limit and an error to show, later ones are sought for ever.

use std::time::Duration;

use tokio::time::{sleep, timeout};
use uuid::Uuid;
use zookeeper_client::{Acls, Client, CreateMode, Error};

use super::options::Options;
use super::paths::normal;
use crate::clock;

/// Pause after the first failed attempt; it doubles.
const BACKOFF_FIRST: Duration = Duration::from_millis(100);
/// Longest pause between attempts.
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// Why there is no session.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// Not a list of servers.
    #[error("{servers:?} names no ZooKeeper servers; write host:port,host:port")]
    Servers {
        /// As given.
        servers: String,
    },
    /// No server answered in time.
    #[error("ZooKeeper at {servers} was not reached within {within:?}{}; is it running, and is the address right?",
        .last.as_ref().map(|error| format!(" (last error: {error})")).unwrap_or_default())]
    Unreachable {
        /// As given.
        servers: String,
        /// The time limit.
        within: Duration,
        /// The last attempt's error, if one ended.
        last: Option<Error>,
    },
    /// The chroot is missing and can't be made.
    #[error("failed to make the chroot {chroot} in ZooKeeper: {error}")]
    Chroot {
        /// As given.
        chroot: String,
        /// What ZooKeeper said.
        error: Error,
    },
}

/// A session that is established and waits for its membership.
#[derive(Debug)]
pub struct Connection {
    pub(super) client: Client,
}

impl Connection {
    /// Connects and makes the chroot where it is missing; an error after `within`.
    pub async fn establish(options: &Options, within: Duration) -> Result<Self, ConnectError> {
        let (servers, chroot) = (&options.servers, &options.chroot);
        let end = clock::now() + within;
        let client = connect(servers, options.session_timeout, within).await?;
        ensure_chroot(&client, chroot, end.saturating_duration_since(clock::now())).await?;
        Ok(Self { client })
    }
}

/// A session within the time limit.
pub(super) async fn connect(
    servers: &str,
    session: Duration,
    within: Duration,
) -> Result<Client, ConnectError> {
    let end = clock::now() + within;
    let mut backoff = Backoff::default();
    let mut last = None;
    loop {
        let left = end.saturating_duration_since(clock::now());
        match timeout(left, attempt(servers, session)).await {
            Ok(Ok(client)) => return Ok(client),
            Ok(Err(Error::BadArguments(_))) => {
                return Err(ConnectError::Servers { servers: servers.to_owned() });
            }
            Ok(Err(error)) => last = Some(error),
            Err(_) => return Err(ConnectError::Unreachable { servers: servers.to_owned(), within, last }),
        }
        backoff.pause().await;
    }
}

/// A session, however long it takes.
pub(super) async fn connect_for_ever(servers: &str, session: Duration) -> Client {
    let mut backoff = Backoff::default();
    loop {
        match timeout(session.max(BACKOFF_MAX), attempt(servers, session)).await {
            Ok(Ok(client)) => return client,
            Ok(Err(error)) => log::warn!("no session with ZooKeeper at {servers} yet: {error}"),
            Err(_) => log::warn!("no session with ZooKeeper at {servers} yet: no answer"),
        }
        backoff.pause().await;
    }
}

async fn attempt(servers: &str, session: Duration) -> Result<Client, Error> {
    Client::connector().with_session_timeout(session).connect(servers).await
}

async fn ensure_chroot(client: &Client, chroot: &str, within: Duration) -> Result<(), ConnectError> {
    let path = normal(chroot);
    if path.is_empty() {
        return Ok(());
    }
    let options = CreateMode::Persistent.with_acls(Acls::anyone_all());
    let made = timeout(within, client.mkdir(&path, &options)).await.unwrap_or(Err(Error::Timeout));
    made.map_err(|error| ConnectError::Chroot { chroot: chroot.to_owned(), error })
}

/// Pauses that double, each with up to half of it more at random, so that a group does not come back in one moment.
struct Backoff(Duration);

impl Default for Backoff {
    fn default() -> Self {
        Self(BACKOFF_FIRST)
    }
}

impl Backoff {
    async fn pause(&mut self) {
        let percent = u32::try_from(Uuid::new_v4().as_u128() % 51).unwrap_or(0);
        sleep(self.0 + self.0 * percent / 100).await;
        self.0 = (self.0 * 2).min(BACKOFF_MAX);
    }
}
