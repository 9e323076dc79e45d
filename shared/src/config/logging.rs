//! What an operator sees of an instance: `admin` and `log`.

use std::path::PathBuf;

use log::LevelFilter;
use serde::{Deserialize, Serialize};

use super::address::{InvalidAddress, host_port};
use super::errors::Problems;
use super::reader::Section;

/// The longest path that a socket's address holds on Linux, in bytes.
pub const MAX_SOCKET_PATH: usize = 107;

const LEVELS: &[(&str, LevelFilter)] = &[
    ("off", LevelFilter::Off),
    ("error", LevelFilter::Error),
    ("warn", LevelFilter::Warn),
    ("info", LevelFilter::Info),
    ("debug", LevelFilter::Debug),
    ("trace", LevelFilter::Trace),
];
pub(super) const FORMATS: &[(&str, LogFormat)] =
    &[("text", LogFormat::Text), ("json", LogFormat::Json), ("journald", LogFormat::Journald)];

/// Where an instance answers commands, and shows what it does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admin {
    /// The control socket; by default in the instance's runtime directory.
    pub socket: Option<PathBuf>,
    /// Where it is served over HTTP, `HOST:PORT`; port 0 is chosen by the system. Nowhere by default.
    pub http: Option<String>,
    /// Names, besides this host's, under which it may be asked there.
    pub hosts: Vec<String>,
    /// Keys, stderr and error texts are shown there beyond loopback too.
    pub details: bool,
}

/// The log of supervisor, workers and handlers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Log {
    /// The least important that is written.
    pub level: LevelFilter,
    /// How a line looks.
    pub format: LogFormat,
}

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
    /// To systemd's journal, with fields of their own.
    Journald,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: LevelFilter::Info, format: LogFormat::Text }
    }
}

pub(super) fn read_admin(root: &Section<'_>, p: &mut Problems) -> Admin {
    let section = root.section("admin", &["http", "socket", "hosts", "details"], p);
    Admin {
        socket: section.get("socket").and_then(|field| field.parsed("a path", socket_path, p)),
        http: section.get("http").and_then(|field| field.parsed("HOST:PORT", http_address, p)),
        hosts: read_hosts(&section, p),
        details: section.boolean("details", false, p),
    }
}

fn read_hosts(section: &Section<'_>, p: &mut Problems) -> Vec<String> {
    let hosts = section.get("hosts").and_then(|field| field.list("host names", p)).unwrap_or_default();
    hosts.iter().filter_map(|field| field.parsed("a host name", host_name, p)).collect()
}

/// A host's name, without a port: whoever asks may come by any.
fn host_name(text: &str) -> Result<String, InvalidAddress> {
    host_port(&format!("{text}:1")).map(|_| text.to_owned())
}

pub(super) fn read_log(root: &Section<'_>, p: &mut Problems) -> Log {
    let section = root.section("log", &["level", "format"], p);
    let default = Log::default();
    Log {
        level: section.choice("level", LEVELS, default.level, p),
        format: section.choice("format", FORMATS, default.format, p),
    }
}

/// An address to listen on; port 0 is chosen by the system.
pub(super) fn http_address(text: &str) -> Result<String, InvalidAddress> {
    let checked = match text.strip_suffix(":0") {
        Some(host) => host_port(&format!("{host}:1")).map(|_| text.to_owned()),
        None => host_port(text),
    };
    checked.map_err(|error| match error {
        InvalidAddress::Port { given } => InvalidAddress::PortToListen { given },
        other @ (InvalidAddress::PortToListen { .. }
        | InvalidAddress::Empty
        | InvalidAddress::Host { .. }
        | InvalidAddress::Twice { .. }
        | InvalidAddress::Path { .. }) => other,
    })
}

fn socket_path(text: &str) -> Result<PathBuf, String> {
    if !text.starts_with('/') {
        return Err(format!(
            "expected a path that begins with '/', found {:?}",
            super::document::shown(text)
        ));
    }
    if text.len() > MAX_SOCKET_PATH || text.contains('\0') {
        return Err(format!("a socket's path has at most {MAX_SOCKET_PATH} bytes and no NUL; shorten it"));
    }
    Ok(PathBuf::from(text))
}
