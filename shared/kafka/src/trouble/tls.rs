//! A TLS handshake of our own with a server, to tell apart what others word alike.
//!
//! With TLS 1.3 a server looks at our certificate when the handshake is over for us: what it has against it comes with the first
//! answer. So there is something said and heard before all is well.

use std::io;
use std::io::{Read, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use openssl::ssl::{Error as SslError, HandshakeError, Ssl, SslConnector, SslMethod, SslVerifyMode};
use openssl::x509::{X509, X509VerifyResult};

pub use super::certificates::{FileError, Files, Password, Source};
use super::certificates::{hosts, name, not_before, over_since};
use super::connection::Connection;

/// What is wrong between the two sides of TLS.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsTrouble {
    /// The server's certificate is over.
    #[error("the certificate of {server} has expired ({since})")]
    Expired {
        /// Host and port.
        server: String,
        /// Since then.
        since: String,
    },
    /// ... or not valid yet.
    #[error("the certificate of {server} is not valid before {from}")]
    NotYetValid {
        /// Host and port.
        server: String,
        /// From then on it is.
        from: String,
    },
    /// It is somebody else's.
    #[error("the certificate of {server} is for {}, not for {host}", .names.join(", "))]
    WrongHost {
        /// Host and port.
        server: String,
        /// Who was looked for.
        host: String,
        /// Whom it is for.
        names: Vec<String>,
    },
    /// Nobody that we trust has signed it.
    #[error("the certificate of {server} is signed by {issuer:?}, which is not trusted")]
    UnknownCa {
        /// Host and port.
        server: String,
        /// Who has.
        issuer: String,
    },
    /// Something else about it.
    #[error("the certificate of {server} is refused: {why}")]
    Refused {
        /// Host and port.
        server: String,
        /// OpenSSL's word.
        why: String,
    },
    /// Our certificate is over.
    #[error("our own certificate has expired ({since}), and {server} refuses it")]
    OwnExpired {
        /// Host and port.
        server: String,
        /// Since then.
        since: String,
    },
    /// The server wants a certificate of us, and there is none.
    #[error("{server} wants a client certificate, and none is given")]
    ClientCertificateMissing {
        /// Host and port.
        server: String,
    },
    /// ... and not the one it was shown.
    #[error("{server} refuses our client certificate, which is signed by {issuer:?} ({why})")]
    ClientCertificateRefused {
        /// Host and port.
        server: String,
        /// Who has signed ours.
        issuer: String,
        /// Its alert.
        why: String,
    },
    /// No version or cipher that both have.
    #[error("{server} and we have no way to encrypt in common ({why})")]
    NothingInCommon {
        /// Host and port.
        server: String,
        /// Its alert.
        why: String,
    },
    /// A file of ours.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Which OpenSSL this runs with, librdkafka too: `OpenSSL 3.0.19 ...`.
pub fn openssl_version() -> &'static str {
    openssl::version::version()
}

/// What came of a look.
#[derive(Debug)]
pub enum Sight<T> {
    /// TLS is agreed, and this was heard in it.
    Agreed(T),
    /// Something is wrong with it.
    Trouble(TlsTrouble),
    /// Somebody is there who speaks no TLS: answers otherwise, or goes at once.
    NoTls,
    /// Nobody is there, or does not go on in time.
    NotReached(io::Error),
}

/// An encrypted connection.
pub trait Stream: Read + Write {}
impl<S: Read + Write> Stream for S {}

/// Alerts, by the numbers that TLS gives them.
mod alert {
    /// OpenSSL puts these on top of a reason of its own.
    pub(super) const BASE: i32 = 1000;
    /// About the certificate that was shown: bad, unsupported, revoked, expired, unknown, its authority unknown, refused, wanted.
    pub(super) const CERTIFICATE: &[i32] = &[42, 43, 44, 45, 46, 48, 49, 116];
    /// Handshake failure: no cipher in common, or a certificate was wanted; protocol version, too little security.
    pub(super) const HANDSHAKE_FAILURE: i32 = 40;
    pub(super) const IN_COMMON: &[i32] = &[70, 71];
}

