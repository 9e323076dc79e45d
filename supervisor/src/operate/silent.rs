//! Conversations in which nothing has been asked yet: so many at once, and when one more comes the oldest gives way. However many
//! connect and say nothing, whoever asks is answered.

use std::collections::VecDeque;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// So many at once.
const MAX_SILENT: usize = 32;

/// See the module.
#[derive(Debug, Default, Clone)]
pub(super) struct Silent(Arc<Mutex<VecDeque<Arc<UnixStream>>>>);

impl Silent {
    fn all(&self) -> MutexGuard<'_, VecDeque<Arc<UnixStream>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One that has just come.
    pub(super) fn comes(&self, stream: &Arc<UnixStream>) {
        let mut all = self.all();
        if all.len() >= MAX_SILENT
            && let Some(oldest) = all.pop_front()
        {
            // Its thread reads the end.
            let _gone_already = oldest.shutdown(Shutdown::Both);
        }
        all.push_back(Arc::clone(stream));
    }

    /// It has asked, or is gone.
    pub(super) fn speaks(&self, stream: &Arc<UnixStream>) {
        self.all().retain(|one| !Arc::ptr_eq(one, stream));
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn the_oldest_that_has_not_asked_gives_way() {
        let silent = Silent::default();
        let pairs: Vec<_> = (0..=MAX_SILENT + 1).map(|_| UnixStream::pair().unwrap()).collect();
        let (theirs, ours): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
        let ours: Vec<_> = ours.into_iter().map(Arc::new).collect();
        ours.iter().take(MAX_SILENT).for_each(|one| silent.comes(one));
        silent.speaks(&ours[0]);
        silent.comes(&ours[MAX_SILENT]);
        silent.comes(&ours[MAX_SILENT + 1]);
        let closed = |mut stream: &UnixStream| {
            stream.set_nonblocking(true).unwrap();
            matches!(stream.read(&mut [0]), Ok(0))
        };
        let closed: Vec<_> = theirs.iter().map(closed).collect();
        assert_eq!(closed.iter().filter(|closed| **closed).count(), 1);
        assert!(closed[1], "the first has asked, the second has not");
    }
}
