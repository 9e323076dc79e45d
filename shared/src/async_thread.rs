//! A thread for what is async by nature, so that callers need no runtime, and may have one of their own.

use std::io;
use std::thread::{self, JoinHandle};

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// The thread; it ends with this.
#[derive(Debug)]
pub(crate) struct AsyncThread {
    handle: Handle,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl AsyncThread {
    pub(crate) fn start(name: &str) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel::<()>();
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
            runtime.block_on(async { ended.await.unwrap_or_default() });
        })?;
        Ok(Self { handle, end: Some(end), thread: Some(thread) })
    }

    pub(crate) fn handle(&self) -> Handle {
        self.handle.clone()
    }
}

impl Drop for AsyncThread {
    fn drop(&mut self) {
        drop(self.end.take());
        // A panic there has been told already.
        let _panicked = self.thread.take().map(JoinHandle::join);
    }
}

/// Runs what waits for that thread on a thread that is in no runtime: within the caller's it would panic.
pub(crate) fn apart<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| scope.spawn(work).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_can_be_waited_for_within_another_runtime() {
        let theirs = Builder::new_current_thread().build().unwrap();
        theirs.block_on(async {
            let ours = AsyncThread::start("test").unwrap();
            let handle = ours.handle();
            assert_eq!(apart(|| handle.block_on(async { 7 })), 7);
        });
    }
}
