//! The network between one supervisor and the ZooKeeper servers: a listener on loopback for each server, which can be cut,
//! frozen or slowed down.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use kafkavisor_tests::waiting::{pause, work_for};

/// How the network is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Network {
    /// As it should be.
    Open,
    /// Connections are closed, new ones too.
    Cut,
    /// Nothing goes through, nobody is told.
    Frozen,
    /// Every piece takes so much longer.
    Slow(Duration),
}

/// How often a connection looks whether the network has changed.
const LOOK: Duration = Duration::from_millis(20);

/// The proxy of one supervisor.
#[derive(Debug)]
pub(super) struct Proxy {
    network: Arc<Mutex<Network>>,
    /// What the supervisor is given as its ZooKeeper.
    pub(super) addresses: Vec<String>,
}

impl Proxy {
    /// In front of these servers. It lasts as long as the process.
    pub(super) fn start(servers: &[String]) -> Self {
        let network = Arc::new(Mutex::new(Network::Open));
        let addresses = servers.iter().map(|server| listen(server.clone(), Arc::clone(&network))).collect();
        Self { network, addresses }
    }

    /// From now on the network is so.
    pub(super) fn set(&self, network: Network) {
        *lock(&self.network) = network;
    }
}

fn lock(network: &Mutex<Network>) -> MutexGuard<'_, Network> {
    network.lock().unwrap_or_else(PoisonError::into_inner)
}

fn listen(server: String, network: Arc<Mutex<Network>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it has an address").to_string();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let (server, network) = (server.clone(), Arc::clone(&network));
            thread::spawn(move || connect(&client, &server, &network));
        }
    });
    address
}

fn connect(client: &TcpStream, server: &str, network: &Arc<Mutex<Network>>) {
    // While it is frozen a connection is accepted by the kernel, and that is all.
    while *lock(network) == Network::Frozen {
        pause(LOOK);
    }
    if *lock(network) == Network::Cut {
        return;
    }
    let Ok(server) = TcpStream::connect(server) else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let copy = |from: &TcpStream, to: &TcpStream| {
        let (from, to) = (from.try_clone().ok()?, to.try_clone().ok()?);
        let network = Arc::clone(network);
        Some(thread::spawn(move || forward(&from, &to, &network)))
    };
    let (there, back) = (copy(client, &server), copy(&server, client));
    for thread in [there, back].into_iter().flatten() {
        let _ = thread.join();
    }
}

/// Copies until either side ends or the network is cut; then both sides are closed.
fn forward(mut from: &TcpStream, mut to: &TcpStream, network: &Mutex<Network>) {
    let mut buffer = [0; 16 * 1024];
    let _ = from.set_read_timeout(Some(LOOK));
    loop {
        let now = *lock(network);
        match now {
            Network::Cut => break,
            Network::Frozen => {
                pause(LOOK);
                continue;
            }
            Network::Open | Network::Slow(_) => {}
        }
        let read = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => continue,
            Err(_) => break,
        };
        if let Network::Slow(by) = now {
            work_for(by);
        }
        // What was on its way when the network froze arrives when it thaws.
        while *lock(network) == Network::Frozen {
            pause(LOOK);
        }
        if *lock(network) == Network::Cut || to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
