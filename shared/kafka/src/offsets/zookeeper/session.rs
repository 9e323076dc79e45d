//! A session with ZooKeeper for offsets alone. It owns no node, so nothing depends on its life: when it has ended, the next
//! request opens another.
//!
//! It is let go only once it has ended. So a request that was given up can't come after a later one: ZooKeeper keeps the order
//! of a session's requests, and takes none of a session that has ended.

use std::time::Duration;

use kafkavisor_zookeeper::Ensemble;
use kafkavisor_zookeeper::ensemble::OpenError;
use tokio::sync::Mutex;
use tokio::time::sleep;
use zookeeper_client::{Client, Error, SessionState};

/// What is asked for; the server may give another.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Pause after an attempt that failed; it doubles.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) struct Session {
    ensemble: Ensemble,
    client: Mutex<Option<Client>>,
}

impl Session {
    pub(super) fn new(ensemble: Ensemble) -> Self {
        Self { ensemble, client: Mutex::new(None) }
    }

    pub(super) fn ensemble(&self) -> &Ensemble {
        &self.ensemble
    }

    /// A session that is connected now. Waits for it as long as the caller does; an error is one that waiting does not mend.
    pub(super) async fn connected(&self) -> Result<Client, OpenError> {
        let mut client = self.client.lock().await;
        loop {
            let known = match client.take() {
                Some(known) if !known.state().is_terminated() => known,
                Some(_) | None => self.open().await?,
            };
            let mut states = known.state_watcher();
            // Kept also where the caller stops waiting.
            let known = client.insert(known).clone();
            while known.state() != SessionState::SyncConnected && !known.state().is_terminated() {
                tokio::select! {
                    _ = states.changed() => {}
                    trouble = self.ensemble.trouble() => return Err(trouble.into()),
                }
            }
            if known.state() == SessionState::SyncConnected {
                return Ok(known);
            }
        }
    }

    async fn open(&self) -> Result<Client, OpenError> {
        let mut pause = PAUSE;
        loop {
            match self.ensemble.open(TIMEOUT).await {
                Ok(client) => return Ok(client),
                Err(error @ (OpenError::Trouble(_) | OpenError::Client(Error::BadArguments(_)))) => {
                    return Err(error);
                }
                Err(error) => {
                    log::debug!(
                        "no session for offsets with ZooKeeper at {}: {error}",
                        self.ensemble.servers()
                    );
                }
            }
            sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }
}
