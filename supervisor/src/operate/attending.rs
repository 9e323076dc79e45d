//! A conversation with one who attends the rebalances: what the loop tells goes out as it comes, and each `done` goes in.

use std::io::{self, BufRead, BufReader, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crossbeam_channel::{Receiver, Sender, unbounded};
use kafkavisor_link::control::{Done, Rebalance};

/// Longest answer, in bytes.
const MAX_ANSWER: u64 = 1024;

/// Who attends, by the number of the conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Attendant(pub(crate) u64);

/// What the loop hears of them.
#[derive(Debug)]
pub(crate) enum Attending {
    /// One has come, and is told here.
    Comes { who: Attendant, tell: Sender<Rebalance> },
    /// ... has done what was to be done before.
    Done { who: Attendant, id: u64 },
    /// ... is gone.
    Goes { who: Attendant },
}

/// Until either side ends it.
pub(super) fn attend(stream: &UnixStream, attending: &Sender<Attending>) -> io::Result<()> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let who = Attendant(COUNT.fetch_add(1, Ordering::Relaxed));
    let (tell, told) = unbounded();
    stream.set_read_timeout(None)?;
    if attending.send(Attending::Comes { who, tell }).is_err() {
        return Ok(());
    }
    thread::scope(|scope| {
        // The other one hears of it: the loop lets go of where it is told.
        let goes = move || attending.send(Attending::Goes { who }).unwrap_or_default();
        let listening = thread::Builder::new().name("control".to_owned()).spawn_scoped(scope, move || {
            let over = listen(stream, who, attending);
            goes();
            over
        });
        // Nobody must be waited for who can't be heard.
        let listening = listening.inspect_err(|_| goes())?;
        let said = say(stream, &told);
        // Nobody listens to the rest.
        let _gone_already = stream.shutdown(Shutdown::Both);
        let heard = listening.join().unwrap_or(Ok(()));
        said.and(heard)
    })
}

fn say(mut stream: &UnixStream, told: &Receiver<Rebalance>) -> io::Result<()> {
    for rebalance in told {
        let mut line = serde_json::to_vec(&rebalance)?;
        line.push(b'\n');
        stream.write_all(&line)?;
    }
    Ok(())
}

fn listen(stream: &UnixStream, who: Attendant, attending: &Sender<Attending>) -> io::Result<()> {
    let mut lines = BufReader::new(stream);
    loop {
        let mut line = Vec::new();
        lines.by_ref().take(MAX_ANSWER).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Ok(());
        }
        let Done { done: id } = serde_json::from_slice(&line)?;
        if attending.send(Attending::Done { who, id }).is_err() {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const WITHIN: Duration = Duration::from_secs(10);

    #[test]
    fn what_is_told_goes_out_and_what_is_done_comes_in() {
        let (theirs, ours) = UnixStream::pair().unwrap();
        let (heard_in, heard) = unbounded();
        let conversation = thread::spawn(move || attend(&ours, &heard_in));
        let Attending::Comes { who, tell } = heard.recv_timeout(WITHIN).unwrap() else { panic!("nobody") };
        tell.send(Rebalance::Revoking { revoking: vec!["t:0".to_owned()], id: 3, within_seconds: 1.0 })
            .unwrap();
        let mut line = String::new();
        BufReader::new(&theirs).read_line(&mut line).unwrap();
        assert_eq!(line, "{\"revoking\":[\"t:0\"],\"id\":3,\"within_seconds\":1.0}\n");
        (&theirs).write_all(b"{\"done\":3}\n").unwrap();
        let done = heard.recv_timeout(WITHIN).unwrap();
        assert!(matches!(done, Attending::Done { who: one, id: 3 } if one == who), "{done:?}");
        drop(theirs);
        let gone = heard.recv_timeout(WITHIN).unwrap();
        assert!(matches!(gone, Attending::Goes { who: one } if one == who), "{gone:?}");
        drop(tell);
        assert!(conversation.join().unwrap().is_ok());
    }

    #[test]
    fn it_ends_when_the_loop_does_and_at_what_is_no_answer() {
        let (theirs, ours) = UnixStream::pair().unwrap();
        let (heard_in, heard) = unbounded();
        let conversation = thread::spawn(move || attend(&ours, &heard_in));
        let Attending::Comes { tell, .. } = heard.recv_timeout(WITHIN).unwrap() else { panic!("nobody") };
        drop(tell);
        conversation.join().unwrap().unwrap();
        assert_eq!((&theirs).read(&mut [0]).unwrap(), 0, "it has been told the end");

        let (theirs, ours) = UnixStream::pair().unwrap();
        let (heard_in, heard) = unbounded();
        let conversation = thread::spawn(move || attend(&ours, &heard_in));
        let Attending::Comes { tell, .. } = heard.recv_timeout(WITHIN).unwrap() else { panic!("nobody") };
        (&theirs).write_all(&[b'x'; 4096]).unwrap();
        assert!(matches!(heard.recv_timeout(WITHIN).unwrap(), Attending::Goes { .. }));
        drop(tell);
        assert!(conversation.join().unwrap().is_err());
    }
}
