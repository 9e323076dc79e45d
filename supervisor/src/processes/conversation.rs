//! A worker's socket: what is said to it, and what it says. Nobody waits for the other.

use std::os::unix::net::UnixStream;

use crossbeam_channel::Sender;
use kafkavisor_link::lines::Lines;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc::UnboundedReceiver;

use super::workers::{Heard, Ticket};

/// Talks until the worker's end closes, or nobody listens to it any more.
pub(super) async fn converse(
    socket: UnixStream,
    ticket: Ticket,
    heard: Sender<Heard>,
    mut to_say: UnboundedReceiver<Vec<u8>>,
) {
    if let Ok(socket) = tokio::net::UnixStream::from_std(socket) {
        let (mut input, mut output) = socket.into_split();
        let say = async {
            while let Some(words) = to_say.recv().await {
                if output.write_all(&words).await.is_err() {
                    break;
                }
            }
            // Held open until it has said its last: for the worker our end means that we are gone.
            std::future::pending::<()>().await;
        };
        let hear = async {
            let mut lines = Lines::default();
            let mut chunk = vec![0; 4096];
            while let Ok(count @ 1..) = input.read(&mut chunk).await {
                match lines.push(chunk.get(..count).unwrap_or_default()) {
                    Ok(messages) => {
                        messages.into_iter().for_each(|said| drop(heard.send(Heard::Said(ticket, said))));
                    }
                    Err(error) => {
                        log::error!("a worker's socket: {error}");
                        break;
                    }
                }
            }
        };
        tokio::select! {
            () = say => {}
            () = hear => {}
        }
    }
    let _loop_is_over = heard.send(Heard::Closed(ticket));
}
