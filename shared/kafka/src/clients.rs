//! The client that asks: reaching Kafka, and topics with their ids. Each request blocks, and is bounded.

use std::collections::BTreeMap;
use std::fmt::{Debug, Formatter};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use kafkavisor_types::clock::now;
use kafkavisor_types::ids::{Group, Topic};
use rdkafka::consumer::Consumer;
use rdkafka::metadata::Metadata;

use crate::admin::{Asked, Described, Failed, add_brokers, describe};
use crate::error::KafkaError;
use crate::live::Live;
use crate::patience::patiently;
use crate::properties::client_config;
use crate::trouble::{Trouble, look};

/// Longest that one request may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Longest that it may take to find out what is wrong when a request has failed.
pub(crate) const LOOK: Duration = Duration::from_secs(2);

/// A client, in a group's name or in none.
pub struct Clients {
    live: RwLock<Arc<Live>>,
    group: Option<Group>,
    current: RwLock<Current>,
    /// Whether `live` was made with something else than what is `current`, and can't be given that while it runs.
    outdated: AtomicBool,
    /// The brokers that Kafka itself named last, `host:port,...`.
    named: RwLock<String>,
}

/// What later clients are made with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Current {
    properties: BTreeMap<String, String>,
}

impl Current {
    pub(crate) fn properties(&self) -> &BTreeMap<String, String> {
        &self.properties
    }

    pub(crate) fn brokers(&self) -> String {
        self.properties.get(BROKERS).cloned().unwrap_or_default()
    }

    /// Why a client made with this has failed, or what is behind it.
    pub(crate) fn explained(&self, failed: Failed, until: Instant) -> KafkaError {
        let Failed { error, signs } = failed;
        error.or_behind_it(|| signs.explain(&self.brokers(), &self.properties, until))
    }
}

const BROKERS: &str = "bootstrap.servers";

impl Debug for Clients {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Clients").finish_non_exhaustive()
    }
}

impl Clients {
    /// Makes it; asks nobody yet.
    pub fn new(properties: &BTreeMap<String, String>, group: &Group) -> Result<Self, KafkaError> {
        Self::of(properties, Some(group))
    }

    /// ... that is in no group, and looks at groups from outside.
    pub fn outside(properties: &BTreeMap<String, String>) -> Result<Self, KafkaError> {
        Self::of(properties, None)
    }

    fn of(properties: &BTreeMap<String, String>, group: Option<&Group>) -> Result<Self, KafkaError> {
        let live = Arc::new(Live::new(&client_config(properties, group))?);
        let current = RwLock::new(Current { properties: properties.clone() });
        Ok(Self {
            live: RwLock::new(live),
            group: group.cloned(),
            current,
            outdated: AtomicBool::new(false),
            named: RwLock::default(),
        })
    }

    /// Another one with the properties of now, in no group, that begins with these brokers.
    pub fn beside(&self, brokers: &[String]) -> Result<Self, KafkaError> {
        let mut properties = self.current().properties;
        properties.insert(BROKERS.to_owned(), brokers.join(","));
        Self::outside(&properties)
    }

