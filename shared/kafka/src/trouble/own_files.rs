//! Whether the certificates and keys that properties name can be used, before a client is made of them: what librdkafka says of
//! one that can't names neither the file nor the password.

use std::collections::BTreeMap;
use std::path::Path;

use openssl::error::ErrorStack;
use openssl::pkcs12::Pkcs12;
use openssl::pkey::{PKey, Private};
use openssl::x509::{X509, X509Crl};

use super::certificates::{Source, read, said};

const CERTIFICATE: (&str, &str) = ("ssl.certificate.location", "ssl.certificate.pem");
const KEY_PASSWORD: &str = "ssl.key.password";
const STORE: &str = "ssl.keystore.location";
const STORE_PASSWORD: &str = "ssl.keystore.password";
/// Instead of a file: the system's.
const SYSTEM: &str = "probe";
/// What OpenSSL says where a password is wrong: its library for PKCS #12, and the reason.
const WRONG_PASSWORD: (i32, i32) = (35, 113);

/// A property that can't be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unusable {
    /// Its name.
    pub property: &'static str,
    /// What is wrong, and what to do.
    pub what: String,
}

type Checked<T> = Result<T, Unusable>;

fn unusable<T>(property: &'static str, what: impl Into<String>) -> Checked<T> {
    Err(Unusable { property, what: what.into() })
}

/// Everything that is wrong with them.
pub fn unusable_files(properties: &BTreeMap<String, String>) -> Vec<Unusable> {
    let own = Own(properties);
    let mut wrong: Vec<_> = [("ssl.ca.location", "ssl.ca.pem"), ("https.ca.location", "https.ca.pem")]
        .into_iter()
        .filter_map(|(file, text)| own.certificates(file, text).err())
        .collect();
    wrong.extend(own.revoked().err());
    let certificates = own.certificates(CERTIFICATE.0, CERTIFICATE.1);
    let key = own.key();
    if let (Ok(certificates), Ok(Some(key))) = (&certificates, &key) {
        wrong.extend(own.belongs(certificates, key).err());
    }
    wrong.extend(certificates.err());
    wrong.extend(key.err());
    wrong.extend(own.store().err());
    wrong
}

/// A private key, and where it was.
struct Key {
    property: &'static str,
    source: Source,
    key: PKey<Private>,
}

struct Own<'a>(&'a BTreeMap<String, String>);

