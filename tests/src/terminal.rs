//! A terminal with a program on it: keys go in, and what stands on the screen is read.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::num::NonZeroU16;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use nix::poll::{PollFd, PollFlags, poll};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use vt100::Parser;

use crate::waiting::until;

/// See the module.
#[derive(Debug)]
pub struct Terminal {
    program: Child,
    /// The terminal's own end.
    keyboard: File,
    /// The program's end, held open.
    line: File,
    seen: Arc<Mutex<Seen>>,
    reader: Option<JoinHandle<()>>,
    /// Nobody reads what it shows any more.
    left: Arc<AtomicBool>,
}

struct Seen {
    parser: Parser,
    bytes: usize,
}

impl std::fmt::Debug for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seen").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

fn count(number: u16) -> NonZeroU16 {
    NonZeroU16::new(number).expect("no terminal is without rows and columns")
}

fn size(rows: u16, columns: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

fn read(mut output: File, seen: &Mutex<Seen>, left: &AtomicBool) {
    let mut buffer = [0; 4096];
    while !left.load(Ordering::Acquire) {
        let mut line = [PollFd::new(output.as_fd(), PollFlags::POLLIN)];
        if poll(&mut line, 50u8).is_ok_and(|ready| ready == 0) {
            continue;
        }
        let Ok(count @ 1..) = output.read(&mut buffer) else { return };
        let mut seen = seen.lock().expect("nobody panics with it");
        seen.parser.process(&buffer[..count]);
        seen.bytes += count;
    }
}

impl Terminal {
    /// `program` with these arguments, on a terminal of this size.
    pub fn start(program: &str, arguments: &[&str], rows: u16, columns: u16) -> Self {
        // Nobody else may hold its end, or it would never be gone.
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master: OwnedFd = openpt(flags).expect("a pseudo-terminal");
        grantpt(&master).and_then(|()| unlockpt(&master)).expect("it may be opened");
        tcsetwinsize(&master, size(rows, columns)).expect("it has a size");
        let name = ptsname(&master, Vec::new()).expect("it has a name").into_string().expect("of text");
        let line = OpenOptions::new().read(true).write(true).open(name).expect("it is opened");
        let end = || line.try_clone().expect("a descriptor");
        // In a session of its own, or a new size would be told to nobody.
        let mut command = Command::new("setsid");
        command
            .args(["--ctty", program])
            .args(arguments)
            .env("TERM", "xterm-256color")
            .env_remove("NO_COLOR");
        let program = command.stdin(end()).stdout(end()).stderr(end()).spawn().expect("setsid is there");
        let keyboard = File::from(master);
        let seen =
            Arc::new(Mutex::new(Seen { parser: Parser::new(count(rows), count(columns), 0), bytes: 0 }));
        let output = keyboard.try_clone().expect("a descriptor");
        let left = Arc::new(AtomicBool::new(false));
        let reader = thread::spawn({
            let (seen, left) = (Arc::clone(&seen), Arc::clone(&left));
            move || read(output, &seen, &left)
        });
        Self { program, keyboard, line, seen, reader: Some(reader), left }
    }

    /// Types.
    pub fn keys(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).expect("it takes keys");
    }

    /// What stands on it.
    pub fn screen(&self) -> String {
        self.seen.lock().expect("nobody panics with it").parser.screen().contents()
    }

    /// Whether a program has it for itself alone, with keys as they come.
    pub fn is_taken(&self) -> bool {
        let raw = !tcgetattr(&self.line).expect("a terminal").local_modes.contains(LocalModes::ICANON);
        let alternate = self.seen.lock().expect("nobody panics with it").parser.screen().alternate_screen();
        let hidden = self.seen.lock().expect("nobody panics with it").parser.screen().hide_cursor();
        raw || alternate || hidden
    }

    /// So much has been written on it.
    pub fn bytes(&self) -> usize {
        self.seen.lock().expect("nobody panics with it").bytes
    }

    /// Waits until its screen is like that, and gives it.
    #[track_caller]
    pub fn wait_for(&self, what: &str, condition: impl Fn(&str) -> bool) -> String {
        let mut last = String::new();
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            until(what, || {
                last = self.screen();
                condition(&last).then_some(())
            });
        }));
        assert!(found.is_ok(), "{what}: this stands there:\n{last}");
        last
    }

    /// Makes it larger or smaller.
    pub fn resize(&self, rows: u16, columns: u16) {
        self.seen
            .lock()
            .expect("nobody panics with it")
            .parser
            .screen_mut()
            .set_size(count(rows), count(columns));
        tcsetwinsize(&self.keyboard, size(rows, columns)).expect("it has a size");
    }

    /// Goes away, as a window that is closed or a connection that drops.
    pub fn hang_up(&mut self) {
        self.left.store(true, Ordering::Release);
        self.reader.take().expect("only once").join().expect("it reads");
        let nothing = || File::open("/dev/null").expect("it is there");
        (self.keyboard, self.line) = (nothing(), nothing());
    }

    /// The program's process.
    pub fn pid(&self) -> i32 {
        self.program.id().try_into().expect("a pid")
    }

    /// The program's exit code, or the signal it died of as a negative one.
    pub fn wait_exit(&mut self) -> i32 {
        let status =
            until("the program on the terminal has ended", || self.program.try_wait().expect("it is ours"));
        status.code().unwrap_or_else(|| -status.signal().unwrap_or(0))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _gone = self.program.kill();
        let _gone = self.program.wait();
    }
}
