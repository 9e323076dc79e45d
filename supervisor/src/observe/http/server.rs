//! The server: a thread and a runtime of its own, so that whatever browsers, probes and strangers do, the loop does not notice.
//!
//! | what | bound |
//! |---|---|
//! | connections | 512; when full, the one that has been silent longest gives way |
//! | a request's head | whole within 30 s, at most 16 KiB |
//! | a request's body | never read |
//! | an answer | taken within 30 s without a pause as long as that |

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use kafkavisor::clock::now;
use kafkavisor_link::panics;
use tokio::runtime::Builder;
use tokio::time::{interval, sleep};

use super::connections::Connections;
use super::routes::Routes;

/// Until a request's head is whole.
const HEAD_WITHIN: Duration = Duration::from_secs(30);
/// Its longest.
const HEAD_BYTES: usize = 16 << 10;
/// After no connection could be taken.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
/// Threads that wait for workers to describe themselves.
const DESCRIBING: usize = 8;

/// Listens at `address`, `HOST:PORT`; port 0 is chosen by the system.
pub(crate) fn listen(address: &str) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Serves until the process ends.
pub(crate) fn serve(listener: TcpListener, routes: Routes) -> io::Result<SocketAddr> {
    let address = listener.local_addr()?;
    let runtime = Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(DESCRIBING)
        .on_thread_start(panics::end_alone)
        .build()?;
    let routes = Arc::new(routes);
    let work = move || {
        panics::end_alone();
        if let Err(error) = runtime.block_on(accept(listener, routes)) {
            log::error!("HTTP at {address}: {error}: it is not served any more");
        }
    };
    thread::Builder::new().name("http".to_owned()).spawn(work)?;
    Ok(address)
}

async fn accept(listener: TcpListener, routes: Arc<Routes>) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let connections = Connections::default();
    let watched = connections.clone();
    tokio::spawn(async move {
        let mut beat = interval(Duration::from_secs(1));
        loop {
            beat.tick().await;
            watched.close_stuck(now());
        }
    });
    for number in 0u64.. {
        let (stream, _) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                log::debug!("HTTP: {error}");
                // Without descriptors it would fail again at once.
                sleep(ACCEPT_AGAIN).await;
                continue;
            }
        };
        let (stream, place) = connections.take(number, stream);
        let routes = Arc::clone(&routes);
        let task = tokio::spawn(async move {
            let _place = place;
            let service = service_fn(|request| {
                let routes = Arc::clone(&routes);
                // A task of its own: where it meets a bug, this one request does.
                let answer = tokio::spawn(async move { routes.answer(&request).await });
                async move { Ok::<_, Infallible>(answer.await.unwrap_or_else(|_| Routes::failed())) }
            });
            let served = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_WITHIN)
                // Who has asked may say no more and still listen.
                .half_close(true)
                .max_buf_size(HEAD_BYTES)
                .serve_connection(TokioIo::new(stream), service)
                .await;
            if let Err(error) = served {
                log::debug!("HTTP: {error}");
            }
        });
        connections.served_by(number, task.abort_handle());
    }
    Ok(())
}
