//! The conversation in which the child tells of rebalances, and waits before it gives a partition up: on a thread of its own, from
//! which the program is called.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use serde::Deserialize;
use serde_json::json;

use super::callbacks::Callbacks;
use super::conversation::{Conversation, Question};
use crate::ids::TopicPartition;

/// A line of it.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Told {
    Revoking {
        revoking: Vec<String>,
        id: u64,
    },
    Assigned {
        assigned: Vec<String>,
    },
    /// Its answer that it does not understand.
    Refused {
        error: String,
    },
    /// Of a later version.
    Other {},
}

/// Attends from here on, until the child ends.
pub(super) fn begin(socket: &Path, pid: u32, callbacks: &Arc<Callbacks>) -> io::Result<()> {
    let conversation = Conversation::begin(socket, pid, Question::Rebalances)?;
    conversation.wait_for_ever()?;
    callbacks.start();
    let callbacks = Arc::clone(callbacks);
    let attend = move || match attend(conversation, &callbacks) {
        Ok(()) => {}
        Err(error) if callbacks.are_over() => log::debug!("the last callback was not waited for: {error}"),
        Err(error) => log::error!("kafkavisor tells no more of rebalances, and nobody is called: {error}"),
    };
    thread::Builder::new().name("rebalances".to_owned()).spawn(attend).map(drop)
}

fn attend(mut conversation: Conversation, callbacks: &Callbacks) -> io::Result<()> {
    while let Some(line) = conversation.line()? {
        match serde_json::from_str(&line)? {
            Told::Revoking { revoking, id } => {
                callbacks.revoking(&partitions(&revoking));
                conversation.say(&json!({"done": id}))?;
            }
            Told::Assigned { assigned } => callbacks.assigned(&partitions(&assigned)),
            Told::Refused { error } => return Err(io::Error::other(error)),
            Told::Other {} => {}
        }
    }
    Ok(())
}

fn partitions(names: &[String]) -> Vec<TopicPartition> {
    names.iter().filter_map(|name| name.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::os::unix::net::UnixListener;
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_child_waits_until_the_callback_has_returned() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let listener = UnixListener::bind(&socket).unwrap();
        let ((called, calls), (go, may)) = (channel(), channel::<()>());
        let after = called.clone();
        let before = move |partitions: &[TopicPartition]| {
            called.send(format!("before {partitions:?}")).unwrap();
            may.recv().unwrap();
        };
        let after = move |partitions: &[TopicPartition]| after.send(format!("after {partitions:?}")).unwrap();
        let callbacks = Arc::new(Callbacks::new(Some(Box::new(before)), Some(Box::new(after))));
        begin(&socket, std::process::id(), &callbacks).unwrap();

        let (mut child, _) = listener.accept().unwrap();
        let mut heard = BufReader::new(child.try_clone().unwrap()).lines().map(Result::unwrap);
        assert_eq!(heard.next().unwrap(), r#"{"command":"rebalances"}"#);
        child.write_all(b"{\"assigned\":[\"t:0\",\"t:1\"],\"members\":1}\n{\"later\":1}\n").unwrap();
        child.write_all(b"{\"revoking\":[\"t:1\"],\"id\":4,\"within_seconds\":10.0}\n").unwrap();
        let next = || calls.recv_timeout(Duration::from_secs(10)).unwrap();
        assert_eq!((next(), next()), ("after [t:0, t:1]".to_owned(), "before [t:1]".to_owned()));
        child.set_nonblocking(true).unwrap();
        let early = std::io::Read::read(&mut child, &mut [0]).unwrap_err();
        assert_eq!(early.kind(), io::ErrorKind::WouldBlock, "it is not done yet");
        child.set_nonblocking(false).unwrap();
        go.send(()).unwrap();
        assert_eq!(heard.next().unwrap(), r#"{"done":4}"#);
    }
}
