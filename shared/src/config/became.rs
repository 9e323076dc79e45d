//! What each option under `consumer` has become, for `check` to show and for the log to warn of: the key that it is the default of,
//! the key beside it that wins, or nothing, and why.

use std::fmt::Write as _;

use serde_json::{Map, Value as Json, json};

use super::consumer::Consumer;
use super::errors::{Error, Place};
use super::kafka::first_name;
use super::load::Config;
use super::places::Places;
use super::render::inline_json;
use crate::consumer_config::{ConsumerOption, Deprecated, follows_naming_convention};

/// What the options under `consumer` have become; nothing where the section is not there.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ConsumerNotes {
    list: Vec<Note>,
    deprecated: Vec<(Deprecated, Place)>,
    /// What else a reader should know.
    remark: Option<String>,
    file: Option<String>,
}

/// One option.
#[derive(Debug, Clone, PartialEq)]
struct Note {
    option: ConsumerOption,
    /// The name it was given under, its new one otherwise, and where its value stands.
    name: &'static str,
    place: Place,
    /// As given, or the default.
    value: Json,
    given: bool,
    became: Became,
}

#[derive(Debug, Clone, PartialEq)]
enum Became {
    /// The value of this key.
    Key { key: String, value: Json },
    /// Nothing, since this key stands beside it.
    Overruled { key: String, value: Json },
    /// Nothing.
    Nothing(&'static str),
}

const ALWAYS: &str = "what the handler has acknowledged is always committed";
const TIMEOUT: &str = "means nothing here: a handler is given messages as they come";
const METRICS: &str = "means nothing here: kafkavisor's figures are its own";
const CALLBACK: &str = "means nothing here: a handler is told by `init` and `stop` what it gains and loses";
const STATIC: &str = "means nothing here: the assignment is static";

/// The key that an option is the default of; else why it means nothing.
fn key_of(option: ConsumerOption) -> Result<&'static str, &'static str> {
    match option {
        ConsumerOption::AutoOffsetReset => Ok("offsets.reset"),
        ConsumerOption::AutoCommitEnable => Err(ALWAYS),
        ConsumerOption::AutoCommitIntervalMs => Ok("offsets.commit_interval"),
        ConsumerOption::AutoCommitIntervalMessages => Ok("offsets.commit_messages"),
        ConsumerOption::ConsumerTimeoutMs => Err(TIMEOUT),
        ConsumerOption::FetchMessageMaxBytes => Ok("kafka.fetch.message.max.bytes"),
        ConsumerOption::FetchMinBytes => Ok("kafka.fetch.min.bytes"),
        ConsumerOption::ClientId => Ok("kafka.client.id"),
        ConsumerOption::PartitionerCooldown => Ok("assignment.cooldown"),
        ConsumerOption::UseGroupSha => Ok("assignment.use_group_sha"),
        ConsumerOption::MaxTerminationTimeoutSecs => Ok("stop.timeout"),
        ConsumerOption::OffsetStorage => Ok("offsets.storage"),
        ConsumerOption::MetricsReporter | ConsumerOption::MetricsDimensions => Err(METRICS),
        ConsumerOption::PreRebalanceCallback | ConsumerOption::PostRebalanceCallback => Err(CALLBACK),
    }
}

/// The option's default, as it would be written.
fn default_of(option: ConsumerOption) -> Json {
    match option {
        ConsumerOption::AutoOffsetReset => json!("largest"),
        ConsumerOption::AutoCommitEnable | ConsumerOption::UseGroupSha => json!(true),
        ConsumerOption::AutoCommitIntervalMs => json!(1000),
        ConsumerOption::ConsumerTimeoutMs => json!(100),
        ConsumerOption::FetchMessageMaxBytes => json!(2_097_152),
        ConsumerOption::FetchMinBytes => json!(1),
        ConsumerOption::ClientId => json!("yelp-kafka"),
        ConsumerOption::PartitionerCooldown => json!(30),
        ConsumerOption::MaxTerminationTimeoutSecs => json!(10),
        ConsumerOption::AutoCommitIntervalMessages
        | ConsumerOption::OffsetStorage
        | ConsumerOption::MetricsReporter
        | ConsumerOption::MetricsDimensions
        | ConsumerOption::PreRebalanceCallback
        | ConsumerOption::PostRebalanceCallback => Json::Null,
    }
}

impl ConsumerNotes {
    pub(super) fn of(consumer: &Consumer, config: &Config, places: &Places, file: Option<&str>) -> Self {
        let shown = config.to_json();
        let note = |option: ConsumerOption| {
            let (name, place) = consumer.stands(option);
            let given = consumer.given.given(option);
            let became = became(option, config, &shown, places);
            // What means nothing is worth a word only where somebody wrote it.
            let telling = given.is_some() || !matches!(became, Became::Nothing(_));
            let value = given.cloned().unwrap_or_else(|| default_of(option));
            telling.then_some(Note { option, name, place, value, given: given.is_some(), became })
        };
        let deprecated = consumer.given.deprecated().into_iter();
        Self {
            list: ConsumerOption::all().filter_map(note).collect(),
            deprecated: deprecated.map(|old| (old, consumer.place_of(old.old))).collect(),
            remark: (!follows_naming_convention(&config.group)).then(|| {
                let group = &config.group;
                format!("group {group}: by yelp_kafka's convention it would be services.NAME or batch.NAME")
            }),
            file: file.map(str::to_owned),
        }
    }

