//! Another address of a server, which can be given up.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// Forwards connections to a server until it is stopped.
#[derive(Debug)]
pub struct Forwarder {
    address: SocketAddr,
    server: Arc<Mutex<String>>,
    stopped: Arc<AtomicBool>,
    connections: Arc<Mutex<Vec<TcpStream>>>,
}

impl Forwarder {
    /// To the server at `HOST:PORT`.
    pub fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let server = Arc::new(Mutex::new(server.to_owned()));
        let forwarder = Self { address, server, stopped: Arc::default(), connections: Arc::default() };
        let (server, stopped, connections) = (
            Arc::clone(&forwarder.server),
            Arc::clone(&forwarder.stopped),
            Arc::clone(&forwarder.connections),
        );
        thread::spawn(move || {
            while let Ok((client, _)) = listener.accept() {
                if stopped.load(Ordering::Acquire) {
                    return;
                }
                let server = server.lock().unwrap().clone();
                let Ok(server) = TcpStream::connect(server) else { continue };
                connections.lock().unwrap().extend([&client, &server].map(|end| end.try_clone().unwrap()));
                both_ways(client, server);
            }
        });
        forwarder
    }

    /// Its address.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Another server is behind its address from here on, and what was connected is not any more.
    pub fn turn_to(&self, server: &str) {
        server.clone_into(&mut self.server.lock().unwrap());
        self.cut();
    }

    /// Nobody listens at its address any more, and what was connected is not.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        // Wakes the one that accepts, which then lets go of the address.
        drop(TcpStream::connect(self.address));
        self.cut();
    }

    fn cut(&self) {
        for connection in self.connections.lock().unwrap().drain(..) {
            // It may have ended of itself.
            let _ = connection.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.stop();
    }
}

fn both_ways(client: TcpStream, server: TcpStream) {
    let (to, from) = (server.try_clone().expect("a socket"), client.try_clone().expect("a socket"));
    thread::spawn(move || one_way(client, to));
    thread::spawn(move || one_way(server, from));
}

fn one_way(mut from: TcpStream, mut to: TcpStream) {
    let mut chunk = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut chunk) {
        if to.write_all(&chunk[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}
