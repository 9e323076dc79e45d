//! What librdkafka's properties say together of logins and TLS. What contradicts itself is refused here: librdkafka would take some
//! of it without a word, and be somebody else, or nobody; and of the rest it says little.

use std::collections::BTreeMap;

use super::errors::{Place, Problems};
use super::secret::{Origin, Secret, SecretError, open};
use super::words::nearest;

const PROTOCOL: &str = "security.protocol";
const MECHANISM: &str = "sasl.mechanisms";
const OAUTHBEARER: &str = "OAUTHBEARER";
const MECHANISMS: &[&str] = &["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", OAUTHBEARER];
const USABLE: &str = "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER";

/// What is of no use without a login.
const OF_LOGINS: &[&str] = &[MECHANISM, "sasl.username", "sasl.password", "sasl.oauthbearer."];
/// What is of no use without TLS: whom to trust, and who we are. How it is spoken may stand there for the day when it is.
const OF_TLS: &[&str] = &["ssl.ca.", "ssl.certificate.", "ssl.key.", "ssl.keystore.", "ssl.crl."];
/// What is for the identity provider alone.
const OF_TOKENS: &[&str] = &["sasl.oauthbearer.", "https.ca."];
/// Properties that name a file, and those that take its text, if any do.
const FILES: &[(&str, Option<&str>)] = &[
    (CA, Some("ssl.ca.pem")),
    ("ssl.crl.location", None),
    ("ssl.certificate.location", Some("ssl.certificate.pem")),
    ("ssl.key.location", Some("ssl.key.pem")),
    ("ssl.keystore.location", None),
    (PROVIDER_CA, Some("https.ca.pem")),
];
/// Those of the provider that are read, by first names.
const READ: &[&str] = &[
    "sasl.oauthbearer.client.id",
    "sasl.oauthbearer.client.secret",
    "sasl.oauthbearer.config",
    "sasl.oauthbearer.extensions",
    "sasl.oauthbearer.grant.type",
    "sasl.oauthbearer.method",
    "sasl.oauthbearer.scope",
    "sasl.oauthbearer.token.endpoint.url",
];
/// Other ways to ask one, which are refused by whoever asks.
const OTHER_WAYS: &[&str] = &["sasl.oauthbearer.assertion.", "sasl.oauthbearer.metadata."];
const CA: &str = "ssl.ca.location";
const PROVIDER_CA: &str = "https.ca.location";
/// Instead of a file: the system's.
const SYSTEM: &str = "probe";

/// Whether the property is one of those that decide whom we trust, who we are, and how that is proved.
pub fn is_of_security(property: &str) -> bool {
    ["security.", "sasl.", "ssl.", "https.", "enable.ssl.", "enable.sasl."]
        .iter()
        .any(|prefix| property.starts_with(prefix))
}

/// A property as it was given.
#[derive(Debug)]
pub(super) struct Property {
    /// By the name it was given under.
    pub(super) name: String,
    pub(super) place: Place,
    /// None where it is wrong, which was noted.
    pub(super) value: Option<String>,
}

/// What was given, by first names.
#[derive(Debug, Default)]
pub(super) struct Given(pub(super) BTreeMap<String, Property>);

/// What a protocol has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Protocol {
    login: bool,
    tls: bool,
}

impl Protocol {
    /// None: there is no such protocol, which librdkafka says.
    fn of(name: &str) -> Option<Self> {
        let (login, tls) = match name.to_ascii_uppercase().as_str() {
            "PLAINTEXT" => (false, false),
            "SSL" => (false, true),
            "SASL_PLAINTEXT" => (true, false),
            "SASL_SSL" => (true, true),
            _ => return None,
        };
        Some(Self { login, tls })
    }
}

impl Given {
    /// The mechanism, as Kafka writes it.
    pub(super) fn mechanism(&self) -> Option<String> {
        self.value(MECHANISM).map(str::to_ascii_uppercase)
    }

    /// Whether tokens are shown; none where that can't be told.
    pub(super) fn wants_tokens(&self) -> Option<bool> {
        match self.0.get(MECHANISM) {
            None => Some(false),
            Some(property) => property.value.as_ref().map(|name| name.eq_ignore_ascii_case(OAUTHBEARER)),
        }
    }

    /// Whether something of security was given that can't be used.
    pub(super) fn lacks_security(&self) -> bool {
        self.0.iter().any(|(first, property)| is_of_security(first) && property.value.is_none())
    }

    fn value(&self, first: &str) -> Option<&str> {
        self.0.get(first)?.value.as_deref()
    }

    fn has(&self, first: &str) -> bool {
        self.0.contains_key(first)
    }

    /// The first that begins with one of these.
    fn any_of(&self, prefixes: &[&str]) -> Option<&Property> {
        let of = |prefix: &&str| self.0.iter().find(|(first, _)| first.starts_with(prefix));
        prefixes.iter().find_map(of).map(|(_, property)| property)
    }

    /// Notes what contradicts itself; `section` is where it all stands.
    pub(super) fn check(&self, section: Place, p: &mut Problems) {
        if self.mechanism().as_deref() == Some("GSSAPI") {
            self.refuse(MECHANISM, &format!("Kerberos (GSSAPI) is not available; use {USABLE}"), p);
            return;
        }
        if self.mechanism().is_some_and(|name| !MECHANISMS.contains(&name.as_str())) {
            self.refuse(MECHANISM, &format!("there is no such mechanism; use {USABLE}"), p);
        }
        let protocol = match self.0.get(PROTOCOL) {
            None => Some(Protocol { login: false, tls: false }),
            Some(property) => property.value.as_deref().and_then(Protocol::of),
        };
        if let Some(protocol) = protocol {
            self.fits(protocol, p);
            if protocol.login {
                self.login(section, p);
            }
        }
        self.tokens(p);
        self.slips(p);
        self.pairs(p);
    }

