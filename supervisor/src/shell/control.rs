//! The control socket: one JSON object a line, mode 0600, its peers checked, what it reads bounded.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Sender, bounded};
use kafkavisor_link::control::{MAX_REQUEST, Request};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::unistd::geteuid;
use serde_json::{Value, json};

/// Conversations at once.
const MAX_CONVERSATIONS: usize = 32;
/// Longest that either side may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A request, who asks, and where the answer goes.
pub(crate) struct Asked {
    pub(crate) request: Request,
    pub(crate) uid: u32,
    pub(crate) pid: i32,
    pub(crate) answer: Sender<Value>,
}

/// The socket; its file goes with it.
pub(crate) struct Control {
    path: PathBuf,
}

impl Drop for Control {
    fn drop(&mut self) {
        let _gone_or_not = fs::remove_file(&self.path);
    }
}

impl Control {
    /// Listens at `path`. What is there from an earlier life is removed: the instance's lock is ours.
    pub(crate) fn listen(path: &Path, asked: Sender<Asked>) -> io::Result<Self> {
        match fs::symlink_metadata(path) {
            Ok(there) if there.file_type().is_socket() => fs::remove_file(path)?,
            Ok(_) => {
                return Err(io::Error::other("there is something that is no socket: remove it yourself"));
            }
            Err(_) => {}
        }
        let listener = UnixListener::bind(path)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
        let conversations = Arc::new(AtomicUsize::new(0));
        let accept = move || {
            for stream in listener.incoming().flatten() {
                if conversations.fetch_add(1, Ordering::AcqRel) >= MAX_CONVERSATIONS {
                    conversations.fetch_sub(1, Ordering::AcqRel);
                    continue;
                }
                let (asked, conversations) = (asked.clone(), Arc::clone(&conversations));
                let converse = move || {
                    if let Err(error) = converse(&stream, &asked) {
                        log::debug!("control socket: {error}");
                    }
                    conversations.fetch_sub(1, Ordering::AcqRel);
                };
                let _no_thread_no_answer = thread::Builder::new().name("control".to_owned()).spawn(converse);
            }
        };
        thread::Builder::new().name("control".to_owned()).spawn(accept)?;
        Ok(Self { path: path.to_owned() })
    }
}

fn converse(stream: &UnixStream, asked: &Sender<Asked>) -> io::Result<()> {
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let peer = getsockopt(stream, PeerCredentials)?;
    if peer.uid() != 0 && peer.uid() != geteuid().as_raw() {
        return reply(stream, &json!({"error": "only the user that runs this instance, and root, may ask"}));
    }
    let mut line = Vec::new();
    BufReader::new(stream.take(MAX_REQUEST)).read_until(b'\n', &mut line)?;
    let request = match serde_json::from_slice(&line) {
        Ok(request) => request,
        Err(error) => return reply(stream, &json!({"error": format!("not understood: {error}")})),
    };
    let (answer, answered) = bounded(1);
    let question = Asked { request, uid: peer.uid(), pid: peer.pid(), answer };
    let busy = || json!({"error": "the supervisor does not answer"});
    if asked.send(question).is_err() {
        return reply(stream, &busy());
    }
    reply(stream, &answered.recv_timeout(TIMEOUT).unwrap_or_else(|_| busy()))
}

fn reply(mut stream: &UnixStream, answer: &Value) -> io::Result<()> {
    stream.write_all(format!("{answer}\n").as_bytes())
}

/// Asks the instance behind `socket`.
pub(crate) fn ask(socket: &Path, request: &Request) -> io::Result<Value> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(2 * TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    Ok(serde_json::from_str(&answer)?)
}
