//! The control socket: one JSON object a line, mode 0600, its peers checked, what it reads bounded.

use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, Sender};
use kafkavisor::clock::now;
use kafkavisor::ids::TopicPartition;
use kafkavisor_link::control::{MAX_REQUEST, NotTried, Request, Selector};
use kafkavisor_link::panics;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::unistd::{Uid, geteuid};
use serde_json::{Value, json};

use super::asked::{Asked, CARRIED_OUT_WITHIN, End, Waiting};
use super::attending::{Attending, attend};
use super::silent::Silent;
use crate::exit::Exit;
use crate::observe::Looks;

/// So many are answered at once: those who follow events or wait for a `seek` among them.
const MAX_CONVERSATIONS: usize = 128;
/// Longest that either side may take.
pub(super) const TIMEOUT: Duration = Duration::from_secs(5);

/// After no connection could be taken.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// ... beyond which what is being carried out already is waited for.
const LATE: Duration = Duration::from_secs(3);
/// Whether whoever waits is still there is looked at so often.
const STILL_THERE: Duration = Duration::from_millis(500);
/// Longest that answers may take to reach those who wait when the instance ends.
const LAST_ANSWERS: Duration = Duration::from_millis(500);

/// The socket; its file goes with it.
pub(crate) struct Control {
    path: PathBuf,
    conversations: Arc<AtomicUsize>,
    end: End,
}

impl Control {
    /// Lets those who are being answered hear it, at the end, which is this one.
    pub(crate) fn finish(&self, exit: Exit) {
        self.end.is(exit);
        let deadline = now() + LAST_ANSWERS;
        while self.conversations.load(Ordering::Acquire) > 0 && now() < deadline {
            thread::park_timeout(Duration::from_millis(1));
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        let _gone_or_not = fs::remove_file(&self.path);
    }
}

impl Control {
    /// Listens at `path`. What is there from an earlier life is removed: the instance's lock is ours.
    pub(crate) fn listen(
        path: &Path,
        asked: Sender<Asked>,
        attending: Sender<Attending>,
        looks: Looks,
    ) -> io::Result<Self> {
        match fs::symlink_metadata(path) {
            Ok(there) if there.file_type().is_socket() => fs::remove_file(path)?,
            Ok(_) => {
                return Err(io::Error::other("there is something that is no socket: remove it yourself"));
            }
            Err(_) => {}
        }
        let listener = UnixListener::bind(path)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
        let (conversations, silent) = (Arc::new(AtomicUsize::new(0)), Silent::default());
        let (counted, end) = (Arc::clone(&conversations), End::default());
        let ended = end.clone();
        let accept = move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else {
                    // Without descriptors it would fail again at once.
                    thread::park_timeout(ACCEPT_AGAIN);
                    continue;
                };
                let stream = Arc::new(stream);
                silent.comes(&stream);
                let (asked, looks, silent) = (asked.clone(), looks.clone(), silent.clone());
                let (attending, ended) = (attending.clone(), ended.clone());
                let conversations = Arc::clone(&conversations);
                let converse = move || {
                    panics::end_alone();
                    let request = request_line(&stream);
                    silent.speaks(&stream);
                    let counted = Counted::new(conversations);
                    let house = House { asked: &asked, attending: &attending, looks: &looks, ended: &ended };
                    let said = request.and_then(|request| converse(&stream, &request, &counted, &house));
                    if let Err(error) = said {
                        log::debug!("control socket: {error}");
                    }
                };
                let _no_thread_no_answer = thread::Builder::new().name("control".to_owned()).spawn(converse);
            }
        };
        thread::Builder::new().name("control".to_owned()).spawn(accept)?;
        Ok(Self { path: path.to_owned(), conversations: counted, end })
    }
}

/// One of those that are being answered, as long as it is.
struct Counted {
    all: Arc<AtomicUsize>,
    others: usize,
}

