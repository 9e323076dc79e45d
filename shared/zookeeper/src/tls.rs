//! The files that TLS takes, read whenever a session is opened.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use zookeeper_client::TlsOptions;

use crate::trouble::Trouble;

/// Where systems keep the certificates of the CAs that they trust, one file of them all.
const SYSTEM: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];
/// Names another such file, as for OpenSSL.
const SYSTEM_VARIABLE: &str = "SSL_CERT_FILE";

/// Each PEM; relative paths are the working directory's.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TlsFiles {
    /// The certificates of those who may have signed ZooKeeper's; none: the system's.
    pub ca: Option<PathBuf>,
    /// Our certificate, and those between it and a CA.
    pub certificate: Option<PathBuf>,
    /// Our certificate's key.
    pub key: Option<PathBuf>,
}

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`cluster.zookeeper_tls.{key}`: {} {what}", .path.display())]
pub struct FileError {
    /// Of `cluster.zookeeper_tls`.
    pub key: &'static str,
    /// Which.
    pub path: PathBuf,
    /// What is wrong with it, and what to do.
    pub what: String,
}

/// What the files hold.
struct Contents {
    ca: (PathBuf, String),
    identity: Option<[(PathBuf, String); 2]>,
}

impl TlsFiles {
    /// Whether they can be used, as far as they themselves say.
    pub fn check(&self) -> Result<(), FileError> {
        self.client_config().map(drop)
    }

    /// What is wrong with them is said here; ZooKeeper's client would say less.
    pub(crate) fn options(&self, servers: &str) -> Result<TlsOptions, Trouble> {
        // It takes the process's, and there may be several to choose from.
        if CryptoProvider::get_default().is_none() {
            // Somebody else was faster.
            aws_lc_rs::default_provider().install_default().unwrap_or_default();
        }
        for (host, _) in crate::look::addresses(servers) {
            server_name(&host)?;
        }
        let contents = self.read()?;
        contents.client_config()?;
        contents.options().map_err(|error| {
            // It was looked at before: what is left has no name.
            Trouble::Tls { server: servers.to_owned(), why: error.to_string() }
        })
    }

    pub(crate) fn client_config(&self) -> Result<Arc<ClientConfig>, FileError> {
        self.read()?.client_config()
    }

    /// Where CAs are looked for.
    pub(crate) fn ca(&self) -> PathBuf {
        let system = || {
            let named = std::env::var_os(SYSTEM_VARIABLE).map(PathBuf::from);
            let usual = || SYSTEM.iter().map(PathBuf::from).find(|path| path.exists());
            named
                .or_else(usual)
                .unwrap_or_else(|| SYSTEM.iter().map(PathBuf::from).next().unwrap_or_default())
        };
        self.ca.clone().unwrap_or_else(system)
    }

    fn read(&self) -> Result<Contents, FileError> {
        let ca = self.ca();
        let ca = (ca.clone(), read("ca", &ca)?);
        let identity = match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => Some([
                (certificate.clone(), read("certificate", certificate)?),
                (key.clone(), read("key", key)?),
            ]),
            _ => None,
        };
        Ok(Contents { ca, identity })
    }
}

impl Contents {
    fn options(&self) -> Result<TlsOptions, zookeeper_client::Error> {
        let options = TlsOptions::new().with_pem_ca(&self.ca.1)?;
        match &self.identity {
            Some([(_, certificate), (_, key)]) => options.with_pem_identity(certificate, key),
            None => Ok(options),
        }
    }

    fn client_config(&self) -> Result<Arc<ClientConfig>, FileError> {
        let (path, text) = &self.ca;
        let mut roots = RootCertStore::empty();
        let (taken, _) = roots.add_parsable_certificates(certificates("ca", path, text)?);
        if taken == 0 {
            return Err(wrong("ca", path, "holds no CA's certificate that can be used"));
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong("ca", path, error.to_string()))?
            .with_root_certificates(roots);
        let Some([(path, text), (key_path, key_text)]) = &self.identity else {
            return Ok(Arc::new(builder.with_no_client_auth()));
        };
        let chain = certificates("certificate", path, text)?;
        let key = private_key(key_path, key_text)?;
        builder.with_client_auth_cert(chain, key).map(Arc::new).map_err(|error| {
            let what = if matches!(error, rustls::Error::InconsistentKeys(_)) {
                let certificate = path.display();
                format!(
                    "is not the key of the certificate in {certificate}: name the two that belong together"
                )
            } else {
                format!("can't be used: {error}")
            };
            wrong("key", key_path, what)
        })
    }
}

/// As certificates name hosts.
pub(crate) fn server_name(host: &str) -> Result<ServerName<'static>, Trouble> {
    let name = ServerName::try_from(host).map_err(|_| Trouble::Host { host: host.to_owned() })?;
    Ok(name.to_owned())
}

fn wrong(key: &'static str, path: &Path, what: impl Into<String>) -> FileError {
    FileError { key, path: path.to_owned(), what: what.into() }
}

fn read(key: &'static str, path: &Path) -> Result<String, FileError> {
    let bytes = std::fs::read(path).map_err(|error| {
        wrong(key, path, format!("can't be read: {error}: check the path and its permissions"))
    })?;
    String::from_utf8(bytes).map_err(|_| wrong(key, path, "is not PEM, which is text: convert it"))
}

fn certificates(
    key: &'static str,
    path: &Path,
    text: &str,
) -> Result<Vec<CertificateDer<'static>>, FileError> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    match all {
        Ok(all) if !all.is_empty() => Ok(all),
        Ok(_) => {
            Err(wrong(key, path, "holds no certificate in PEM (BEGIN CERTIFICATE): is it the right file?"))
        }
        Err(error) => Err(wrong(key, path, format!("is not PEM as it should be: {error}"))),
    }
}

fn private_key(path: &Path, text: &str) -> Result<PrivateKeyDer<'static>, FileError> {
    if text.contains("ENCRYPTED") {
        let what = "is behind a pass phrase, which can't be given for ZooKeeper: name a file with the key as it is, readable by \
                    this user alone (openssl pkey -in ENCRYPTED -out PLAIN)";
        return Err(wrong("key", path, what));
    }
    PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|_| {
        wrong("key", path, "holds no private key in PEM (BEGIN PRIVATE KEY): is it the right file?")
    })
}
