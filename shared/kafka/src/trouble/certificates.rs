//! The files that a side of TLS shows and trusts, as OpenSSL wants them.

use std::fmt::Debug;
use std::path::{Path, PathBuf};

use openssl::asn1::{Asn1Time, Asn1TimeRef};
use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::pkcs12::Pkcs12;
use openssl::pkey::{PKey, Private};
use openssl::ssl::SslConnectorBuilder;
use openssl::ssl::SslFiletype;
use openssl::stack::Stack;
use openssl::x509::store::{X509Lookup, X509StoreBuilder};
use openssl::x509::{X509, X509NameRef, X509Ref};

/// Where something is written: in a file, or here.
#[derive(Clone, PartialEq, Eq)]
pub enum Source {
    /// A file, or a folder of authorities by the hashes of their names.
    At(PathBuf),
    /// The text itself, PEM.
    Pem(String),
}

impl Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::At(path) => write!(f, "{}", path.display()),
            Self::Pem(_) => f.write_str("(in place)"),
        }
    }
}

/// What is shown and trusted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files {
    /// Whom to trust; none: whom the system trusts.
    pub ca: Option<Source>,
    /// Our certificate and what leads from it to an authority.
    pub certificate: Option<Source>,
    /// Its key.
    pub key: Option<Source>,
    /// Certificate and key in one file, PKCS #12.
    pub keystore: Option<PathBuf>,
    /// What the key or the keystore is encrypted with.
    pub password: Option<Password>,
    /// The server's certificate is not looked at.
    pub unverified: bool,
    /// ... but for its names.
    pub any_host: bool,
}

/// A secret, which nothing prints.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Password(pub String);

impl Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// What can't be read or understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// The system's word.
    #[error("{path}: {why}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why not.
        why: String,
    },
    /// OpenSSL's word.
    #[error("{what} is not understood: {why}")]
    Malformed {
        /// The file, or which text.
        what: String,
        /// Why not.
        why: String,
    },
}

impl Files {
    /// Sets up a handshake with them.
    pub(super) fn apply(&self, builder: &mut SslConnectorBuilder) -> Result<(), FileError> {
        if let Some(ca) = &self.ca {
            trust(builder, ca)?;
        }
        let Some((certificates, key)) = self.identity()? else { return Ok(()) };
        let set = |builder: &mut SslConnectorBuilder| {
            let mut certificates = certificates.iter();
            if let Some(own) = certificates.next() {
                builder.set_certificate(own)?;
            }
            for other in certificates {
                builder.add_extra_chain_cert(other.clone())?;
            }
            if let Some(key) = &key {
                builder.set_private_key(key)?;
            }
            Ok::<_, ErrorStack>(())
        };
        let what =
            self.certificate.as_ref().map_or_else(|| "our certificate".to_owned(), |c| format!("{c:?}"));
        set(builder).map_err(|error| FileError::Malformed { what, why: said(&error) })
    }

    /// Our certificate, with those that lead to an authority; none where we show none.
    pub(super) fn own(&self) -> Result<Option<X509>, FileError> {
        Ok(self.identity()?.and_then(|(certificates, _)| certificates.into_iter().next()))
    }

    #[expect(clippy::type_complexity, reason = "used here alone")]
    fn identity(&self) -> Result<Option<(Vec<X509>, Option<PKey<Private>>)>, FileError> {
        let password = self.password.as_ref().map_or("", |password| password.0.as_str());
        if let Some(path) = &self.keystore {
            let source = Source::At(path.clone());
            let open = |bytes: &[u8]| Pkcs12::from_der(bytes)?.parse2(password);
            let parsed = open(&read(&source)?).map_err(|error| malformed(&source, &error))?;
            let others = parsed.ca.into_iter().flat_map(Stack::into_iter);
            return Ok(Some((parsed.cert.into_iter().chain(others).collect(), parsed.pkey)));
        }
        let Some(source) = &self.certificate else { return Ok(None) };
        let certificates = X509::stack_from_pem(&read(source)?).map_err(|error| malformed(source, &error))?;
        let key = self.key.as_ref().map(|source| {
            PKey::private_key_from_pem_passphrase(&read(source)?, password.as_bytes())
                .map_err(|error| malformed(source, &error))
        });
        Ok(Some((certificates, key.transpose()?)))
    }
}

fn trust(builder: &mut SslConnectorBuilder, ca: &Source) -> Result<(), FileError> {
    let failed = |error: ErrorStack| malformed(ca, &error);
    let mut store = X509StoreBuilder::new().map_err(failed)?;
    match ca {
        Source::At(path) if path.is_dir() => {
            let folder = store.add_lookup(X509Lookup::hash_dir()).map_err(failed)?;
            folder.add_dir(&path.to_string_lossy(), SslFiletype::PEM).map_err(failed)?;
        }
        Source::At(_) | Source::Pem(_) => {
            for certificate in X509::stack_from_pem(&read(ca)?).map_err(failed)? {
                store.add_cert(certificate).map_err(failed)?;
            }
        }
    }
    builder.set_cert_store(store.build());
    Ok(())
}

pub(super) fn read(source: &Source) -> Result<Vec<u8>, FileError> {
    match source {
        Source::At(path) => std::fs::read(path).map_err(|error| unreadable(path, &error)),
        Source::Pem(text) => Ok(text.as_bytes().to_vec()),
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> FileError {
    FileError::Unreadable { path: path.display().to_string(), why: error.to_string() }
}

fn malformed(source: &Source, error: &ErrorStack) -> FileError {
    FileError::Malformed { what: format!("{source:?}"), why: said(error) }
}

/// OpenSSL's last word, without its numbers.
pub(super) fn said(error: &ErrorStack) -> String {
    error.errors().last().and_then(openssl::error::Error::reason).unwrap_or("OpenSSL says no more").to_owned()
}

/// Whether it is over, and since when.
pub(super) fn over_since(certificate: &X509Ref) -> Option<String> {
    let until = certificate.not_after();
    is_past(until).then(|| until.to_string())
}

/// ... or not yet valid, and until when not.
pub(super) fn not_before(certificate: &X509Ref) -> String {
    certificate.not_before().to_string()
}

fn is_past(time: &Asn1TimeRef) -> bool {
    Asn1Time::days_from_now(0).is_ok_and(|now| *time < now)
}

/// Who it is for, or who signed it, in short.
pub(super) fn name(of: &X509NameRef) -> String {
    let common = of.entries_by_nid(Nid::COMMONNAME).next().or_else(|| of.entries().last());
    common.and_then(|entry| entry.data().to_string().ok()).unwrap_or_default()
}

/// The hosts it is for.
pub(super) fn hosts(certificate: &X509Ref) -> Vec<String> {
    let names = certificate.subject_alt_names();
    let mut hosts: Vec<_> = names
        .into_iter()
        .flatten()
        .filter_map(|alternative| {
            let address = |bytes: &[u8]| match *bytes {
                [a, b, c, d] => Some(std::net::Ipv4Addr::new(a, b, c, d).to_string()),
                _ => Some(std::net::Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).to_string()),
            };
            alternative.dnsname().map(str::to_owned).or_else(|| alternative.ipaddress().and_then(address))
        })
        .collect();
    if hosts.is_empty() {
        hosts.push(name(certificate.subject_name()));
    }
    hosts
}
