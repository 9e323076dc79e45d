//! The terminal: taken, drawn on no more often than something has changed, and given back whatever happens.

use std::io::{self, stdin, stdout};
use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::exit;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded, unbounded};
use kafkavisor::clock::{now, wall_millis};
use kafkavisor::ids::TopicPartition;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::write;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::crossterm::terminal::disable_raw_mode;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGTSTP};
use signal_hook::low_level::emulate_default_handler;

use super::asking;
use super::draw::draw;
use super::keys::Flow;
use super::view::{Look, View, Wanted};
use crate::commands::table::Style;
use crate::exit::{Exit, Failure};

/// Answers and signals are looked for so often; keys are seen at once.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// The same, while the terminal's keys are waited for elsewhere.
const LOOK_EVERY_MILLIS: u8 = 100;
/// From the end that is asked for to the end that is made.
const END_WITHIN_MILLIS: u16 = 1_000;
/// The screen as it was, and a cursor on it.
const AS_IT_WAS: &[u8] = b"\x1b[?1049l\x1b[?25h";

/// Gives the terminal back, after a panic too.
struct Taken;

impl Drop for Taken {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// What is asked of it from outside.
#[derive(Debug, Clone, Default)]
struct Asked {
    end: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
}

impl Asked {
    fn of_signals() -> io::Result<Self> {
        let asked = Self::default();
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register(signal, Arc::clone(&asked.end))?;
        }
        signal_hook::flag::register(SIGTSTP, Arc::clone(&asked.stop))?;
        Ok(asked)
    }

    fn to_end(&self) -> bool {
        self.end.load(Ordering::Acquire)
    }
}

/// Watches until a key or a signal ends it, or its terminal is gone.
pub(in crate::commands) fn run(socket: &Path, partition: Option<TopicPartition>) -> Result<Exit, Failure> {
    // What is wrong from the beginning is told as without --watch.
    let wanted = Wanted { partition: partition.clone(), events: false };
    crate::commands::find::status(socket)?;
    if let Some(partition) = &partition {
        asking::detail(socket, partition)?;
    }
    let asked = Asked::of_signals().map_err(terminal_fails)?;
    let (want, wants) = unbounded();
    let (send, looks) = bounded(1);
    let _asked_at_once = want.send(wanted);
    let socket = socket.to_owned();
    let ask = move || asking::ask(&socket, &wants, &send);
    thread::Builder::new().name("look".to_owned()).spawn(ask).map_err(terminal_fails)?;
    let view = View::new(partition, Style::of_stdout().colour, now(), wall_millis());
    let mut terminal = ratatui::try_init().map_err(terminal_fails)?;
    let taken = Taken;
    let ends = asked.clone();
    let end = move || end(&ends);
    thread::Builder::new().name("end".to_owned()).spawn(end).map_err(terminal_fails)?;
    let watched = watch(&mut terminal, view, &want, &looks, &asked);
    drop(taken);
    if asked.to_end() {
        // A terminal that is gone takes no more pictures: that is no failure of ours.
        return Ok(Exit::Clean);
    }
    watched.map(|()| Exit::Clean).map_err(terminal_fails)
}

fn terminal_fails(error: io::Error) -> Failure {
    Failure::failed(format!("status --watch: the terminal can't be used: {error}"))
}

/// Whether nobody is at the other end of the terminal any more; looks for so long.
fn is_gone(within: PollTimeout) -> bool {
    let input = stdin();
    let mut line = [PollFd::new(input.as_fd(), PollFlags::empty())];
    let found = poll(&mut line, within).is_ok_and(|ready| ready > 0);
    found && line[0].revents().is_none_or(|events| !events.is_empty())
}

/// Sees to it that it ends when it is asked to. What reads keys never comes back from a terminal that is gone, and what draws not
/// from one that takes nothing.
#[expect(clippy::exit, reason = "the thread that would return stands in a call that never ends")]
fn end(asked: &Asked) {
    while !asked.to_end() {
        if is_gone(PollTimeout::from(LOOK_EVERY_MILLIS)) {
            asked.end.store(true, Ordering::Release);
        }
    }
    let _its_time = poll(&mut [], PollTimeout::from(END_WITHIN_MILLIS));
    let _gone = disable_raw_mode();
    let output = stdout();
    let mut line = [PollFd::new(output.as_fd(), PollFlags::POLLOUT)];
    if poll(&mut line, PollTimeout::ZERO).is_ok_and(|ready| ready > 0) {
        let _gone = write(output.as_fd(), AS_IT_WAS);
    }
    exit(Exit::Clean as i32);
}

/// Stands still as any program does, with the terminal given back meanwhile.
fn stop(terminal: &mut DefaultTerminal) -> io::Result<()> {
    ratatui::restore();
    terminal.show_cursor()?;
    emulate_default_handler(SIGTSTP)?;
    *terminal = ratatui::try_init()?;
    Ok(())
}

/// Ctrl-Z, that the terminal makes no signal of while keys come one by one.
fn stops(key: KeyEvent) -> bool {
    key.code == KeyCode::Char('z') && key.modifiers.contains(KeyModifiers::CONTROL)
}

fn watch(
    terminal: &mut DefaultTerminal,
    mut view: View,
    want: &Sender<Wanted>,
    looks: &Receiver<Look>,
    asked: &Asked,
) -> io::Result<()> {
    let (mut changed, mut wanted) = (true, view.wanted());
    while !asked.to_end() {
        if asked.stop.swap(false, Ordering::AcqRel) {
            stop(terminal)?;
            changed = true;
        }
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
            if key.kind == KeyEventKind::Release {
                continue;
            }
            if stops(key) {
                asked.stop.store(true, Ordering::Release);
            } else if view.key(key) == Flow::Ends {
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
