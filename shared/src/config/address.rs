//! Addresses of servers, checked for their shape only; nothing is looked up.

use std::collections::HashSet;
use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::document::shown;

/// A ZooKeeper ensemble: `zk1:2181,zk2:2181/kafka`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ZookeeperAddress {
    /// The servers, each `host:port`; at least one, none twice.
    pub servers: Vec<String>,
    /// The folder that is the root for us: empty, or such as `/kafka`.
    pub chroot: String,
}

/// An address that can't be used, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAddress {
    /// No server named.
    #[error("no server named; write HOST:PORT, several with commas")]
    Empty,
    /// No port, or none that is a number from 1 to 65535.
    #[error("{given:?} has no port from 1 to 65535; write HOST:PORT")]
    Port {
        /// The part as given.
        given: String,
    },
    /// The same where one listens: the system may choose.
    #[error("{given:?} has no port from 0 (the system chooses) to 65535; write HOST:PORT")]
    PortToListen {
        /// The part as given.
        given: String,
    },
    /// A host name with a character it can't have; an IPv6 address without brackets.
    #[error(
        "{given:?} is no HOST:PORT; a host name has letters, digits, '.', '-' and '_', an IPv6 address stands in brackets"
    )]
    Host {
        /// The part as given.
        given: String,
    },
    /// The same server twice.
    #[error("{given:?} is listed twice; keep one")]
    Twice {
        /// The part as given.
        given: String,
    },
    /// A path in ZooKeeper of another shape.
    #[error(
        "{given:?} is no path in ZooKeeper; write one such as /kafka: no empty, '.' or '..' part, no space, no '/' at its end"
    )]
    Path {
        /// The path as given.
        given: String,
    },
}

impl FromStr for ZookeeperAddress {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let (servers, chroot) = match text.find('/') {
            Some(at) => text.split_at(at),
            None => (text, ""),
        };
        let chroot = if chroot == "/" { "" } else { chroot };
        if !chroot.is_empty() {
            zookeeper_path(chroot)?;
        }
        Ok(Self { servers: comma_separated(servers)?, chroot: chroot.to_owned() })
    }
}

impl fmt::Display for ZookeeperAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.servers.join(","), self.chroot)
    }
}

impl TryFrom<String> for ZookeeperAddress {
    type Error = InvalidAddress;
    fn try_from(text: String) -> Result<Self, InvalidAddress> {
        text.parse()
    }
}

impl From<ZookeeperAddress> for String {
    fn from(address: ZookeeperAddress) -> String {
        address.to_string()
    }
}

/// Checks an absolute path in ZooKeeper.
pub(super) fn zookeeper_path(path: &str) -> Result<(), InvalidAddress> {
    let wrong = |part: &str| {
        part.is_empty()
            || part == "."
            || part == ".."
            || part.contains(|c: char| c.is_control() || c.is_whitespace() || c == ',')
    };
    match path.strip_prefix('/') {
        Some(rest) if !rest.split('/').any(wrong) => Ok(()),
        _ => Err(InvalidAddress::Path { given: shown(path).into_owned() }),
    }
}

/// Checks `HOST:PORT`.
pub(crate) fn host_port(text: &str) -> Result<String, InvalidAddress> {
    let given = || shown(text).into_owned();
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port),
        _ if is_host(text) => return Err(InvalidAddress::Port { given: given() }),
        _ => return Err(InvalidAddress::Host { given: given() }),
    };
    if !is_host(host) {
        return Err(InvalidAddress::Host { given: given() });
    }
    let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    match port.parse::<u16>() {
        Ok(1..) if digits => Ok(text.to_owned()),
        _ => Err(InvalidAddress::Port { given: given() }),
    }
}

/// Whether this has the shape of a host's name or address; an IPv6 address stands in brackets.
pub(crate) fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return address.parse::<Ipv6Addr>().is_ok();
    }
    !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
}

/// Reads `HOST:PORT,HOST:PORT`, none twice.
pub fn comma_separated(text: &str) -> Result<Vec<String>, InvalidAddress> {
    if text.trim().is_empty() {
        return Err(InvalidAddress::Empty);
    }
    let mut seen = HashSet::new();
    let parts = text.split(',').map(str::trim);
    parts.map(|part| if seen.insert(part) { host_port(part) } else { Err(twice(part)) }).collect()
}

pub(super) fn twice(server: &str) -> InvalidAddress {
    InvalidAddress::Twice { given: shown(server).into_owned() }
}
