//! The terminal: taken, drawn on no more often than something has changed, and given back whatever happens.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded, unbounded};
use kafkavisor::clock::{now, wall_millis};
use kafkavisor::ids::TopicPartition;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::asking;
use super::draw::draw;
use super::keys::Flow;
use super::view::{Look, View, Wanted};
use crate::commands::table::Style;
use crate::exit::{Exit, Failure};

/// Answers and signals are looked for so often; keys are seen at once.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Gives the terminal back, after a panic too.
struct Taken;

impl Drop for Taken {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// Watches until a key or a signal ends it.
pub(in crate::commands) fn run(socket: &Path, partition: Option<TopicPartition>) -> Result<Exit, Failure> {
    // What is wrong from the beginning is told as without --watch.
    let wanted = Wanted { partition: partition.clone(), events: false };
    crate::commands::find::status(socket)?;
    if let Some(partition) = &partition {
        asking::detail(socket, partition)?;
    }
    let ended = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&ended)).map_err(terminal_fails)?;
    }
    let (want, wants) = unbounded();
    let (send, looks) = bounded(1);
    let _asked_at_once = want.send(wanted);
    let socket = socket.to_owned();
    let ask = move || asking::ask(&socket, &wants, &send);
    thread::Builder::new().name("look".to_owned()).spawn(ask).map_err(terminal_fails)?;
    let view = View::new(partition, Style::of_stdout().colour, now(), wall_millis());
    let mut terminal = ratatui::try_init().map_err(terminal_fails)?;
    let taken = Taken;
    let watched = watch(&mut terminal, view, &want, &looks, &ended);
    drop(taken);
    watched.map(|()| Exit::Clean).map_err(terminal_fails)
}

fn terminal_fails(error: io::Error) -> Failure {
    Failure::failed(format!("status --watch: the terminal can't be used: {error}"))
}

fn watch(
    terminal: &mut DefaultTerminal,
    mut view: View,
    want: &Sender<Wanted>,
    looks: &Receiver<Look>,
    ended: &AtomicBool,
) -> io::Result<()> {
    let (mut changed, mut wanted) = (true, view.wanted());
    while !ended.load(Ordering::Acquire) {
        if changed {
            terminal.draw(|frame| draw(frame, &mut view))?;
        }
        changed = false;
        // All keys that are there before the next picture: a slow line gets no more pictures than it takes.
        let mut wait = LOOK_EVERY;
        while event::poll(wait)? {
            wait = Duration::ZERO;
            changed = true;
            let Event::Key(key) = event::read()? else { continue };
            if key.kind != KeyEventKind::Release && view.key(key) == Flow::Ends {
                return Ok(());
            }
        }
        if view.wanted() != wanted {
            wanted = view.wanted();
            let _asked_soon = want.send(wanted.clone());
        }
        match looks.try_recv() {
            Ok(look) => {
                view.take(look, now(), wall_millis());
                changed = true;
            }
            Err(TryRecvError::Empty) => changed |= view.tick(now()),
            Err(TryRecvError::Disconnected) => return Err(io::Error::other("nobody looks any more: a bug")),
        }
    }
    Ok(())
}
