//! What discovery's answers mean while it runs. Only other brokers of the same Kafka cluster, beside the same ZooKeeper, are taken
//! up; whatever else is said changes nothing, and an operator is told of it once, until something else is said.
//!
//! | answer | becomes |
//! |---|---|
//! | the servers that are in use, in whatever order | nothing |
//! | other brokers, the same ZooKeeper | a look at their cluster's id: the same one is taken up, another or none is told |
//! | another ZooKeeper | told |
//! | nothing that can be used: an empty list, an error, nobody there | told |

use kafkavisor::config::{Servers, ZookeeperAddress};

/// What is in use, and what was told last.
#[derive(Debug)]
pub(super) struct Watch {
    servers: Servers,
    /// The Kafka cluster's id; empty where it has none.
    cluster_id: String,
    told: Option<String>,
}

/// What is to be done about an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Nothing.
    Nothing,
    /// An operator should know of a trouble.
    Warn(String),
    /// ... or that it is over.
    Tell(String),
    /// Of which Kafka cluster are these?
    Look(Vec<String>),
    /// These are the brokers from here on.
    Take(Vec<String>),
}

impl Watch {
    pub(super) fn new(servers: Servers, cluster_id: String) -> Self {
        Self { servers, cluster_id, told: None }
    }

    /// Takes in an answer.
    pub(super) fn hear(&mut self, answer: Result<Servers, String>) -> Heard {
        let found = match answer {
            Ok(found) => found,
            Err(error) => return self.warn(format!("{error}: the cluster stays as it was found")),
        };
        if !same_ensemble(self.servers.zookeeper.as_ref(), found.zookeeper.as_ref()) {
            let named =
                |address: Option<&ZookeeperAddress>| address.map_or("none".to_owned(), ToString::to_string);
            return self.warn(format!(
                "it names another ZooKeeper, {} instead of {}: nothing is changed, only a restart takes that up",
                named(found.zookeeper.as_ref()),
                named(self.servers.zookeeper.as_ref())
            ));
        }
        if sorted(&found.brokers) == sorted(&self.servers.brokers) {
            let over = self
                .told
                .take()
                .map(|_| Heard::Tell("it names the servers that are in use again".to_owned()));
            return over.unwrap_or(Heard::Nothing);
        }
        Heard::Look(found.brokers)
    }

    /// Takes in what these brokers say of their cluster: its id.
    pub(super) fn looked(&mut self, brokers: Vec<String>, cluster_id: Result<String, String>) -> Heard {
        let named = brokers.join(",");
        match cluster_id {
            Ok(id) if !id.is_empty() && id == self.cluster_id => {
                self.told = None;
                self.servers.brokers.clone_from(&brokers);
                Heard::Take(brokers)
            }
            Ok(id) => {
                let ours = &self.cluster_id;
                self.warn(format!(
                    "it names brokers of another Kafka cluster, {named} (id {id:?} instead of {ours:?}): nothing is changed, only a \
                     restart takes that up"
                ))
            }
            Err(error) => self.warn(format!(
                "it names other brokers, {named}, and they don't say whether they are of the same Kafka cluster: {error}: nothing is \
                 changed"
            )),
        }
    }

    fn warn(&mut self, what: String) -> Heard {
        if self.told.as_ref() == Some(&what) {
            return Heard::Nothing;
        }
        self.told = Some(what.clone());
        Heard::Warn(what)
    }
}

fn sorted(servers: &[String]) -> Vec<&str> {
    let mut servers: Vec<&str> = servers.iter().map(String::as_str).collect();
    servers.sort_unstable();
    servers
}