impl Own<'_> {
    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }

    /// The property that is set, and what it names.
    fn source(&self, file: &'static str, text: &'static str) -> Option<(&'static str, Source)> {
        let named = self.text(file).filter(|path| *path != SYSTEM && !Path::new(path).is_dir());
        let named = named.map(|path| (file, Source::At(path.into())));
        named.or_else(|| Some((text, Source::Pem(self.text(text)?.to_owned()))))
    }

    fn certificates(&self, file: &'static str, text: &'static str) -> Checked<Vec<X509>> {
        let Some((property, source)) = self.source(file, text) else { return Ok(Vec::new()) };
        let pem = bytes(property, &source)?;
        match X509::stack_from_pem(&pem) {
            Ok(found) if !found.is_empty() => Ok(found),
            Ok(_) => unusable(property, lacks(&source, "CERTIFICATE")),
            Err(error) => unusable(property, broken(&source, &pem, "CERTIFICATE", &error)),
        }
    }

    fn revoked(&self) -> Checked<()> {
        let property = "ssl.crl.location";
        let Some(path) = self.text(property) else { return Ok(()) };
        let source = Source::At(path.into());
        let pem = bytes(property, &source)?;
        let found = X509Crl::from_pem(&pem);
        found.map(drop).or_else(|error| unusable(property, broken(&source, &pem, "X509 CRL", &error)))
    }

    fn key(&self) -> Checked<Option<Key>> {
        let Some((property, source)) = self.source("ssl.key.location", "ssl.key.pem") else {
            return Ok(None);
        };
        let pem = bytes(property, &source)?;
        let password = self.text(KEY_PASSWORD);
        let error = match PKey::private_key_from_pem_passphrase(&pem, password.unwrap_or_default().as_bytes())
        {
            Ok(key) => return Ok(Some(Key { property, source, key })),
            Err(error) => error,
        };
        if !holds(&pem, "ENCRYPTED") {
            return unusable(property, broken(&source, &pem, "PRIVATE KEY", &error));
        }
        let at = place(&source);
        if password.is_none() {
            return unusable(property, format!("the key{at} is encrypted: set `kafka.{KEY_PASSWORD}`"));
        }
        let what = format!("is not the password of the key{at} (`kafka.{property}`): correct it");
        unusable(KEY_PASSWORD, what)
    }

    fn belongs(&self, certificates: &[X509], Key { property, source, key }: &Key) -> Checked<()> {
        let public = certificates.first().and_then(|certificate| certificate.public_key().ok());
        if public.is_none_or(|public| public.public_eq(key)) {
            return Ok(());
        }
        let certificate = self.source(CERTIFICATE.0, CERTIFICATE.1);
        let of = certificate.map(|(_, source)| place(&source)).unwrap_or_default();
        let what = format!(
            "the key{} is not that of the certificate{of}: name two that belong together",
            place(source)
        );
        unusable(property, what)
    }

    /// A file of PKCS #12, with certificate and key.
    fn store(&self) -> Checked<()> {
        let Some(path) = self.text(STORE) else { return Ok(()) };
        let source = Source::At(path.into());
        let Ok(store) = Pkcs12::from_der(&bytes(STORE, &source)?) else {
            return unusable(STORE, format!("{path} is no PKCS #12 file: is it the right one?"));
        };
        let password = self.text(STORE_PASSWORD);
        match store.parse2(password.unwrap_or_default()) {
            Ok(parsed) if parsed.cert.is_some() && parsed.pkey.is_some() => Ok(()),
            Ok(_) => unusable(STORE, format!("{path} lacks a certificate or its key: is it the right file?")),
            Err(error) if is_of_password(&error) && password.is_none() => {
                unusable(STORE, format!("{path} is behind a password: set `kafka.{STORE_PASSWORD}`"))
            }
            Err(error) if is_of_password(&error) => {
                unusable(STORE_PASSWORD, format!("is not the password of `kafka.{STORE}` {path}: correct it"))
            }
            Err(error) => unusable(STORE, format!("{path} is not understood: {}", said(&error))),
        }
    }
}

fn is_of_password(error: &ErrorStack) -> bool {
    error.errors().iter().any(|error| (error.library_code(), error.reason_code()) == WRONG_PASSWORD)
}

fn bytes(property: &'static str, source: &Source) -> Checked<Vec<u8>> {
    read(source)
        .map_err(|error| Unusable { property, what: format!("{error}: check the path and its permissions") })
}

/// Where the file is, if it is one.
fn place(source: &Source) -> String {
    match source {
        Source::At(path) => format!(" in {}", path.display()),
        Source::Pem(_) => String::new(),
    }
}

/// What holds none of a kind, as PEM marks it.
fn lacks(source: &Source, kind: &str) -> String {
    match source {
        Source::At(path) => format!("{} has no BEGIN {kind}: is it the right file?", path.display()),
        Source::Pem(_) => format!("has no BEGIN {kind}: is it the right text?"),
    }
}

/// ... or one that OpenSSL does not understand.
fn broken(source: &Source, pem: &[u8], kind: &str, error: &ErrorStack) -> String {
    if holds(pem, kind) {
        format!("what stands{} as {kind} is not understood: {}", place(source), said(error))
    } else {
        lacks(source, kind)
    }
}

fn holds(pem: &[u8], word: &str) -> bool {
    pem.windows(word.len()).any(|window| window == word.as_bytes())
}
