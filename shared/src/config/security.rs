//! Who we are to ZooKeeper, how it is spoken to, and where tokens for Kafka come from: `cluster.zookeeper_auth`,
//! `cluster.zookeeper_tls`, `oauth`. What Kafka wants besides stands in librdkafka's properties.

use std::path::PathBuf;

use super::errors::Problems;
use super::kafka::Kafka;
use super::properties::KafkaProperties;
use super::reader::{Field, Section};
use super::secret::{Origin, Secret, open};

const AUTH_KEYS: &[&str] = &["username", "password", "acl"];
const TLS_KEYS: &[&str] = &["ca", "certificate", "key"];
const OAUTH_KEYS: &[&str] = &["token_command"];
const METHOD: &str = "sasl.oauthbearer.method";

/// Who may read and write the nodes that we make in ZooKeeper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Acl {
    /// Anybody: members that are nobody to ZooKeeper share the group.
    #[default]
    Open,
    /// Whoever has the same name and password.
    Creator,
}

pub(super) const ACLS: &[(&str, Acl)] = &[("open", Acl::Open), ("creator", Acl::Creator)];

/// Who we are to ZooKeeper, by its scheme `digest`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZookeeperAuth {
    /// The name.
    pub username: String,
    /// The password.
    pub password: Secret,
    /// Who may read and write the nodes that we make.
    pub acl: Acl,
}

impl ZookeeperAuth {
    /// Whether it is read from the same place as `other`, whatever the password there is by now.
    pub fn is_read_like(&self, other: &Self) -> bool {
        let same = self.username == other.username && self.acl == other.acl;
        let (ours, theirs) = (self.password.origin(), other.password.origin());
        same && ours == theirs && *ours != Origin::Text
    }
}

/// The files that speaking TLS with ZooKeeper takes, each PEM; relative paths are the working directory's.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ZookeeperTls {
    /// The certificates of those who may have signed ZooKeeper's; none: the system's.
    pub ca: Option<PathBuf>,
    /// Our certificate, and those between it and a CA; always with `key`.
    pub certificate: Option<PathBuf>,
    /// Our certificate's key.
    pub key: Option<PathBuf>,
}

/// Where tokens for Kafka come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OAuth {
    /// A program that prints one, and its arguments.
    pub token_command: Vec<String>,
}

/// Who we are to Kafka and to ZooKeeper.
#[derive(Debug, Clone, Copy)]
pub struct Identity<'a> {
    /// Properties for librdkafka.
    pub kafka: &'a KafkaProperties,
    /// Where tokens come from, if not from an identity provider that the properties name.
    pub oauth: Option<&'a OAuth>,
    /// Our name at ZooKeeper.
    pub zookeeper_auth: Option<&'a ZookeeperAuth>,
    /// How ZooKeeper is spoken to over TLS.
    pub zookeeper_tls: Option<&'a ZookeeperTls>,
    /// Who we are to SignalFx.
    pub signalfx_token: Option<&'a Secret>,
}

impl<'a> Identity<'a> {
    /// The environment variables that hold secrets: nobody that is started is to get them.
    pub fn secret_variables(&self) -> impl Iterator<Item = &'a str> {
        let password = self.zookeeper_auth.and_then(|auth| auth.password.variable());
        self.kafka.variables().chain(password).chain(self.signalfx_token.and_then(Secret::variable))
    }

    /// Whether a process that runs by it holds what nobody should read: secrets, private keys, tokens.
    pub fn holds_secrets(&self) -> bool {
        let key = self.zookeeper_tls.is_some_and(|tls| tls.key.is_some());
        key || self.signalfx_token.is_some()
            || self.zookeeper_auth.is_some()
            || self.oauth.is_some()
            || self.kafka.holds_secrets()
    }
}

pub(super) fn read_zookeeper_auth(cluster: &Section<'_>, p: &mut Problems) -> Option<ZookeeperAuth> {
    let field = cluster.get("zookeeper_auth")?;
    let section = field.section(AUTH_KEYS, p);
    let name = |text: &str| match text {
        "" => Err("is empty"),
        text if text.contains([':', '\0']) => Err("holds a `:`, which ends a name in ZooKeeper's digest"),
        text => Ok(text.to_owned()),
    };
    let username = required(field, &section, "username", p);
    let username = username.and_then(|field| field.parsed("the name", name, p));
    let password = required(field, &section, "password", p).and_then(|field| Secret::take(field, p));
    let acl = section.choice("acl", ACLS, Acl::default(), p);
    Some(ZookeeperAuth { username: username?, password: password?, acl })
}

pub(super) fn read_zookeeper_tls(cluster: &Section<'_>, p: &mut Problems) -> Option<ZookeeperTls> {
    let field = cluster.get("zookeeper_tls")?;
    let section = field.section(TLS_KEYS, p);
    let [ca, certificate, key] = ["ca", "certificate", "key"].map(|key| file(&section, key, p));
    for (given, with) in [("certificate", "key"), ("key", "certificate")] {
        if let (Some(given), None) = (section.get(given), section.get(with)) {
            let message = format!("`{}` needs `{}.{with}`: name both, or neither", given.path, field.path);
            p.at(given.key, message);
        }
    }
    Some(ZookeeperTls { ca, certificate, key })
}

fn required<'s, 'n>(
    of: &Field<'_>,
    section: &'s Section<'n>,
    key: &str,
    p: &mut Problems,
) -> Option<&'s Field<'n>> {
    let field = section.get(key);
    if field.is_none() && matches!(of.node.value, super::document::Value::Map(_)) {
        p.at(of.key, format!("`{}` needs `{key}`: set it", of.path));
    }
    field
}

/// A file that is there and can be read; what it holds is looked at by whoever uses it.
fn file(section: &Section<'_>, key: &str, p: &mut Problems) -> Option<PathBuf> {
    let field = section.get(key)?;
    let path = PathBuf::from(field.text("the path of a PEM file", p)?);
    if let Err(error) = open(&path) {
        field.wrong(error, p);
    }
    Some(path)
}

pub(super) fn read_oauth(root: &Section<'_>, kafka: &Kafka, p: &mut Problems) -> Option<OAuth> {
    let oidc = kafka.properties.get(METHOD).is_some_and(|method| method.eq_ignore_ascii_case("oidc"));
    let Some(field) = root.get("oauth") else {
        if kafka.wants_tokens == Some(true)
            && !kafka.security_refused
            && !oidc
            && let Some(field) = root.get("kafka")
        {
            let message = "`kafka.sasl.mechanism: OAUTHBEARER` needs tokens: set `oauth.token_command`, or \
                           `kafka.sasl.oauthbearer.method: oidc` with its properties";
            p.at(field.key, message);
        }
        return None;
    };
    let section = field.section(OAUTH_KEYS, p);
    let command = required(field, &section, "token_command", p)?;
    if kafka.wants_tokens == Some(false) {
        p.at(field.key, "`oauth` is for `kafka.sasl.mechanism: OAUTHBEARER`: set that, or remove it");
    } else if oidc {
        p.at(field.key, "`oauth` beside `kafka.sasl.oauthbearer.method: oidc`: keep one of the two");
    }
    let words = command.list("a list such as [./token, --audience, kafka]", p)?;
    if words.is_empty() {
        command.wrong("is empty: name a program", p);
    }
    let words: Option<Vec<_>> = words.iter().map(|word| word.text("text", p).map(str::to_owned)).collect();
    Some(OAuth { token_command: words? })
}