fn same_ensemble(one: Option<&ZookeeperAddress>, other: Option<&ZookeeperAddress>) -> bool {
    let identity = |address: &ZookeeperAddress| {
        (sorted(&address.servers).into_iter().map(str::to_owned).collect::<Vec<_>>(), address.chroot.clone())
    };
    one.map(identity) == other.map(identity)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn servers(brokers: &[&str], zookeeper: &str) -> Servers {
        let brokers = brokers.iter().map(|broker| (*broker).to_owned()).collect();
        Servers { brokers, zookeeper: Some(zookeeper.parse().unwrap()) }
    }

    fn watch() -> Watch {
        Watch::new(servers(&["k1:1", "k2:1"], "z1:1,z2:1/kafka"), "ours".to_owned())
    }

    #[test]
    fn the_same_servers_in_another_order_are_nothing_new() {
        let mut watch = watch();
        assert_eq!(watch.hear(Ok(servers(&["k2:1", "k1:1"], "z2:1,z1:1/kafka"))), Heard::Nothing);
    }

    #[test]
    fn other_brokers_of_the_same_cluster_are_taken_up() {
        let mut watch = watch();
        let other = vec!["k3:1".to_owned()];
        assert_eq!(watch.hear(Ok(servers(&["k3:1"], "z1:1,z2:1/kafka"))), Heard::Look(other.clone()));
        assert_eq!(watch.looked(other.clone(), Ok("ours".to_owned())), Heard::Take(other));
        assert_eq!(
            watch.hear(Ok(servers(&["k3:1"], "z1:1,z2:1/kafka"))),
            Heard::Nothing,
            "they are in use now"
        );
        assert!(
            matches!(watch.hear(Ok(servers(&["k1:1", "k2:1"], "z1:1,z2:1/kafka"))), Heard::Look(_)),
            "and back"
        );
    }

    #[test]
    fn another_cluster_is_told_once_and_never_taken_up() {
        let mut watch = watch();
        let other = || vec!["k3:1".to_owned()];
        for (id, words) in [
            (Ok("theirs"), "another Kafka cluster"),
            (Ok(""), "another Kafka cluster"),
            (Err("not reached"), "not reached"),
        ] {
            let id = || id.map(str::to_owned).map_err(str::to_owned);
            assert!(matches!(watch.looked(other(), id()), Heard::Warn(text) if text.contains(words)));
            assert_eq!(watch.looked(other(), id()), Heard::Nothing, "said once");
        }
        assert!(
            matches!(watch.hear(Ok(servers(&["k1:1", "k2:1"], "z1:1,z2:1/kafka"))), Heard::Tell(_)),
            "it is over"
        );
        assert_eq!(watch.hear(Ok(servers(&["k1:1", "k2:1"], "z1:1,z2:1/kafka"))), Heard::Nothing);
    }

    #[test]
    fn a_cluster_without_an_id_is_never_known_to_be_the_same() {
        let mut watch = Watch::new(servers(&["k1:1"], "z:1"), String::new());
        assert!(matches!(watch.looked(vec!["k2:1".to_owned()], Ok(String::new())), Heard::Warn(_)));
    }

    #[test]
    fn another_zookeeper_changes_nothing_whatever_the_brokers() {
        for zookeeper in ["z1:1,z2:1/other", "z1:1,z2:1", "z1:1/kafka"] {
            let mut watch = watch();
            let heard = watch.hear(Ok(servers(&["k3:1"], zookeeper)));
            assert!(matches!(heard, Heard::Warn(text) if text.contains("another ZooKeeper")));
            assert_eq!(watch.hear(Ok(servers(&["k3:1"], zookeeper))), Heard::Nothing, "said once");
        }
        let gone = Servers { zookeeper: None, ..servers(&["k1:1", "k2:1"], "z:1") };
        assert!(matches!(watch().hear(Ok(gone)), Heard::Warn(text) if text.contains("none instead of")));
    }

    #[test]
    fn a_service_that_is_away_is_told_once_for_each_change() {
        let mut watch = watch();
        let ours = || Ok(servers(&["k1:1", "k2:1"], "z1:1,z2:1/kafka"));
        assert!(
            matches!(watch.hear(Err("away".to_owned())), Heard::Warn(text) if text.starts_with("away: "))
        );
        assert_eq!(watch.hear(Err("away".to_owned())), Heard::Nothing);
        assert!(matches!(watch.hear(Err("nonsense".to_owned())), Heard::Warn(_)));
        assert!(matches!(watch.hear(ours()), Heard::Tell(_)));
        assert!(matches!(watch.hear(Err("away".to_owned())), Heard::Warn(_)), "anew");
    }

    proptest! {
        #[test]
        fn only_brokers_of_the_same_cluster_beside_the_same_zookeeper_are_ever_taken_up(
            answers in proptest::collection::vec((0..4_usize, 0..3_usize, 0..4_usize), 1..20),
        ) {
            let mut watch = watch();
            for (brokers, zookeeper, id) in answers {
                let names: [&[&str]; 4] = [&["k1:1", "k2:1"], &["k3:1"], &["k4:1", "k5:1"], &["k2:1"]];
                let zookeepers = ["z1:1,z2:1/kafka", "z2:1,z1:1/kafka", "z3:1/kafka"];
                let Heard::Look(brokers) = watch.hear(Ok(servers(names[brokers], zookeepers[zookeeper]))) else { continue };
                prop_assert!(zookeeper < 2);
                let ids = [Ok("ours"), Ok("theirs"), Ok(""), Err("away")];
                let id = ids[id].map(str::to_owned).map_err(str::to_owned);
                let same = id == Ok("ours".to_owned());
                prop_assert_eq!(matches!(watch.looked(brokers, id), Heard::Take(_)), same);
            }
        }
    }
}
