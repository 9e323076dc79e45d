//! A network that can be cut: a proxy in front of ZooKeeper.

use std::sync::Arc;

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    up: bool,
    /// Connections of an earlier number are closed.
    number: u32,
    /// So long takes what the server says.
    latency: Duration,
}

pub(crate) struct Proxy {
    address: String,
    network: Arc<watch::Sender<Network>>,
}

impl Proxy {
    pub(crate) async fn start(servers: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let network = Arc::new(watch::Sender::new(Network { up: true, number: 0, latency: Duration::ZERO }));
        let (server, state) = (servers.to_owned(), Arc::clone(&network));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(forward(client, server.clone(), state.subscribe()));
            }
        });
        Self { address, network }
    }

    pub(crate) fn address(&self) -> String {
        self.address.clone()
    }

    pub(crate) fn reset_connections(&self) {
        self.network.send_modify(|network| network.number += 1);
    }

    /// Answers come so late from now on.
    pub(crate) fn delay_answers(&self, latency: Duration) {
        self.network.send_modify(|network| network.latency = latency);
    }

    /// Nothing gets through, and nobody is told: connections stay open and are accepted.
    pub(crate) fn stop_forwarding(&self) {
        self.network.send_modify(|network| network.up = false);
    }

    pub(crate) fn forward(&self) {
        self.network.send_modify(|network| (network.up, network.number) = (true, network.number + 1));
    }
}

async fn forward(client: TcpStream, server: String, mut network: watch::Receiver<Network>) {
    let born = network.borrow_and_update().number;
    if network.wait_for(|now| now.up || now.number != born).await.is_err() {
        return;
    }
    let Ok(server) = TcpStream::connect(server).await else { return };
    let born = network.borrow_and_update().number;
    let (mut questions, client) = client.into_split();
    let (answers, mut server) = server.into_split();
    tokio::select! {
        _ = copy(&mut questions, &mut server) => return,
        () = answer(answers, client, network.clone()) => return,
        _ = network.wait_for(|now| !now.up || now.number != born) => {}
    }
    // Silence on both sides until the network is back; then this connection is gone.
    let _ = network.wait_for(|now| now.number != born).await;
}

async fn answer(mut server: OwnedReadHalf, mut client: OwnedWriteHalf, network: watch::Receiver<Network>) {
    let mut chunk = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = server.read(&mut chunk).await {
        let latency = network.borrow().latency;
        sleep(latency).await;
        if client.write_all(chunk.get(..count).unwrap_or_default()).await.is_err() {
            return;
        }
    }
}