/// Looks at a server: connects, agrees on TLS, and has `talk` say and hear something, all before `until`.
pub fn look<T>(
    (host, port): (&str, u16),
    files: &Files,
    until: Instant,
    talk: impl FnOnce(&mut dyn Stream) -> io::Result<T>,
) -> Sight<T> {
    let server = format!("{host}:{port}");
    let seen = Arc::default();
    let ssl = match handshake(host, files, &seen) {
        Ok(ssl) => ssl,
        Err(error) => return Sight::Trouble(error.into()),
    };
    let connection = match Connection::open(host, port, until) {
        Ok(connection) => connection,
        Err(error) => return Sight::NotReached(error),
    };
    let peer = Peer { server: &server, host, files };
    let mut stream = match ssl.connect(connection) {
        Ok(stream) => stream,
        Err(HandshakeError::SetupFailure(error)) => {
            return Sight::NotReached(io::Error::other(error));
        }
        Err(HandshakeError::Failure(at) | HandshakeError::WouldBlock(at)) => {
            let seen = seen.lock().unwrap_or_else(PoisonError::into_inner).take();
            return match seen {
                Some((code, certificate)) => Sight::Trouble(peer.judged(code, &certificate)),
                None if at.get_ref().speaks_tls() => peer.alerted(at.into_error()),
                None => no_tls(at.into_error()),
            };
        }
    };
    match talk(&mut stream) {
        Ok(heard) => Sight::Agreed(heard),
        Err(error) => match error.downcast::<SslError>() {
            Ok(error) => peer.alerted(error),
            Err(error) => Sight::NotReached(error),
        },
    }
}

/// The first thing that was found wrong with a certificate, and which one.
type Seen = Arc<Mutex<Option<(X509VerifyResult, X509)>>>;

fn handshake(host: &str, files: &Files, seen: &Seen) -> Result<Ssl, FileError> {
    let setup = |error: openssl::error::ErrorStack| FileError::Malformed {
        what: "what is wanted of TLS".to_owned(),
        why: super::certificates::said(&error),
    };
    let mut builder = SslConnector::builder(SslMethod::tls()).map_err(setup)?;
    files.apply(&mut builder)?;
    let mut configuration = builder.build().configure().map_err(setup)?;
    configuration.set_verify_hostname(!files.any_host && !files.unverified);
    if files.unverified {
        configuration.set_verify(SslVerifyMode::NONE);
    } else {
        let seen = Arc::clone(seen);
        configuration.set_verify_callback(SslVerifyMode::PEER, move |fine, context| {
            if !fine && let Some(certificate) = context.current_cert() {
                let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                seen.get_or_insert((context.error(), certificate.to_owned()));
            }
            fine
        });
    }
    configuration.into_ssl(host).map_err(setup)
}

/// Whoever was there said nothing in TLS: it went, or it speaks something else. What only came too late says nothing.
fn no_tls<T>(error: SslError) -> Sight<T> {
    match error.into_io_error() {
        Ok(error)
            if error.kind() != io::ErrorKind::UnexpectedEof
                && error.kind() != io::ErrorKind::ConnectionReset =>
        {
            Sight::NotReached(error)
        }
        Ok(_) | Err(_) => Sight::NoTls,
    }
}

struct Peer<'a> {
    server: &'a str,
    host: &'a str,
    files: &'a Files,
}

impl Peer<'_> {
    /// What we have against the server's certificate.
    fn judged(&self, result: X509VerifyResult, certificate: &X509) -> TlsTrouble {
        let server = self.server.to_owned();
        // X509_V_ERR_…, which the crate does not name.
        match result.as_raw() {
            9 => TlsTrouble::NotYetValid { server, from: not_before(certificate) },
            10 => TlsTrouble::Expired { server, since: certificate.not_after().to_string() },
            62 | 64 => {
                TlsTrouble::WrongHost { server, host: self.host.to_owned(), names: hosts(certificate) }
            }
            2 | 18..=21 => TlsTrouble::UnknownCa { server, issuer: name(certificate.issuer_name()) },
            _ => TlsTrouble::Refused { server, why: result.error_string().to_owned() },
        }
    }

    /// What the server has against us.
    fn alerted<T>(&self, error: SslError) -> Sight<T> {
        let reason = error.ssl_error().and_then(|stack| {
            let last = stack.errors().last()?;
            Some((last.reason_code() - alert::BASE, last.reason().unwrap_or_default().to_owned()))
        });
        match reason {
            Some((code, why)) if alert::CERTIFICATE.contains(&code) => Sight::Trouble(self.ours(why)),
            // A server of TLS 1.2 words a missing certificate so, too: but it is looked at only when it has been asked for.
            Some((code, why)) if alert::IN_COMMON.contains(&code) || code == alert::HANDSHAKE_FAILURE => {
                let server = self.server.to_owned();
                Sight::Trouble(TlsTrouble::NothingInCommon { server, why })
            }
            Some((_, why)) => Sight::NotReached(io::Error::other(why)),
            None => Sight::NotReached(error.into_io_error().unwrap_or_else(io::Error::other)),
        }
    }

    fn ours(&self, why: String) -> TlsTrouble {
        let server = self.server.to_owned();
        match self.files.own() {
            Ok(None) => TlsTrouble::ClientCertificateMissing { server },
            Ok(Some(certificate)) => match over_since(&certificate) {
                Some(since) => TlsTrouble::OwnExpired { server, since },
                None => TlsTrouble::ClientCertificateRefused {
                    server,
                    issuer: name(certificate.issuer_name()),
                    why,
                },
            },
            Err(error) => error.into(),
        }
    }
}
