//! The look-up thread: where reading begins, which partitions there are, how far a log goes that somebody asks about. How far
//! all the logs go that nobody fetches has a thread of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use kafkavisor::clock::now;
use kafkavisor::config::Reset;
use kafkavisor::ids::{Topic, TopicPartition};
use kafkavisor_group::starts::{Asked, Found, Places, Starts, Timed};
use kafkavisor_group::topics::{Changes, Topics};
use kafkavisor_kafka::clients::Clients;
use kafkavisor_kafka::error::KafkaError;
use kafkavisor_kafka::heads::Reader;
use kafkavisor_kafka::logs::Log;
use kafkavisor_kafka::trouble::Trouble;
use kafkavisor_supervisor_core::Ticket;

use super::log_ends::{LogEnd, LogEnds, Unfetched};

/// The topics are looked at this often: what grows is noticed.
const TOPICS_EVERY: Duration = Duration::from_secs(5);

/// What the event loop asks.
#[derive(Debug)]
pub(crate) enum Ask {
    /// Where `partition` begins.
    Start { partition: TopicPartition, request: u64, made_again: bool },
    /// Where the log of `partition` begins and ends now.
    Log { partition: TopicPartition, ticket: Ticket },
    /// A worker was not let in: what is wrong?
    Trouble,
    /// These are not fetched by anybody: how far do their logs go, and how old is what waits there?
    Unfetched(Unfetched),
}

/// What it answers.
#[derive(Debug)]
pub(crate) enum Heard {
    Start(Found),
    Log {
        partition: TopicPartition,
        ticket: Ticket,
        log: Result<Log, KafkaError>,
    },
    /// What has changed of the topics.
    Topics(Changes),
    Ends(BTreeMap<TopicPartition, LogEnd>),
    /// What keeps us from Kafka, or from topics, in words; said at each look as long as there is anything.
    Troubles(BTreeSet<String>),
    /// What a closer look at the brokers has found.
    Seen(Option<Trouble>),
}

/// What is looked at, and for whom.
pub(crate) struct Scope {
    /// The instance's random id, as it signs its commits.
    pub(crate) instance_id: String,
    pub(crate) topics: Vec<Topic>,
    pub(crate) reset: Reset,
    /// Reads what nobody else does.
    pub(crate) reader: Reader,
}

/// Why look-ups can't begin.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartupError {
    #[error("topic {topic}: {error}")]
    Topic { topic: Topic, error: KafkaError },
    #[error("failed to start a thread: {0}")]
    Thread(#[from] std::io::Error),
}

/// The threads' end for the event loop.
pub(crate) struct Lookups {
    asks: Sender<Ask>,
    log_ends: LogEnds,
    clients: Arc<Clients>,
}

struct Worker {
    clients: Arc<Clients>,
    topics: Topics,
    starts: Starts,
    /// Something was wrong at the last look.
    troubled: bool,
}

impl Lookups {
    /// Looks at the topics once, until `until` at the latest, and goes on in threads of its own.
    pub(crate) fn start(
        clients: Arc<Clients>,
        places: Places,
        scope: Scope,
        until: Instant,
        answer: impl Fn(Heard) + Clone + Send + 'static,
    ) -> Result<(Self, BTreeSet<TopicPartition>), StartupError> {
        let topics = Topics::first_look(Arc::clone(&clients), scope.topics, until)
            .map_err(|(topic, error)| StartupError::Topic { topic, error })?;
        let partitions = topics.partitions();
        let ends_answer = answer.clone();
        let log_ends =
            LogEnds::start(Arc::clone(&clients), scope.reader, move |ends| ends_answer(Heard::Ends(ends)))?;
        let starts = Starts {
            clients: Arc::clone(&clients),
            places,
            instance: scope.instance_id,
            reset: scope.reset,
            timed: Timed::default(),
        };
        let worker = Worker { clients: Arc::clone(&clients), topics, starts, troubled: false };
        let (asks, received) = unbounded();
        thread::Builder::new().name("lookups".to_owned()).spawn(move || worker.run(&received, answer))?;
        Ok((Self { asks, log_ends, clients }, partitions))
    }

    pub(crate) fn ask(&self, ask: Ask) {
        match ask {
            Ask::Unfetched(unfetched) => self.log_ends.ask(unfetched),
            // The thread ends only with the process.
            ask @ (Ask::Start { .. } | Ask::Log { .. } | Ask::Trouble) => drop(self.asks.send(ask)),
        }
    }
}

impl Lookups {
    /// The supervisor's own clients go on with these properties.
    pub(crate) fn take_properties(&self, properties: &BTreeMap<String, String>) {
        self.clients.take_properties(properties);
    }
}

impl Worker {
    fn run(mut self, asks: &Receiver<Ask>, answer: impl Fn(Heard)) {
        let mut topics_at = now() + TOPICS_EVERY;
        loop {
            let first = match asks.recv_deadline(topics_at) {
                Ok(ask) => Some(ask),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            // Those that come together are answered together.
            self.asked(first.into_iter().chain(asks.try_iter()), &answer);
            self.clients.serve();
            let time = now();
            if time >= topics_at {
                topics_at = time + TOPICS_EVERY;
                self.topics.look().map(Heard::Topics).into_iter().for_each(&answer);
                let troubles = self.topics.troubles();
                if !troubles.is_empty() || self.troubled {
                    self.troubled = !troubles.is_empty();
                    answer(Heard::Troubles(troubles));
                }
            }
        }
    }

    fn asked(&mut self, asks: impl Iterator<Item = Ask>, answer: &impl Fn(Heard)) {
        let (mut starts, mut logs, mut trouble) = (Vec::new(), Vec::new(), false);
        for ask in asks {
            match ask {
                Ask::Start { partition, request, made_again } => {
                    starts.push(Asked { partition, request, made_again });
                }
                Ask::Log { partition, ticket } => logs.push((partition, ticket)),
                Ask::Trouble => trouble = true,
                Ask::Unfetched(_) => {}
            }
        }
        if trouble {
            answer(Heard::Seen(self.clients.look_closer()));
        }
        if !logs.is_empty() {
            self.logs(logs, answer);
        }
        if !starts.is_empty() {
            self.starts(starts).into_iter().for_each(|found| answer(Heard::Start(found)));
        }
    }

    fn logs(&self, asked: Vec<(TopicPartition, Ticket)>, answer: &impl Fn(Heard)) {
        let logs = self.clients.logs(&asked.iter().map(|(key, _)| key.clone()).collect());
        for (partition, ticket) in asked {
            let log = logs.get(&partition).cloned().unwrap_or(Err(KafkaError::Unknown));
            answer(Heard::Log { partition, ticket, log });
        }
    }

    fn starts(&mut self, asked: Vec<Asked>) -> Vec<Found> {
        let found = self.starts.find(&mut self.topics, asked);
        found.iter().for_each(Found::say);
        found
    }
}
