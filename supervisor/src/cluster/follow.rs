//! Discovery asked again and again while it runs, on the thread for what people and programs ask for: neither the event loop nor
//! membership ever waits for it.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, after, never, unbounded};
use kafkavisor::clock::now;
use kafkavisor::config::{Config, Servers};
use kafkavisor_kafka::clients::Clients;

use super::question::Question;
use super::watch::{Heard, Watch};

/// It is asked this often.
const EVERY: Duration = Duration::from_secs(30);
/// Longest that brokers which are new to us may take to say whose they are.
const LOOK: Duration = Duration::from_secs(5);

/// What is followed.
pub(crate) struct Followed {
    pub(crate) servers: Servers,
    /// The Kafka cluster's id; empty where it has none.
    pub(crate) cluster_id: String,
    /// The supervisor's own, which take up new brokers.
    pub(crate) clients: Arc<Clients>,
}

/// Follows what discovery says of the configured cluster, if that is not named by its servers: what comes are brokers that workers
/// are to begin with from then on.
pub(crate) fn follow(config: &Config, followed: Followed) -> std::io::Result<Receiver<Vec<String>>> {
    let Some(question) = Question::of(config) else { return Ok(never()) };
    let Followed { servers, cluster_id, clients } = followed;
    let watch = Watch::new(servers, cluster_id);
    let mut follower = Follower { watch, question, clients };
    let (tell, brokers) = unbounded();
    let work = move || {
        loop {
            let _time = after(EVERY).recv();
            if let Some(brokers) = follower.turn() {
                let _loop_is_over = tell.send(brokers);
            }
        }
    };
    thread::Builder::new().name("discovery".to_owned()).spawn(work)?;
    Ok(brokers)
}

struct Follower {
    watch: Watch,
    question: Question,
    clients: Arc<Clients>,
}

impl Follower {
    /// One question and all that follows from its answer; brokers that are to be begun with from here on.
    fn turn(&mut self) -> Option<Vec<String>> {
        let mut heard = self.watch.hear(self.question.ask_again().map_err(|error| error.to_string()));
        if let Heard::Look(brokers) = heard {
            let cluster_id = cluster_id_of(&brokers, &self.clients);
            heard = self.watch.looked(brokers, cluster_id);
        }
        let whom = self.question.shown();
        match heard {
            Heard::Nothing | Heard::Look(_) => None,
            Heard::Warn(what) => {
                log::warn!("{whom}: {what}");
                None
            }
            Heard::Tell(what) => {
                log::info!("{whom}: {what}");
                None
            }
            Heard::Take(brokers) => {
                let named = brokers.join(",");
                log::info!(
                    "{whom}: it names other brokers of the same Kafka cluster, {named}: workers that are started from now on begin \
                     with them, and so do the supervisor's own clients"
                );
                self.clients.take_brokers(&brokers);
                Some(brokers)
            }
        }
    }
}

/// The id of the cluster that these brokers are of. Each is asked by itself, for one of another cluster would bring that one's topics;
/// those that do not answer are passed over, unless none does.
fn cluster_id_of(brokers: &[String], ours: &Clients) -> Result<String, String> {
    one_id(brokers.iter().map(|broker| (broker.as_str(), id_of(broker, ours))))
}

fn id_of(broker: &str, ours: &Clients) -> Result<String, String> {
    let clients = ours.beside(&[broker.to_owned()]).map_err(|error| error.to_string())?;
    clients.reach(now() + LOOK).map_err(|error| format!("{broker}: {error}"))?;
    Ok(clients.cluster_id())
}

fn one_id<'a>(told: impl Iterator<Item = (&'a str, Result<String, String>)>) -> Result<String, String> {
    let mut known: Option<(&str, String)> = None;
    let mut failed = None;
    for (broker, id) in told {
        match (id, &known) {
            (Ok(id), Some((first, other))) if id != *other => {
                return Err(format!("{first} and {broker} are of different Kafka clusters"));
            }
            (Ok(_), Some(_)) => {}
            (Ok(id), None) => known = Some((broker, id)),
            (Err(error), _) => failed = Some(error),
        }
    }
    known.map(|(_, id)| id).ok_or_else(|| failed.unwrap_or_else(|| "no brokers".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brokers_of_two_clusters_are_of_none() {
        let told = |ids: &[Result<&str, &str>]| {
            let names = ["a:1", "b:1", "c:1"].into_iter();
            let ids = ids.iter().map(|id| id.map(str::to_owned).map_err(str::to_owned));
            one_id(names.zip(ids))
        };
        assert_eq!(told(&[Ok("x"), Err("away"), Ok("x")]), Ok("x".to_owned()));
        assert_eq!(told(&[Err("away"), Err("too")]), Err("too".to_owned()));
        let both = told(&[Ok("x"), Err("away"), Ok("y")]).unwrap_err();
        assert!(both.contains("a:1 and c:1"), "{both}");
    }
}
