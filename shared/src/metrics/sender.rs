//! Sends datapoints to SignalFx: whoever has some never waits, and what can't be sent is kept, up to a bound, until it can.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use reqwest::header::HeaderValue;
use reqwest::{Client, Url};
use tokio::runtime::{Builder, Runtime};

use super::datapoint::Datapoint;
use super::exchange::{Refusal, client, send};
use crate::clock::now;
use crate::config::Secret;

/// Points in a request.
const BATCH: usize = 1_000;
/// Points that wait; beyond that the oldest are dropped.
const QUEUE: usize = 50_000;
/// The wait after a failure, doubled each time.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// Its longest, whatever is asked for.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Whom they are sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// `/v2/datapoint` below it takes them.
    pub url: String,
    /// Read again before each request.
    pub token: Secret,
}

impl Target {
    /// Whether requests can be made of it.
    pub(super) fn check(&self) -> io::Result<()> {
        let wrong = |why: String| Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        if !Url::parse(&self.url).is_ok_and(|url| matches!(url.scheme(), "http" | "https")) {
            return wrong(format!("SignalFx's URL {:?}: expected http://HOST or https://HOST", self.url));
        }
        if HeaderValue::from_str(self.token.expose()).is_err() {
            return wrong("SignalFx's token has a character in it that no header may have".to_owned());
        }
        Ok(())
    }
}

/// A queue, and a thread that empties it. Dropping it ends both, with what is left in it.
#[derive(Debug)]
pub struct SignalFx {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    news: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    points: VecDeque<Datapoint>,
    dropped: u64,
    /// Some are on their way.
    sending: bool,
    over: bool,
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SignalFx {
    /// Starts the thread.
    pub fn start(target: Target) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let client = client().map_err(io::Error::other)?;
        let shared = Arc::<Shared>::default();
        let sending =
            Sending { shared: Arc::clone(&shared), target, client, runtime, failures: 0, unreadable: false };
        let thread = thread::Builder::new().name("signalfx".to_owned()).spawn(|| sending.run())?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Takes points to be sent. Where too many wait, the oldest are dropped.
    pub fn send(&self, points: impl IntoIterator<Item = Datapoint>) {
        let mut queue = self.shared.queue();
        queue.points.extend(points);
        let over = queue.points.len().saturating_sub(QUEUE);
        queue.points.drain(..over);
        queue.dropped += u64::try_from(over).unwrap_or(u64::MAX);
        drop(queue);
        self.shared.news.notify_all();
    }

    /// Waits until all that there is was taken, or dropped; whether it was by then.
    pub(super) fn wait_sent(&self, until: Instant) -> bool {
        let mut queue = self.shared.queue();
        loop {
            let left = until.saturating_duration_since(now());
            let sent = queue.points.is_empty() && !queue.sending;
            if sent || left.is_zero() {
                return sent;
            }
            let waited = self.shared.news.wait_timeout(queue, left);
            queue = waited.map_or_else(|poisoned| poisoned.into_inner().0, |(queue, _)| queue);
        }
    }

    /// How many points were dropped.
    pub fn dropped(&self) -> u64 {
        self.shared.queue().dropped
    }
}

impl Drop for SignalFx {
    fn drop(&mut self) {
        self.shared.queue().over = true;
        self.shared.news.notify_all();
        // It may be in the middle of a request: nobody waits for that.
        drop(self.thread.take());
    }
}

struct Sending {
    shared: Arc<Shared>,
    target: Target,
    client: Client,
    runtime: Runtime,
    failures: u32,
    /// The token could not be read when it was last wanted.
    unreadable: bool,
}

impl Sending {
    fn run(mut self) {
        while let Some(batch) = self.next() {
            let sent = {
                self.read_token();
                let Target { url, token } = &self.target;
                self.runtime.block_on(send(&self.client, url, token.expose(), &batch))
            };
            match sent {
                Ok(()) => {
                    self.sent();
                    self.succeeded();
                }
                Err(Refusal::Later { why, after }) => {
                    self.give_back(batch);
                    self.sent();
                    self.failed(&why, after);
                }
                Err(Refusal::Never { why }) => {
                    self.shared.queue().dropped += u64::try_from(batch.len()).unwrap_or(u64::MAX);
                    self.sent();
                    log::error!(
                        "SignalFx at {}: {why}: {} figures are dropped",
                        self.target.url,
                        batch.len()
                    );
                }
            }
        }
    }

    fn sent(&self) {
        self.shared.queue().sending = false;
        self.shared.news.notify_all();
    }

    /// The oldest points, once there are any; none when it is over.
    fn next(&self) -> Option<Vec<Datapoint>> {
        let mut queue = self.shared.queue();
        while queue.points.is_empty() && !queue.over {
            queue = self.shared.news.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        let count = queue.points.len().min(BATCH);
        queue.sending = true;
        (!queue.over).then(|| queue.points.drain(..count).collect())
    }

    /// To the front of the queue, as far as there is room.
    fn give_back(&self, batch: Vec<Datapoint>) {
        let mut queue = self.shared.queue();
        let room = QUEUE.saturating_sub(queue.points.len());
        let dropped = batch.len().saturating_sub(room);
        queue.dropped += u64::try_from(dropped).unwrap_or(u64::MAX);
        for point in batch.into_iter().skip(dropped).rev() {
            queue.points.push_front(point);
        }
    }

    fn read_token(&mut self) {
        let read = self.target.token.read_again();
        if let Err(error) = &read
            && !self.unreadable
        {
            log::error!("SignalFx's token: {error}; what it was before is used");
        }
        self.unreadable = read.is_err();
    }

    fn succeeded(&mut self) {
        if std::mem::take(&mut self.failures) > 0 {
            log::info!("SignalFx at {} takes figures again", self.target.url);
        }
    }

    fn failed(&mut self, why: &str, after: Option<Duration>) {
        let Self { target: Target { url, .. }, failures, .. } = self;
        if *failures == 0 {
            log::warn!("SignalFx at {url}: {why}; figures are kept, up to {QUEUE}, and sent again");
        } else {
            log::debug!("SignalFx at {url}: {why}");
        }
        let doubled = FIRST_WAIT.saturating_mul(2u32.saturating_pow((*failures).min(10)));
        *failures = failures.saturating_add(1);
        self.wait_until(now() + doubled.max(after.unwrap_or_default()).min(LONGEST_WAIT));
    }

    fn wait_until(&self, until: Instant) {
        let mut queue = self.shared.queue();
        loop {
            let left = until.saturating_duration_since(now());
            if left.is_zero() || queue.over {
                return;
            }
            let waited = self.shared.news.wait_timeout(queue, left);
            queue = waited.map_or_else(|poisoned| poisoned.into_inner().0, |(queue, _)| queue);
        }
    }
}
