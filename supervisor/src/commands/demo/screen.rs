//! What the demo says, line by line, and a table below it: drawn over and over on a terminal, else when it is worth a look.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use kafkavisor::clock::now;

use super::super::print;
use super::super::table::{Style, room, table};
use crate::exit::Failure;
use crate::observe::status::Status;

/// How often a terminal's table is drawn.
const DRAW_EVERY: Duration = Duration::from_millis(500);

/// See the module.
pub(super) struct Screen {
    pub(super) style: Style,
    live: bool,
    drawn_at: Instant,
    /// Lines of the table that is the last thing drawn.
    drawn_lines: usize,
}

impl Screen {
    pub(super) fn new() -> Self {
        let live = std::io::stdout().is_terminal();
        Self { style: Style::of_stdout(), live, drawn_at: now(), drawn_lines: 0 }
    }

    /// Says something. What was drawn before stays above it.
    pub(super) fn say(&mut self, what: &str) -> Result<(), Failure> {
        self.drawn_lines = 0;
        print(&format!("{} {what}\n", self.style.bold("→")))
    }

    /// Draws the table, over the one before if that is the last thing drawn.
    pub(super) fn draw(&mut self, status: &Status) -> Result<(), Failure> {
        self.drawn_at = now();
        let text = table(status, self.style, room());
        let back = if self.live && self.drawn_lines > 0 {
            format!("\x1b[{}A\x1b[J", self.drawn_lines)
        } else {
            String::new()
        };
        self.drawn_lines = text.lines().count();
        print(&format!("{back}{text}"))
    }

    /// Draws it on a terminal, where it has not been drawn just now.
    pub(super) fn redraw(&mut self, status: &Status) -> Result<(), Failure> {
        if self.live && now().saturating_duration_since(self.drawn_at) >= DRAW_EVERY {
            self.draw(status)?;
        }
        Ok(())
    }
}
