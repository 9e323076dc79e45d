//! What is shown of an instance as numbers, and to whom they are sent: `metrics`.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::address::host_port;
use super::discovery::web_url;
use super::document::Value;
use super::errors::Problems;
use super::reader::{Field, Section};
use super::secret::Secret;

const KEYS: &[&str] = &["per_partition", "statsd", "signalfx"];
const SIGNALFX_KEYS: &[&str] = &["realm", "token", "url", "interval"];
const INTERVALS: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3600);
const EVERY: Duration = Duration::from_secs(10);
const URL: &str = "an address such as https://ingest.us1.signalfx.com";

/// What is shown as numbers, and to whom they are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metrics {
    /// Each partition has series of its own.
    pub per_partition: bool,
    /// Where StatsD listens, `HOST:PORT`.
    pub statsd: Option<String>,
    /// How SignalFx is reached.
    pub signalfx: Option<SignalFx>,
}

/// How SignalFx is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignalFx {
    /// Whose ingest is meant where no `url` is given.
    pub realm: Option<String>,
    /// Where figures are sent, without the path `/v2/datapoint`.
    pub url: Option<String>,
    /// Who we are there.
    pub token: Secret,
    /// How often they are sent.
    pub interval: Duration,
}

impl Default for Metrics {
    fn default() -> Self {
        Self { per_partition: true, statsd: None, signalfx: None }
    }
}

impl SignalFx {
    /// Where figures are sent, without the path `/v2/datapoint`.
    pub fn address(&self) -> String {
        let of_realm =
            || format!("https://ingest.{}.signalfx.com", self.realm.as_deref().unwrap_or_default());
        self.url.clone().unwrap_or_else(of_realm)
    }
}

pub(super) fn read(root: &Section<'_>, p: &mut Problems) -> Metrics {
    let section = root.section("metrics", KEYS, p);
    Metrics {
        per_partition: section.boolean("per_partition", true, p),
        statsd: section.get("statsd").and_then(|field| field.parsed("HOST:PORT", statsd, p)),
        signalfx: section.get("signalfx").and_then(|field| read_signalfx(field, p)),
    }
}

fn statsd(text: &str) -> Result<String, super::InvalidAddress> {
    host_port(text).map(|_| text.to_owned())
}

fn read_signalfx(field: &Field<'_>, p: &mut Problems) -> Option<SignalFx> {
    let section = field.section(SIGNALFX_KEYS, p);
    let mut needs = |missing: bool, what: &str| {
        if missing && matches!(field.node.value, Value::Map(_)) {
            p.at(field.key, format!("`{}` needs {what}: set it", field.path));
        }
    };
    needs(section.get("token").is_none(), "`token`");
    needs(section.get("realm").is_none() && section.get("url").is_none(), "`realm` or `url`");
    let realm = section.get("realm").map(|field| field.parsed("a realm such as us1", realm, p));
    let url = section.get("url").map(|field| field.parsed(URL, |text| web_url(text, URL), p));
    let token = section.get("token").and_then(|field| Secret::take(field, p));
    let interval = section.duration("interval", &INTERVALS, EVERY, p);
    let (realm, url) = (realm.flatten(), url.flatten());
    Some(SignalFx { token: token.filter(|_| realm.is_some() || url.is_some())?, realm, url, interval })
}

fn realm(text: &str) -> Result<String, &'static str> {
    if text.is_empty() || !text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
        // It may be a token at the wrong key.
        return Err("expected a realm such as us1: letters, digits and '-'");
    }
    Ok(text.to_owned())
}
