//! The ensemble, and sessions with it. Passwords and files are read again for each session: both may be changed while we run.

use std::fmt::{self, Debug, Formatter};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};
use uuid::Uuid;
use zookeeper_client::{Acls, Client, Error};

use crate::look::look;
use crate::nodes::NodeError;
use crate::tls::{FileError, TlsFiles};
use crate::trouble::Trouble;

/// Pause after the first failed attempt; it doubles.
const BACKOFF_FIRST: Duration = Duration::from_millis(100);
/// Longest pause between attempts.
const BACKOFF_MAX: Duration = Duration::from_secs(5);
/// A session that is not there after this long is looked into.
const LOOK_AFTER: Duration = Duration::from_millis(500);
/// Between looks.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// Who may do what with the nodes that we make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Access {
    /// Anybody.
    #[default]
    Anyone,
    /// Whoever has our name and password.
    Creator,
}

/// Who we are, by ZooKeeper's scheme `digest`.
#[derive(Clone)]
pub struct Login {
    /// The name.
    pub username: String,
    /// Says the password as it is now.
    pub password: Arc<dyn Fn() -> String + Send + Sync>,
    /// For the nodes that we make.
    pub access: Access,
}

impl Debug for Login {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { username, access, .. } = self;
        f.debug_struct("Login").field("username", username).field("access", access).finish_non_exhaustive()
    }
}

/// Where ZooKeeper is, who we are to it, and how it is spoken to.
#[derive(Debug, Clone)]
pub struct Ensemble {
    servers: String,
    login: Option<Login>,
    tls: Option<TlsFiles>,
}

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
    /// Something is wrong with certificates or authentication.
    #[error(transparent)]
    Trouble(#[from] Trouble),
    /// A node that everything is in is refused, or can't be made.
    #[error(transparent)]
    Node(#[from] NodeError),
}

/// Why an attempt has failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// By its name.
    #[error(transparent)]
    Trouble(#[from] Trouble),
    /// What ZooKeeper's client says.
    #[error(transparent)]
    Client(#[from] Error),
}

impl From<FileError> for OpenError {
    fn from(error: FileError) -> Self {
        Self::Trouble(error.into())
    }
}

impl Ensemble {
    /// At these servers, `host:port,host:port`, in plain text and as nobody.
    pub fn new(servers: impl Into<String>) -> Self {
        Self { servers: servers.into(), login: None, tls: None }
    }

    /// With a name.
    #[must_use]
    pub fn login(self, login: Option<Login>) -> Self {
        Self { login, ..self }
    }

    /// Over TLS.
    #[must_use]
    pub fn tls(self, tls: Option<TlsFiles>) -> Self {
        Self { tls, ..self }
    }

    /// Where it is.
    pub fn servers(&self) -> &str {
        &self.servers
    }

    /// The access list of each node that we make.
    pub fn acls(&self) -> Acls<'static> {
        match self.login.as_ref().map(|login| login.access).unwrap_or_default() {
            Access::Anyone => Acls::anyone_all(),
            Access::Creator => Acls::creator_all(),
        }
    }

    /// One attempt. It ends at once where something is wrong that waiting does not mend.
    pub async fn open(&self, session: Duration) -> Result<Client, OpenError> {
        tokio::select! {
            biased;
            opened = self.attempt(session) => opened,
            trouble = self.trouble() => Err(trouble.into()),
        }
    }

    async fn attempt(&self, session: Duration) -> Result<Client, OpenError> {
        let mut connector = Client::connector().with_session_timeout(session);
        if let Some(Login { username, password, .. }) = &self.login {
            connector = connector.with_auth("digest", format!("{username}:{}", password()).as_bytes());
        }
        let opened = match &self.tls {
            None => connector.connect(&self.servers).await,
            Some(files) => {
                let options = files.options(&self.servers)?;
                connector.with_tls(options).secure_connect(&self.servers).await
            }
        };
        opened.map_err(|error| {
            if error == Error::AuthFailed {
                return Trouble::auth(&self.servers, self.login.is_some()).into();
            }
            error.into()
        })
    }

    /// Waits until no server can be used and what is wrong with one of them has a name: for as long as there is no connection.
    pub async fn trouble(&self) -> Trouble {
        sleep(LOOK_AFTER).await;
        loop {
            if let Some(trouble) = self.look().await {
                return trouble;
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    async fn look(&self) -> Option<Trouble> {
        let (servers, tls) = (self.servers.clone(), self.tls.clone());
        // What has panicked has seen nothing.
        tokio::task::spawn_blocking(move || look(&servers, tls.as_ref())).await.ok().flatten()
    }

    /// A session within the time limit; something wrong by name ends it sooner.
    pub async fn connect(&self, session: Duration, within: Duration) -> Result<Client, ConnectError> {
        let mut last = None;
        let attempts = async {
            let mut backoff = Backoff::default();
            loop {
                match self.open(session).await {
                    Ok(client) => return Ok(client),
                    Err(OpenError::Trouble(trouble)) => return Err(ConnectError::Trouble(trouble)),
                    Err(OpenError::Client(Error::BadArguments(_))) => {
                        return Err(ConnectError::Servers { servers: self.servers.clone() });
                    }
                    Err(OpenError::Client(error)) => last = Some(error),
                }
                backoff.pause().await;
            }
        };
        match timeout(within, attempts).await {
            Ok(done) => done,
            Err(_) => Err(ConnectError::Unreachable { servers: self.servers.clone(), within, last }),
        }
    }

    /// A session, however long it takes. `told` hears why there is none, each time that changes.
    pub async fn connect_for_ever(&self, session: Duration, told: impl Fn(&OpenError)) -> Client {
        let mut backoff = Backoff::default();
        let mut said = None;
        loop {
            let attempt = timeout(session.max(BACKOFF_MAX), self.open(session)).await;
            let error = match attempt.unwrap_or(Err(Error::Timeout.into())) {
                Ok(client) => return client,
                Err(error) => error,
            };
            if said.as_ref() != Some(&error) {
                told(&error);
                said = Some(error);
            }
            backoff.pause().await;
        }
    }
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