    /// As comments for the top of the YAML; empty where there is nothing to say.
    pub fn to_yaml(&self) -> String {
        let mut yaml = String::new();
        if !self.list.is_empty() {
            yaml.push_str("# What the options under `consumer` have become:\n");
        }
        for note in &self.list {
            let default = if note.given { "" } else { " (default)" };
            let _ =
                writeln!(yaml, "#   {}: {}{default} -> {}", note.name, written(&note.value), note.became());
        }
        for (deprecated, _) in &self.deprecated {
            let _ = writeln!(yaml, "#   {deprecated}");
        }
        if let Some(remark) = &self.remark {
            let _ = writeln!(yaml, "#   {remark}");
        }
        yaml
    }

    /// By option, under its new name: its `value`, whether that is the `default`, the `key` that it has become or that wins, and
    /// what that `becomes`; a `note` where there is more to say. `None` without the section.
    pub fn to_json(&self) -> Option<Json> {
        let entries = self.list.iter().map(|note| (note.option.name().to_owned(), note.to_json()));
        (!self.list.is_empty()).then(|| Json::Object(entries.collect::<Map<_, _>>()))
    }

    /// What whoever wrote the file should know: old names, options that mean nothing, keys that win. Each with its place.
    pub fn warnings(&self) -> Vec<String> {
        let old =
            self.deprecated.iter().map(|(deprecated, place)| (*place, format!("`consumer`: {deprecated}")));
        let useless = self.list.iter().filter(|note| note.is_useless());
        let useless = useless.map(|note| {
            let (name, became) = (note.name, note.became());
            (note.place, format!("`consumer.{name}`: {became}"))
        });
        let mut all: Vec<_> = old.chain(useless).collect();
        all.sort_by_key(|(place, _)| *place);
        let file = self.file.as_deref().unwrap_or("configuration");
        all.into_iter().map(|(place, message)| Error { place, message }.shown(file)).collect()
    }
}

impl Note {
    fn is_useless(&self) -> bool {
        let harmless = self.option == ConsumerOption::AutoCommitEnable;
        self.given && !harmless && !matches!(self.became, Became::Key { .. })
    }

    fn became(&self) -> String {
        match &self.became {
            Became::Key { key, value } => format!("{key}: {}", written(value)),
            Became::Overruled { key, value } => {
                format!("not used: `{key}: {}` beside it wins", written(value))
            }
            Became::Nothing(why) => (*why).to_owned(),
        }
    }

    fn to_json(&self) -> Json {
        let (key, becomes, note) = match &self.became {
            Became::Key { key, value } => (Some(key), Some(value), None),
            Became::Overruled { key, value } => (Some(key), Some(value), Some(self.became())),
            Became::Nothing(_) => (None, None, Some(self.became())),
        };
        let (new, old) = (self.option.name(), self.name);
        let deprecated = (new != old).then(|| Deprecated { old, new, used: true }.to_string());
        let note = note.or(deprecated);
        json!({"value": self.value, "default": !self.given, "key": key, "becomes": becomes, "note": note})
    }
}

fn became(option: ConsumerOption, config: &Config, shown: &Json, places: &Places) -> Became {
    let key = match key_of(option) {
        Ok(key) => key,
        Err(why) => return Became::Nothing(why),
    };
    let Some((section, name)) = key.split_once('.') else { return Became::Nothing("") };
    // A property may stand there under another of its names.
    let name = match section {
        "kafka" => config.kafka.names().find(|given| first_name(given) == name).unwrap_or(name),
        _ => name,
    };
    let Some(value) = shown.get(section).and_then(|section| section.get(name)).cloned() else {
        return Became::Nothing(STATIC);
    };
    let key = format!("{section}.{name}");
    if places.has(&key) { Became::Overruled { key, value } } else { Became::Key { key, value } }
}

/// On one line, whatever it is; none as Python calls it.
fn written(value: &Json) -> String {
    if value.is_null() { "none".to_owned() } else { inline_json(value) }
}
