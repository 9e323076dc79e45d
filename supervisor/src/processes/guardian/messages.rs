//! What supervisor and guardian say to each other: a JSON object a packet, with at most one descriptor beside it.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use kafkavisor_link::process::{Exit, Stray};
use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// No packet is longer: a topic's name has 249 characters at most, and names of what is left are cut.
const LONGEST: usize = 16 * 1024;

/// To the guardian. Each but the first is answered by one report.
#[derive(Debug, Serialize, serde::Deserialize)]
pub(super) enum Request {
    /// Comes with the worker's binary.
    Binary,
    /// Comes with the worker's end of its socket. These environment variables are not passed on to the worker.
    Spawn { ticket: u64, name: String, without: Vec<String> },
    /// A signal for this worker and its group.
    Signal { pid: i32, signal: i32 },
}

/// What a worker has left, and nobody here may kill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
pub(crate) struct Left {
    pub(crate) pid: i32,
    /// What an operator can find it by.
    pub(crate) name: String,
}

impl Left {
    pub(crate) fn of(stray: Stray) -> Self {
        Self { pid: stray.pid.as_raw(), name: stray.describe() }
    }
}

/// From the guardian.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
pub(crate) enum Report {
    /// The answer to a request to spawn.
    Spawned { ticket: u64, pid: i32 },
    /// The other one.
    Failed { ticket: u64, error: String },
    /// The answer to a request for a signal, whether there was anybody left to get it.
    Signalled,
    /// A worker is reaped, and so is all that it has left, but what is named here: that could not be killed.
    Ended { pid: i32, exit: Exit, left: Vec<Left> },
    /// What was named so has ended after all.
    LeftEnded { pid: i32 },
}

/// Sends at once or not at all.
pub(super) fn send(
    socket: BorrowedFd<'_>,
    message: &impl Serialize,
    descriptor: Option<BorrowedFd<'_>>,
) -> nix::Result<()> {
    let bytes = serde_json::to_vec(message).map_err(|_| Errno::EINVAL)?;
    let raw: Vec<RawFd> = descriptor.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&raw)];
    let rights = if raw.is_empty() { &[] } else { rights.as_slice() };
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
    sendmsg::<()>(socket.as_raw_fd(), &[IoSlice::new(&bytes)], rights, flags, None).map(drop)
}

/// The next message, and its descriptor; none when the other end is gone. Never waits.
pub(super) fn receive<T: DeserializeOwned>(socket: impl AsFd) -> nix::Result<Option<(T, Option<OwnedFd>)>> {
    let mut bytes = vec![0; LONGEST];
    let mut space = nix::cmsg_space!([RawFd; 1]);
    let mut slices = [IoSliceMut::new(&mut bytes)];
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC;
    let received = recvmsg::<()>(socket.as_fd().as_raw_fd(), &mut slices, Some(&mut space), flags)?;
    let mut descriptor = None;
    for message in received.cmsgs()? {
        if let ControlMessageOwned::ScmRights(rights) = message {
            descriptor = rights.into_iter().map(own).next_back();
        }
    }
    let count = received.bytes;
    if count == 0 {
        return Ok(None);
    }
    let message =
        serde_json::from_slice(bytes.get(..count).unwrap_or_default()).map_err(|_| Errno::EBADMSG)?;
    Ok(Some((message, descriptor)))
}

#[expect(unsafe_code, reason = "a descriptor that came over a socket comes as a number")]
fn own(raw: RawFd) -> OwnedFd {
    use std::os::fd::FromRawFd;
    // SAFETY: the kernel has made `raw` for us a moment ago and nobody else knows of it.
    unsafe { OwnedFd::from_raw_fd(raw) }
}