impl Counted {
    fn new(all: Arc<AtomicUsize>) -> Self {
        let others = all.fetch_add(1, Ordering::AcqRel);
        Self { all, others }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.all.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Who answers: the loop, or what it has published.
struct House<'a> {
    asked: &'a Sender<Asked>,
    attending: &'a Sender<Attending>,
    looks: &'a Looks,
    ended: &'a End,
}

fn converse(stream: &UnixStream, request: &[u8], counted: &Counted, house: &House<'_>) -> io::Result<()> {
    let looks = house.looks;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let peer = getsockopt(stream, PeerCredentials)?;
    if !may_ask(Uid::from_raw(peer.uid()), geteuid()) {
        return reply(stream, &not_tried("only the user that runs this instance, and root, may ask", false));
    }
    if counted.others >= MAX_CONVERSATIONS {
        return reply(
            stream,
            &not_tried("too many are being answered: try again, or end some of those", false),
        );
    }
    let request = match serde_json::from_slice(request) {
        Ok(request) => request,
        Err(error) => return reply(stream, &not_tried(&format!("not understood: {error}"), true)),
    };
    if let Request::Status { partition } = &request {
        return reply(stream, &status(looks, partition.as_ref()));
    }
    if let Request::Events { count, follow } = request {
        return tell_events(stream, looks, count, follow);
    }
    // It may have come long ago: whoever asks gives up in time, and nothing is done behind their back.
    if has_gone(stream) {
        return Ok(());
    }
    if matches!(request, Request::Rebalances {}) {
        return attend(stream, house.attending);
    }
    let stops = matches!(request, Request::Stop { .. });
    let (question, waiting) = Asked::new(request, &peer);
    let within = if waiting.is_patient() { CARRIED_OUT_WITHIN } else { TIMEOUT };
    let answer = match house.asked.send(question) {
        Ok(()) => answered(stream, &waiting, within),
        Err(_) => Some(not_tried("the supervisor has ended", false)),
    };
    let Some(answer) = answer else { return Ok(()) };
    reply(stream, &answer)?;
    if stops && answer.get("error").is_none() { tell_end(stream, house.ended) } else { Ok(()) }
}

/// The loop's answer, or that it has none; nothing where nobody waits for it any more.
fn answered(stream: &UnixStream, waiting: &Waiting, within: Duration) -> Option<Value> {
    let mut deadline = now() + within;
    let mut begun = false;
    loop {
        match waiting.answered.recv_timeout(STILL_THERE) {
            Ok(answer) => return Some(answer),
            Err(RecvTimeoutError::Disconnected) => return Some(not_tried("the supervisor has ended", false)),
            Err(RecvTimeoutError::Timeout) if has_gone(stream) => {
                let _is_carried_out = !waiting.give_up();
                return None;
            }
            Err(RecvTimeoutError::Timeout) if now() < deadline => {}
            Err(RecvTimeoutError::Timeout) if begun => {
                return Some(not_tried("it is being carried out, but says no more about it", false));
            }
            Err(RecvTimeoutError::Timeout) if waiting.give_up() => {
                return Some(not_tried("it hangs; nothing is done", false));
            }
            Err(RecvTimeoutError::Timeout) => {
                begun = true;
                deadline = now() + LATE;
            }
        }
    }
}

/// How it ends, for those who have stopped it.
fn tell_end(stream: &UnixStream, end: &End) -> io::Result<()> {
    loop {
        if let Some(exit) = end.within(STILL_THERE) {
            return reply(stream, &json!({ "exit": exit as u8 }));
        }
        if has_gone(stream) {
            return Ok(());
        }
    }
}

/// What the loop knows; it is not kept from its work by being asked.
fn status(looks: &Looks, partition: Option<&Selector>) -> Value {
    let Some(selector) = partition else {
        return match looks.board.look() {
            Ok(snapshot) => serde_json::to_value(&*snapshot.status()).unwrap_or_default(),
            Err(hangs) => not_tried(&hangs.to_string(), false),
        };
    };
    let Some(key) =
        selector.partition.map(|number| TopicPartition { topic: selector.topic.clone(), partition: number })
    else {
        return not_tried(&format!("{selector}: name one partition, as TOPIC:PARTITION"), true);
    };
    match looks.detail(&key) {
        Ok(Some(detail)) => serde_json::to_value(detail).unwrap_or_default(),
        Ok(None) => not_tried(&format!("this instance does not have {key}; ask the member that does"), true),
        Err(hangs) => not_tried(&hangs.to_string(), false),
    }
}

/// A line for each, and one for each that comes, as long as somebody listens.
fn tell_events(mut stream: &UnixStream, looks: &Looks, count: Option<usize>, follow: bool) -> io::Result<()> {
    let mut read = looks.events.last(count);
    loop {
        let mut lines = Vec::new();
        for event in &read.events {
            serde_json::to_writer(&mut lines, &**event)?;
            lines.push(b'\n');
        }
        stream.write_all(&lines)?;
        if !follow || read.over || has_gone(stream) {
            return Ok(());
        }
        read = looks.events.since(read.next, STILL_THERE);
    }
}

fn not_tried(error: &str, unknown: bool) -> Value {
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let answer = NotTried { error: error.to_owned(), unknown, version };
    serde_json::to_value(answer).unwrap_or_default()
}

/// Whether the other side has closed the conversation.
fn has_gone(stream: &UnixStream) -> bool {
    let mut descriptors = [PollFd::new(stream.as_fd(), PollFlags::empty())];
    // Who only says no more still listens: that is no hang-up.
    poll(&mut descriptors, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}

/// The socket's mode says the same; but a folder may be shared, and a mode changed.
fn may_ask(peer: Uid, us: Uid) -> bool {
    peer.is_root() || peer == us
}

/// The first line, which has to be there in time as a whole: one letter now and then must not hold a conversation for ever.
fn request_line(mut stream: &UnixStream) -> io::Result<Vec<u8>> {
    let deadline = now() + TIMEOUT;
    let (mut line, mut chunk) = (Vec::new(), [0; 4096]);
    while line.len() < MAX_REQUEST {
        let left = deadline.saturating_duration_since(now());
        if left.is_zero() {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the request did not come in time"));
        }
        stream.set_read_timeout(Some(left))?;
        let count = stream.read(&mut chunk)?;
        let read = chunk.get(..count).unwrap_or_default();
        let end = read.iter().position(|byte| *byte == b'\n');
        line.extend_from_slice(read.get(..end.unwrap_or(count)).unwrap_or_default());
        if count == 0 || end.is_some() {
            break;
        }
    }
    Ok(line)
}

fn reply(mut stream: &UnixStream, answer: &Value) -> io::Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    stream.write_all(&line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_own_user_and_root_may_ask() {
        let [root, us, other] = [0, 1000, 1001].map(Uid::from_raw);
        assert!(may_ask(root, us) && may_ask(us, us) && may_ask(root, root));
        assert!(!may_ask(other, us) && !may_ask(us, root));
    }

    #[test]
    fn a_request_is_one_line_however_it_comes_and_never_more_than_the_limit() {
        let (mut theirs, ours) = UnixStream::pair().unwrap();
        theirs.write_all(b"{\"command\":\"status\"}\nmore").unwrap();
        assert_eq!(request_line(&ours).unwrap(), b"{\"command\":\"status\"}");
        let writer = thread::spawn(move || theirs.write_all(&vec![b'x'; 4 * MAX_REQUEST]));
        assert!(request_line(&ours).unwrap().len() < MAX_REQUEST + 4096);
        drop(ours);
        assert!(writer.join().unwrap().is_err(), "the rest is not taken");
    }
}