    /// What the protocol would leave aside without a word.
    fn fits(&self, protocol: Protocol, p: &mut Problems) {
        let of_logins = self.any_of(OF_LOGINS).filter(|_| !protocol.login);
        let of_tls = self.any_of(OF_TLS).filter(|_| !protocol.tls);
        let (property, what, of, wanted) = match (of_logins, of_tls) {
            (Some(property), None) if !protocol.tls && self.any_of(OF_TLS).is_none() => {
                (property, "a login", "sasl.*", "SASL_SSL (SASL_PLAINTEXT for a listener without TLS)")
            }
            (Some(property), _) => (property, "a login", "sasl.*", "SASL_SSL"),
            (None, Some(property)) if protocol.login => (property, "TLS", "ssl.*", "SASL_SSL"),
            (None, Some(property)) => (property, "TLS", "ssl.*", "SSL"),
            (None, None) => return,
        };
        let (name, without) = (&property.name, self.protocol_in_words());
        let message =
            format!("is for {what}, and {without} there is none: set that to {wanted}, or remove all `{of}`");
        p.value(&format!("kafka.{name}"), property.place, message);
    }

    fn protocol_in_words(&self) -> String {
        match self.value(PROTOCOL) {
            Some(name) => format!("with `kafka.{PROTOCOL}` {}", name.to_ascii_uppercase()),
            None => format!("without `kafka.{PROTOCOL}`"),
        }
    }

    /// A login has a mechanism; librdkafka would take GSSAPI. And most have a name and a password.
    fn login(&self, section: Place, p: &mut Problems) {
        if !self.has(MECHANISM) {
            let message = format!("`kafka.{PROTOCOL}` wants a login: set `kafka.sasl.mechanism` to {USABLE}");
            p.at(self.0.get(PROTOCOL).map_or(section, |property| property.place), message);
        }
        if !self.mechanism().is_some_and(|name| name == "PLAIN" || name.starts_with("SCRAM-")) {
            return;
        }
        let missing: Vec<_> = ["sasl.username", "sasl.password"]
            .into_iter()
            .filter(|first| !self.has(first))
            .map(|first| format!("`kafka.{first}`"))
            .collect();
        if !missing.is_empty() {
            self.refuse(MECHANISM, &format!("needs {}: set it", missing.join(" and ")), p);
        }
    }

    /// What is for the provider of tokens, and no tokens are wanted.
    fn tokens(&self, p: &mut Problems) {
        let Some(property) = self.any_of(OF_TOKENS) else { return };
        if self.has(MECHANISM) && self.wants_tokens() == Some(false) {
            let message = format!(
                "is for `kafka.sasl.mechanism: {OAUTHBEARER}`: set that, or remove all `sasl.oauthbearer.*` and `https.ca.*`"
            );
            p.value(&format!("kafka.{}", property.name), property.place, message);
        }
    }

    /// librdkafka never sees them, so that it can't refuse a slip.
    fn slips(&self, p: &mut Problems) {
        let known =
            |first: &str| READ.contains(&first) || OTHER_WAYS.iter().any(|prefix| first.starts_with(prefix));
        for (first, property) in &self.0 {
            if first.starts_with("sasl.oauthbearer.") && !known(first) {
                let message = format!("there is no such property; {}", nearest(first, READ));
                p.value(&format!("kafka.{}", property.name), property.place, message);
            }
        }
    }

    /// A certificate without its key is not shown, and no broker says that.
    fn pairs(&self, p: &mut Problems) {
        if self.has("ssl.keystore.location") {
            return;
        }
        let any = |of: &str| {
            let names = [format!("ssl.{of}.location"), format!("ssl.{of}.pem")];
            names.into_iter().find(|name| self.has(name))
        };
        for (given, with) in [("certificate", "key"), ("key", "certificate")] {
            if let (Some(given), None) = (any(given), any(with)) {
                let message = format!("needs `kafka.ssl.{with}.location` (or `.pem`): name both, or neither");
                self.refuse(&given, &message, p);
            }
        }
    }

    fn refuse(&self, first: &str, message: &str, p: &mut Problems) {
        if let Some(property) = self.0.get(first) {
            p.value(&format!("kafka.{}", property.name), property.place, message);
        }
    }
}

/// Whether the file that a property names can be read; what it holds is looked at by whoever uses it. What stands where a path
/// should may be a key itself, and is not shown.
pub(super) fn named_file(first: &str, value: &Secret) -> Result<(), String> {
    let Some((_, text)) = FILES.iter().find(|(name, _)| *name == first) else { return Ok(()) };
    let path = value.expose();
    if path.is_empty() || (path == SYSTEM && [CA, PROVIDER_CA].contains(&first)) {
        return Ok(());
    }
    if path.contains("-----BEGIN") || path.contains(char::is_control) {
        let instead = text.map(|text| format!(": the text itself is for `kafka.{text}`")).unwrap_or_default();
        return Err(format!("expected the path of a file, found what stands in one{instead}"));
    }
    match open(path.as_ref()) {
        Ok(_) => Ok(()),
        Err(SecretError::NotRegular(path)) if first == CA && path.is_dir() => Ok(()),
        Err(error) if *value.origin() == Origin::Text => Err(error.to_string()),
        Err(SecretError::File { error, .. }) => {
            Err(format!("the file that is named there can't be read: {error}"))
        }
        Err(_) => Err("what is named there is no regular file: name one".to_owned()),
    }
}
