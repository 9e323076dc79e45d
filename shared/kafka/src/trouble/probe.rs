//! A look at brokers without librdkafka: what their listener is, and whether it is what we take it for. Nobody logs in here.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use kafkavisor_types::clock::now;

use super::connection::Connection;
use super::signs::mechanism;
use super::tls::{self, Files, Password, Sight, Source, Stream};
use super::wire::{Sasl, ask_sasl, greet};
use super::words::Trouble;

/// Longest that a look at one broker may take.
const EACH: Duration = Duration::from_secs(2);

/// What is wrong at the first of these brokers, `host:port,...`, at which something is; none where nothing is found, or nobody is
/// there. Until `until`, whatever names are looked up meanwhile.
pub(crate) fn look(brokers: &str, properties: &BTreeMap<String, String>, until: Instant) -> Option<Trouble> {
    let (found, heard) = mpsc::channel();
    let (brokers, wanted) = (brokers.to_owned(), Wanted::of(properties));
    let look = move || {
        let addresses = brokers.split(',').filter_map(address);
        let trouble = addresses.take_while(|_| now() < until).find_map(|address| wanted.look(address, until));
        // Nobody waits any more.
        let _too_late = found.send(trouble);
    };
    let _no_thread = thread::Builder::new().name("probe".to_owned()).spawn(look);
    heard.recv_timeout(until.saturating_duration_since(now())).ok().flatten()
}

fn address(broker: &str) -> Option<(&str, u16)> {
    // librdkafka takes a protocol before it.
    let broker = broker.trim().rsplit("://").next()?;
    let (host, port) = broker.rsplit_once(':')?;
    Some((host.trim_start_matches('[').trim_end_matches(']'), port.parse().ok()?))
}

/// What we take the brokers for.
struct Wanted {
    tls: bool,
    /// The mechanism.
    sasl: Option<String>,
    /// There is a login to make, whether the protocol has one or not.
    login: bool,
    files: Files,
}

impl Wanted {
    fn of(properties: &BTreeMap<String, String>) -> Self {
        let protocol = properties.get("security.protocol").map(|text| text.to_ascii_uppercase());
        let protocol = protocol.as_deref().unwrap_or("PLAINTEXT");
        Self {
            tls: protocol.ends_with("SSL"),
            sasl: protocol.starts_with("SASL").then(|| mechanism(properties).to_owned()),
            login: protocol.starts_with("SASL") || is_set(properties, &["sasl.mechanism", "sasl.mechanisms"]),
            files: files(properties),
        }
    }

    fn protocol(tls: bool, sasl: bool) -> &'static str {
        match (tls, sasl) {
            (false, false) => "PLAINTEXT",
            (true, false) => "SSL",
            (false, true) => "SASL_PLAINTEXT",
            (true, true) => "SASL_SSL",
        }
    }

    fn look(&self, (host, port): (&str, u16), until: Instant) -> Option<Trouble> {
        let until = until.min(now() + EACH);
        let server = format!("{host}:{port}");
        let sasl = if self.tls {
            match tls::look((host, port), &self.files, until, |stream| self.talk(stream)) {
                Sight::Agreed(sasl) => sasl,
                Sight::Trouble(trouble) => return Some(Trouble::Tls { trouble }),
                Sight::NotReached(_) => return None,
                Sight::NoTls => {
                    plain(host, port, until).ok()?;
                    let protocol = Self::protocol(false, self.login);
                    return Some(Trouble::NoTls { server, protocol });
                }
            }
        } else {
            let talked = Connection::open(host, port, until).and_then(|mut stream| self.talk(&mut stream));
            let Ok(sasl) = talked else {
                let protocol = Self::protocol(true, self.login);
                return speaks_tls(host, port, until).then_some(Trouble::TlsWanted { server, protocol });
            };
            sasl
        };
        self.judge(server, sasl)
    }

    fn talk(&self, stream: &mut dyn Stream) -> io::Result<Sasl> {
        greet(stream)?;
        // Any name will do to learn whether there is SASL at all.
        ask_sasl(stream, self.sasl.as_deref().unwrap_or("PLAIN"))
    }

    fn judge(&self, server: String, sasl: Sasl) -> Option<Trouble> {
        match (&self.sasl, sasl) {
            (Some(wanted), Sasl::Offers(offered)) if !offered.contains(wanted) => {
                Some(Trouble::Mechanism { server, wanted: wanted.clone(), offered })
            }
            (Some(_), Sasl::Offers(_)) | (None, Sasl::None) => None,
            (Some(_), Sasl::None) => {
                Some(Trouble::NoSasl { server, protocol: Self::protocol(self.tls, false) })
            }
            (None, Sasl::Offers(offered)) => {
                Some(Trouble::SaslWanted { server, protocol: Self::protocol(self.tls, true), offered })
            }
        }
    }
}

