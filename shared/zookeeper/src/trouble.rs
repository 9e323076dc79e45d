//! What is wrong with certificates and authentication at ZooKeeper, each by its own name, with the key to look at.

use crate::tls::FileError;

/// See the module. `server` is a host with its port.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// A file of `cluster.zookeeper_tls`.
    #[error(transparent)]
    File(#[from] FileError),
    /// The server can't be one that a certificate is made for.
    #[error(
        "{host:?} can't be in a certificate, so that ZooKeeper can't be spoken to over TLS there: correct `cluster.zookeeper`"
    )]
    Host {
        /// As named.
        host: String,
    },
    /// TLS is spoken to a port for plain text.
    #[error(
        "ZooKeeper at {server} does not speak TLS on that port: name its secure port (secureClientPort) in `cluster.zookeeper`, \
         or remove `cluster.zookeeper_tls`"
    )]
    PlainPort {
        /// Which.
        server: String,
    },
    /// Plain text is spoken to a port for TLS.
    #[error(
        "ZooKeeper at {server} speaks TLS on that port: set `cluster.zookeeper_tls`, or name its plain port in `cluster.zookeeper`"
    )]
    TlsPort {
        /// Which.
        server: String,
    },
    /// Nobody that we trust has signed the server's certificate.
    #[error(
        "the certificate of ZooKeeper at {server} is signed by a CA that is not in {ca}: name the file of its CA in \
         `cluster.zookeeper_tls.ca`"
    )]
    UnknownCa {
        /// Whose.
        server: String,
        /// Where CAs were looked for.
        ca: String,
    },
    /// The server's certificate is over.
    #[error(
        "the certificate of ZooKeeper at {server} has expired: have it renewed there (if it has not, this host's clock is wrong)"
    )]
    Expired {
        /// Whose.
        server: String,
    },
    /// The server's certificate has not begun.
    #[error(
        "the certificate of ZooKeeper at {server} is not valid yet: look at this host's clock, and at the certificate's dates"
    )]
    NotYetValid {
        /// Whose.
        server: String,
    },
    /// The server's certificate is somebody else's.
    #[error(
        "the certificate of ZooKeeper at {server} is not for that host{names}: name the server in `cluster.zookeeper` as its \
         certificate does, or have the name added to it"
    )]
    WrongHost {
        /// Whose.
        server: String,
        /// For whom it is, with a comma before, where that is known.
        names: String,
    },
    /// The server wants a certificate of us, and we have none.
    #[error(
        "ZooKeeper at {server} wants a client certificate: set `cluster.zookeeper_tls.certificate` and `.key`"
    )]
    ClientCertificateMissing {
        /// Who.
        server: String,
    },
    /// The server does not take our certificate.
    #[error(
        "ZooKeeper at {server} refuses our client certificate ({why}): look at `cluster.zookeeper_tls.certificate`: has it expired, \
         and is it signed by a CA that ZooKeeper trusts?"
    )]
    ClientCertificateRefused {
        /// Who.
        server: String,
        /// What it says.
        why: String,
    },
    /// Anything else about TLS.
    #[error(
        "TLS with ZooKeeper at {server} fails: {why}: look at `cluster.zookeeper_tls`, and at ZooKeeper's log"
    )]
    Tls {
        /// Who.
        server: String,
        /// What TLS says.
        why: String,
    },
    /// It wants to know who we are.
    #[error("ZooKeeper at {servers} wants authentication: set `cluster.zookeeper_auth`")]
    AuthMissing {
        /// Who.
        servers: String,
    },
    /// It does not take what we say about who we are.
    #[error(
        "ZooKeeper at {servers} refuses our authentication by the scheme digest: look at `cluster.zookeeper_auth`, and whether \
         ZooKeeper allows that scheme"
    )]
    AuthRefused {
        /// Who.
        servers: String,
    },
}

impl Trouble {
    /// Whether our configuration must be changed; else it is the server that must be.
    pub fn is_ours(&self) -> bool {
        match self {
            Self::Expired { .. } | Self::NotYetValid { .. } => false,
            Self::File(_)
            | Self::Host { .. }
            | Self::PlainPort { .. }
            | Self::TlsPort { .. }
            | Self::UnknownCa { .. }
            | Self::WrongHost { .. }
            | Self::ClientCertificateMissing { .. }
            | Self::ClientCertificateRefused { .. }
            | Self::Tls { .. }
            | Self::AuthMissing { .. }
            | Self::AuthRefused { .. } => true,
        }
    }

    pub(crate) fn auth(servers: &str, named: bool) -> Self {
        let servers = servers.to_owned();
        if named { Self::AuthRefused { servers } } else { Self::AuthMissing { servers } }
    }
}
