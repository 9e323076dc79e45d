//! TCP to a server: every step of it before a deadline.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use kafkavisor_types::clock::now;

/// An open connection, which remembers how the other side began.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    until: Instant,
    first: Vec<u8>,
}

/// A record of TLS begins with its kind, an alert or a handshake, and 3 for the version.
const TLS_KINDS: std::ops::RangeInclusive<u8> = 21..=22;
const TLS_VERSION: u8 = 3;

impl Connection {
    /// Connects to the first address of the host that answers. Looking up the name itself has the system's deadlines alone.
    pub(super) fn open(host: &str, port: u16, until: Instant) -> io::Result<Self> {
        let mut last = io::Error::new(ErrorKind::NotFound, "the name has no address");
        for address in (host, port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, left(until)?) {
                Ok(stream) => {
                    // What is said is short, and waits for an answer.
                    stream.set_nodelay(true)?;
                    return Ok(Self { stream, until, first: Vec::new() });
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Whether what the other side said is TLS.
    pub(super) fn speaks_tls(&self) -> bool {
        matches!(self.first.as_slice(), [kind, version, ..] if TLS_KINDS.contains(kind) && *version == TLS_VERSION)
    }
}

/// What is left until then; an error when nothing is.
fn left(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(now());
    if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
}

impl Read for Connection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(left(self.until)?))?;
        let count = self.stream.read(buffer)?;
        let wanted = 2usize.saturating_sub(self.first.len());
        self.first.extend(buffer.iter().take(count.min(wanted)));
        Ok(count)
    }
}

impl Write for Connection {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(left(self.until)?))?;
        self.stream.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}