fn is_set(properties: &BTreeMap<String, String>, names: &[&str]) -> bool {
    names.iter().any(|name| properties.contains_key(*name))
}

/// Whether Kafka answers there in plain text.
fn plain(host: &str, port: u16, until: Instant) -> io::Result<()> {
    greet(&mut Connection::open(host, port, until)?)
}

fn speaks_tls(host: &str, port: u16, until: Instant) -> bool {
    let anybody = Files { unverified: true, ..Files::default() };
    match tls::look((host, port), &anybody, until, |_| Ok(())) {
        Sight::Agreed(()) | Sight::Trouble(_) => true,
        Sight::NoTls | Sight::NotReached(_) => false,
    }
}

/// What librdkafka's properties say of certificates.
fn files(properties: &BTreeMap<String, String>) -> Files {
    let text = |name: &str| properties.get(name).filter(|text| !text.is_empty());
    let source = |file: &str, pem: &str| {
        let at = text(file).map(|path| Source::At(PathBuf::from(path)));
        at.or_else(|| text(pem).map(|text| Source::Pem(text.clone())))
    };
    // As librdkafka reads words.
    let is = |name: &str, values: &[&str]| {
        text(name).is_some_and(|text| values.iter().any(|value| text.eq_ignore_ascii_case(value)))
    };
    let keystore = text("ssl.keystore.location").map(PathBuf::from);
    let password = if keystore.is_some() { "ssl.keystore.password" } else { "ssl.key.password" };
    Files {
        ca: source("ssl.ca.location", "ssl.ca.pem").filter(|ca| *ca != Source::At(PathBuf::from("probe"))),
        certificate: source("ssl.certificate.location", "ssl.certificate.pem"),
        key: source("ssl.key.location", "ssl.key.pem"),
        keystore,
        password: text(password).cloned().map(Password),
        unverified: is("enable.ssl.certificate.verification", &["false", "f", "0"]),
        any_host: is("ssl.endpoint.identification.algorithm", &["none"]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brokers_are_addresses_in_every_form_that_librdkafka_takes() {
        assert_eq!(address("k1:9092"), Some(("k1", 9092)));
        assert_eq!(address(" SASL_SSL://[::1]:9093 "), Some(("::1", 9093)));
        assert_eq!(address("k1"), None);
    }

    #[test]
    fn what_a_listener_is_and_what_it_is_taken_for() {
        let wanted = |protocol: &str| {
            let properties = [("security.protocol", protocol), ("sasl.mechanism", "PLAIN")];
            Wanted::of(&properties.map(|(key, value)| (key.to_owned(), value.to_owned())).into())
        };
        let offers = |names: &[&str]| Sasl::Offers(names.iter().map(|name| (*name).to_owned()).collect());
        let judged = |protocol: &str, sasl| wanted(protocol).judge("k1:9092".to_owned(), sasl);
        assert_eq!(judged("sasl_ssl", offers(&["PLAIN"])), None);
        assert_eq!(judged("ssl", Sasl::None), None);
        assert!(matches!(judged("SASL_SSL", offers(&["SCRAM-SHA-256"])), Some(Trouble::Mechanism { .. })));
        assert!(matches!(judged("SASL_SSL", Sasl::None), Some(Trouble::NoSasl { protocol: "SSL", .. })));
        let wants = judged("PLAINTEXT", offers(&["PLAIN"]));
        assert!(matches!(wants, Some(Trouble::SaslWanted { protocol: "SASL_PLAINTEXT", .. })));
    }
}