    /// The client of now; whoever has one goes on with it.
    pub(crate) fn live(&self) -> Arc<Live> {
        if self.outdated.swap(false, Ordering::AcqRel) {
            match Live::new(&client_config(self.current().properties(), self.group.as_ref())) {
                Ok(live) => *self.live.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(live),
                Err(error) => log::error!("our own client of Kafka goes on as it was: {error}"),
            }
        }
        Arc::clone(&self.live.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What a client that is made now has.
    pub(crate) fn current(&self) -> Current {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The brokers to begin with, `host:port,...`: what is made later than this client begins with them too.
    pub fn brokers(&self) -> String {
        self.current().brokers()
    }

    /// From here on these are the brokers to begin with. They must be of the same cluster. Those that the client knows from Kafka
    /// itself it goes on with.
    pub fn take_brokers(&self, brokers: &[String]) {
        let brokers = brokers.join(",");
        add_brokers(self.live().native(), &brokers);
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        current.properties.insert(BROKERS.to_owned(), brokers);
    }

    /// From here on these are the properties. Another name or password is for connections that are made later; with whatever else has
    /// changed the next request makes a client anew. Waits for nobody.
    pub fn take_properties(&self, properties: &BTreeMap<String, String>) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let mut properties = properties.clone();
        properties.insert(BROKERS.to_owned(), current.brokers());
        if current.properties == properties {
            return;
        }
        let before = std::mem::replace(&mut current.properties, properties);
        let live = self.live.read().unwrap_or_else(PoisonError::into_inner);
        if !live.take_login(&before, &current.properties) {
            self.outdated.store(true, Ordering::Release);
        }
    }

    /// The next request makes a client anew; whoever has this one goes on with it.
    pub fn make_anew(&self) {
        self.outdated.store(true, Ordering::Release);
    }

    /// What is wrong between us and the brokers, as far as this client has heard that something is.
    pub fn trouble(&self, until: Instant) -> Option<Trouble> {
        let live = self.live();
        live.serve();
        let (current, named) = self.known();
        let brokers = [current.brokers(), named].join(",");
        live.signs().explain(&brokers, &current.properties, until.min(now() + LOOK))
    }

    /// A look at the brokers, whatever this client has heard.
    pub fn look_closer(&self) -> Option<Trouble> {
        let (current, named) = self.known();
        look(&[current.brokers(), named].join(","), current.properties(), now() + LOOK)
    }

    /// ... at those that Kafka itself has named, until `until`: each of them is to be worked with.
    pub fn look_at_named(&self, until: Instant) -> Option<Trouble> {
        let (current, named) = self.known();
        look(&named, current.properties(), until)
    }

    fn known(&self) -> (Current, String) {
        (self.current(), self.named.read().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// The error, or what is behind it.
    pub(crate) fn explained(&self, error: KafkaError) -> KafkaError {
        error.or_behind_it(|| self.trouble(now() + LOOK))
    }

    /// Asks until there is an answer, the time is up, or it is certain that there will be none.
    pub(crate) fn ask<T>(
        &self,
        until: Instant,
        ask: impl Fn(Duration) -> Result<T, KafkaError>,
    ) -> Result<T, KafkaError> {
        let answer =
            patiently(until, |left| ask(left).map_err(|error| error.or_behind_it(|| self.trouble(until))));
        if answer.is_ok() {
            self.live().signs().forget();
        }
        answer
    }

    /// ... a group's coordinator, each time through a client of its own.
    pub(crate) fn ask_coordinator<T>(
        &self,
        until: Instant,
        ask: impl Fn(Live, Duration) -> Asked<T>,
    ) -> Result<T, KafkaError> {
        patiently(until, |left| {
            let with = self.current();
            let live = Live::new(&client_config(with.properties(), None))?;
            match ask(live, left) {
                Ok((_, answer)) => Ok(answer),
                Err(failed) => Err(with.explained(failed, until.min(now() + LOOK))),
            }
        })
    }

    /// Waits for a first answer of Kafka.
    pub fn reach(&self, until: Instant) -> Result<(), KafkaError> {
        self.ask(until, |left| self.metadata("__consumer_offsets", left)).map(drop)
    }

    /// The cluster's own id; empty where it has none.
    pub fn cluster_id(&self) -> String {
        self.live().client.client().fetch_cluster_id(TIMEOUT).unwrap_or_default()
    }

    pub(crate) fn metadata(&self, topic: &str, within: Duration) -> Result<Metadata, KafkaError> {
        let metadata = self.live().client.fetch_metadata(Some(topic), within)?;
        let named = metadata.brokers().iter().map(|broker| format!("{}:{}", broker.host(), broker.port()));
        *self.named.write().unwrap_or_else(PoisonError::into_inner) = named.collect::<Vec<_>>().join(",");
        Ok(metadata)
    }

    /// The topics as they are now: one answer each.
    pub fn describe(
        &self,
        topics: &[Topic],
        within: Duration,
    ) -> BTreeMap<Topic, Result<Described, KafkaError>> {
        let Some(first) = topics.first() else { return BTreeMap::new() };
        let until = now() + within.min(TIMEOUT);
        let described = self.metadata(first.as_str(), within.min(TIMEOUT)).and_then(|metadata| {
            // Who has just answered is there to answer again. None (-1, not known by its id yet): librdkafka asks the controller.
            let broker = metadata.orig_broker_id();
            let left = until.saturating_duration_since(now());
            describe(self.live().native(), broker, topics, left)
        });
        let described = described.map_err(|error| self.explained(error));
        if described.is_ok() {
            self.live().signs().forget();
        }
        let answer = |topic: &Topic| match &described {
            Ok(described) => described.get(topic).cloned().unwrap_or(Err(KafkaError::TimedOut)),
            Err(error) => Err(error.clone()),
        };
        topics.iter().map(|topic| (topic.clone(), answer(topic))).collect()
    }

    /// Serves what librdkafka wants to tell.
    pub fn serve(&self) {
        self.live().serve();
    }
}
