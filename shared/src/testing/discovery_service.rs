//! A stand-in for the discovery service: it serves a cluster, or some, from memory, over HTTP.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, PoisonError, RwLock};

use super::http::{Answer, Request, Server};
use super::served::Served;

/// A stand-in for the discovery service, for integration tests; it answers until it is dropped.
///
/// It has what yelp_kafka's `kafka-discovery-testing` container has: the cluster `local_cluster`, of whichever type, the region
/// `acceptance_test_region` and the superregion `acceptance_test_superregion`. `kafkavisor-discovery` is the same as a program, for compose files.
///
/// ```
/// use kafkavisor::testing::{DiscoveryService, Served};
///
/// let service = DiscoveryService::start(Served { broker_list: vec!["127.0.0.1:9092".to_owned()], ..Served::default() })?;
/// println!("kafkavisor clusters --type standard --discovery {}", service.url());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct DiscoveryService {
    served: Arc<RwLock<Served>>,
    server: Server,
}

impl DiscoveryService {
    /// Serves on a free port of the loopback interface.
    pub fn start(served: Served) -> io::Result<Self> {
        Self::listen((Ipv4Addr::LOCALHOST, 0).into(), served)
    }

    /// Serves at `address`.
    pub fn listen(address: SocketAddr, served: Served) -> io::Result<Self> {
        let served = Arc::new(RwLock::new(served));
        let present = Arc::clone(&served);
        let answer = move |request: &Request| -> Answer {
            // The value in it is whole whoever panicked: it is only ever replaced.
            present.read().unwrap_or_else(PoisonError::into_inner).answer(request)
        };
        Ok(Self { served, server: Server::start(address, answer)? })
    }

    /// Its root, `http://HOST:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Serves something else from here on.
    pub fn serve(&self, served: Served) {
        *self.served.write().unwrap_or_else(PoisonError::into_inner) = served;
    }
}
