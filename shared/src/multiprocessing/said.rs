//! What the child says on stderr: handed on line by line, and its last lines kept for whoever asks why it has ended.

use std::collections::VecDeque;
use std::fmt;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// So many of its last lines are kept.
const KEPT: usize = 50;
/// Longest line that is handed on in one, in bytes.
const MAX_LINE: u64 = 64 << 10;

/// Where lines go.
pub(super) type Sink = Box<dyn FnMut(&str) + Send>;

/// Lines go on to this process's stderr, as they would without us.
pub(super) fn to_stderr() -> Sink {
    Box::new(|line| {
        let mut out = std::io::stderr().lock();
        // Whoever has closed it does not want to read it.
        let _closed = out.write_all(line.as_bytes()).and_then(|()| out.write_all(b"\n"));
    })
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Said(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    kept: Mutex<Kept>,
    ended: Condvar,
}

#[derive(Default)]
struct Kept {
    last: VecDeque<String>,
    over: bool,
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").field("lines", &self.last.len()).field("over", &self.over).finish()
    }
}

impl Said {
    /// Reads until the end, on a thread of its own.
    pub(super) fn read(from: impl Read + Send + 'static, sink: Arc<Mutex<Sink>>) -> std::io::Result<Self> {
        let said = Self::default();
        let shared = Arc::clone(&said.0);
        let read = move || {
            let mut lines = BufReader::new(from);
            while let Some(line) = next(&mut lines) {
                shared.keep(&line);
                let told = || (sink.lock().unwrap_or_else(PoisonError::into_inner))(&line);
                // A panic of the program's own is no reason to lose the rest.
                let _panicked = catch_unwind(AssertUnwindSafe(told));
            }
            shared.kept.lock().unwrap_or_else(PoisonError::into_inner).over = true;
            shared.ended.notify_all();
        };
        thread::Builder::new().name("kafkavisor-log".to_owned()).spawn(read)?;
        Ok(said)
    }

    /// Its last lines; waits up to `within` until there are no more to come.
    pub(super) fn last(&self, within: Duration) -> String {
        let kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = self.0.ended.wait_timeout_while(kept, within, |kept| !kept.over);
        let (kept, _) = ended.unwrap_or_else(PoisonError::into_inner);
        kept.last.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }
}

impl Shared {
    fn keep(&self, line: &str) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.last.len() >= KEPT {
            kept.last.pop_front();
        }
        kept.last.push_back(line.to_owned());
    }
}

/// The next line, or as much of it as is taken in one; none at the end.
fn next(lines: &mut BufReader<impl Read>) -> Option<String> {
    let mut line = Vec::new();
    let read = lines.by_ref().take(MAX_LINE).read_until(b'\n', &mut line);
    if read.is_err() || line.is_empty() {
        return None;
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    Some(String::from_utf8_lossy(&line).into_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn every_line_is_handed_on_and_the_last_are_kept() {
        let numbered: Vec<_> = (0..60).map(|number| format!("line {number}")).collect();
        let text = numbered.join("\n") + "\nno end";
        let (lines_in, lines) = channel();
        let sink: Sink = Box::new(move |line| lines_in.send(line.to_owned()).unwrap());
        let said = Said::read(std::io::Cursor::new(text.into_bytes()), Arc::new(Mutex::new(sink))).unwrap();
        let last = said.last(Duration::from_secs(10));
        assert!(last.starts_with("line 11\n") && last.ends_with("line 59\nno end"), "{last}");
        assert_eq!(lines.iter().take(61).count(), 61);
    }

    #[test]
    fn a_line_without_an_end_comes_in_parts() {
        let mut lines = BufReader::new(std::io::repeat(b'x').take(MAX_LINE + 3));
        assert_eq!(next(&mut lines).map(|line| line.len()), Some(64 << 10));
        assert_eq!(next(&mut lines).as_deref(), Some("xxx"));
        assert_eq!(next(&mut lines), None);
    }
}
