//! The supervisor's end: asking never waits, and what the guardian reports comes as an event.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use kafkavisor_link::inherited::Birth;
use nix::sys::signal::Signal;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::unistd::Pid;
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::messages::{Report, Request, receive, send};
use crate::processes::secrecy;

type Asked = (Request, Option<OwnedFd>);

/// A guardian that was started. When this is gone, the guardian ends everything below it, and itself.
#[derive(Debug)]
pub(crate) struct Guardian {
    pid: Pid,
    requests: UnboundedSender<Asked>,
}

impl Guardian {
    /// Starts one from our own binary, to start workers from `worker`. `hear` is called with its reports, and with none when
    /// the last one has come.
    pub(crate) fn start(
        ours: &File,
        worker: &File,
        runtime: &Handle,
        hear: impl Fn(Option<Report>) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let (ours_of_it, theirs) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
        // A stream to the runtime, which only waits for it.
        let socket = std::os::unix::net::UnixStream::from(ours_of_it);
        socket.set_nonblocking(true)?;
        let mut command = Command::new(format!("/proc/self/fd/{}", ours.as_raw_fd()));
        command.arg0("kafkavisor-guardian").arg("guardian").process_group(0);
        command.stdin(Stdio::from(theirs)).stdout(Stdio::null());
        secrecy::take_out(&mut command);
        // Our end must not be its own before it has ended the rest; but if it was stopped, it is to go on.
        Birth { at_our_end: Signal::SIGCONT, leaves_signals: true, descriptors: None }.of(&mut command);
        let (requests, asked) = unbounded_channel();
        let _asked_at_once = requests.send((Request::Binary, Some(worker.as_fd().try_clone_to_owned()?)));
        let child = command.spawn()?;
        let pid = Pid::from_raw(i32::try_from(child.id()).map_err(io::Error::other)?);
        runtime.spawn(converse(socket, asked, hear));
        Ok(Self { pid, requests })
    }

    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// Asks for a worker named `name`, whose standard input is `stdin`, and which does not get the environment variables `without`.
    pub(crate) fn spawn(&self, ticket: u64, name: String, stdin: OwnedFd, without: Vec<String>) {
        self.ask((Request::Spawn { ticket, name, without }, Some(stdin)));
    }

    /// Asks for a signal to the worker `pid` and its group.
    pub(crate) fn signal(&self, pid: Pid, signal: Signal) {
        self.ask((Request::Signal { pid: pid.as_raw(), signal: signal as i32 }, None));
    }

    fn ask(&self, asked: Asked) {
        // One that is gone answers nothing; its end is on the way.
        let _gone = self.requests.send(asked);
    }
}

async fn converse(
    socket: std::os::unix::net::UnixStream,
    mut asked: UnboundedReceiver<Asked>,
    hear: impl Fn(Option<Report>) + Send + Sync,
) {
    if let Ok(socket) = UnixStream::from_std(socket) {
        let ask = async {
            while let Some((request, descriptor)) = asked.recv().await {
                let descriptor = descriptor.as_ref().map(AsFd::as_fd);
                let sent =
                    socket.async_io(Interest::WRITABLE, || Ok(send(socket.as_fd(), &request, descriptor)?));
                if sent.await.is_err() {
                    // It is gone. What it had said before is still to be heard.
                    std::future::pending::<()>().await;
                }
            }
        };
        let listen = async {
            while let Ok(Some((report, _))) =
                socket.async_io(Interest::READABLE, || Ok(receive::<Report>(&socket)?)).await
            {
                hear(Some(report));
            }
        };
        tokio::select! {
            () = ask => {}
            () = listen => {}
        }
    }
    hear(None);
}
