//! The connections there are, and which gives way: at most [`MAX_CONNECTIONS`], and when one more comes the one that has been silent
//! longest is closed. Whoever takes too long to read an answer is closed too.

use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use kafkavisor::clock::now;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;

/// So many at once.
pub(super) const MAX_CONNECTIONS: usize = 512;
/// Longest that somebody may leave an answer unread.
pub(super) const READS_WITHIN: Duration = Duration::from_secs(30);

/// When something was last heard on a connection, and since when what is said on it is not taken.
#[derive(Debug)]
struct Activity {
    heard: Instant,
    stuck_since: Option<Instant>,
}

/// See the module.
#[derive(Debug, Default, Clone)]
pub(super) struct Connections(Arc<Mutex<BTreeMap<u64, Connection>>>);

#[derive(Debug)]
struct Connection {
    activity: Arc<Mutex<Activity>>,
    task: Option<AbortHandle>,
}

/// A connection's place in the table, given back with it.
#[derive(Debug)]
pub(super) struct Place {
    connections: Connections,
    number: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.table().remove(&self.number);
    }
}

impl Connections {
    fn table(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Connection>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a connection in, as the `number`th; where there are too many another one is closed.
    pub(super) fn take(&self, number: u64, stream: TcpStream) -> (Watched, Place) {
        let activity = Arc::new(Mutex::new(Activity { heard: now(), stuck_since: None }));
        let mut table = self.table();
        if table.len() >= MAX_CONNECTIONS {
            let silent = |(_, one): &(&u64, &Connection)| locked(&one.activity).heard;
            let longest = table.iter().min_by_key(silent).map(|(number, _)| *number);
            if let Some(closed) = longest.and_then(|number| table.remove(&number)).and_then(|one| one.task) {
                closed.abort();
            }
        }
        table.insert(number, Connection { activity: Arc::clone(&activity), task: None });
        (Watched { stream, activity }, Place { connections: self.clone(), number })
    }

    /// The task that serves it.
    pub(super) fn served_by(&self, number: u64, task: AbortHandle) {
        if let Some(connection) = self.table().get_mut(&number) {
            connection.task = Some(task);
        }
    }

    /// Closes those that do not read.
    pub(super) fn close_stuck(&self, time: Instant) {
        let stuck = |one: &Connection| {
            let since = locked(&one.activity).stuck_since;
            since.is_some_and(|since| time.saturating_duration_since(since) >= READS_WITHIN)
        };
        for connection in self.table().values().filter(|connection| stuck(connection)) {
            connection.task.iter().for_each(AbortHandle::abort);
        }
    }
}

fn locked(activity: &Mutex<Activity>) -> std::sync::MutexGuard<'_, Activity> {
    activity.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A stream that notes when something was heard on it, and whether what is said is taken.
#[derive(Debug)]
pub(super) struct Watched {
    stream: TcpStream,
    activity: Arc<Mutex<Activity>>,
}

impl Watched {
    fn said<T>(&self, poll: Poll<T>) -> Poll<T> {
        let mut activity = locked(&self.activity);
        activity.stuck_since = match poll {
            Poll::Ready(_) => None,
            Poll::Pending => activity.stuck_since.or_else(|| Some(now())),
        };
        poll
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let poll = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if poll.is_ready() && buffer.filled().len() > before {
            locked(&self.activity).heard = now();
        }
        poll
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(cx, buffer);
        self.said(poll)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write_vectored(cx, buffers);
        self.said(poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
