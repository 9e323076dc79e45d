//! What keys do.

#![expect(clippy::wildcard_enum_match_arm, reason = "most keys mean nothing")]

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::view::{Page, View};
use crate::commands::listing::row::Row;

/// All of them.
pub(super) const HELP: &str = "\
q Esc Ctrl-C      quit; Esc goes back first, and takes a filter away
↑ ↓ k j           the row above, below
PgUp PgDn         a page up, down
Home End g G      the first, the last
Enter             the partition in detail, as `kafkavisor status TOPIC:PARTITION` has it
/                 filter: words in a partition's name, state or reason; Enter ends it
c                 only what needs care, or all
s                 sort: care, lag, age of the lag, rate, age in flight, restarts, name
r                 the other way round
e                 what happened last, newest last
?                 this

What needs care comes first: hanging, crash_loop, parked, backing_off, killing, paused, starting, draining.
BEHIND is the age of the oldest message that is not acknowledged.
";

/// Whether it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    Goes,
    Ends,
}

impl View {
    /// A key was pressed.
    pub(super) fn key(&mut self, key: KeyEvent) -> Flow {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return if key.code == KeyCode::Char('c') { Flow::Ends } else { Flow::Goes };
        }
        if self.typing {
            self.typed(key.code);
            return Flow::Goes;
        }
        if self.moved(key.code) {
            return Flow::Goes;
        }
        match key.code {
            KeyCode::Char('q') => return Flow::Ends,
            KeyCode::Esc => return self.back(),
            KeyCode::Char('?') => self.turn_to(Page::Help),
            KeyCode::Char('e') => self.turn_to(Page::Events),
            _ if self.page == Page::Table => self.arrange(key.code),
            _ => {}
        }
        Flow::Goes
    }

    fn arrange(&mut self, key: KeyCode) {
        match key {
            KeyCode::Enter => self.open(),
            KeyCode::Char('/') => self.typing = true,
            KeyCode::Char('c') => self.order.care = !self.order.care,
            KeyCode::Char('r') => self.order.reversed = !self.order.reversed,
            KeyCode::Char('s') => {
                self.order.by = self.order.by.next();
                // Who asks for the most wants to see it.
                (self.chosen, self.top) = (None, 0);
            }
            _ => {}
        }
    }

    fn typed(&mut self, key: KeyCode) {
        match key {
            KeyCode::Char(c) => self.order.filter.push(c),
            KeyCode::Backspace => {
                self.order.filter.pop();
            }
            KeyCode::Enter => self.typing = false,
            KeyCode::Esc => {
                self.typing = false;
                self.order.filter.clear();
            }
            _ => {
                self.moved(key);
            }
        }
    }

    fn open(&mut self) {
        let chosen = self.rows().get(self.place()).map(Row::name);
        let Some(Ok(partition)) = chosen.as_deref().map(str::parse) else { return };
        (self.wanted, self.detail) = (Some(partition), None);
        self.turn_to(Page::Detail);
    }

    fn turn_to(&mut self, page: Page) {
        (self.page, self.top, self.newest) = (page, 0, true);
    }

    fn back(&mut self) -> Flow {
        if self.page != Page::Table {
            self.turn_to(Page::Table);
        } else if self.order.filter.is_empty() {
            return Flow::Ends;
        } else {
            self.order.filter.clear();
        }
        Flow::Goes
    }

    /// Whether it was a key that moves.
    fn moved(&mut self, key: KeyCode) -> bool {
        let page = isize::try_from(self.fit.saturating_sub(1).max(1)).unwrap_or(1);
        let by = match key {
            KeyCode::Up => -1,
            KeyCode::Down => 1,
            KeyCode::PageUp => -page,
            KeyCode::PageDown => page,
            KeyCode::Home => isize::MIN,
            KeyCode::End => isize::MAX,
            KeyCode::Char('k') if !self.typing => -1,
            KeyCode::Char('j') if !self.typing => 1,
            KeyCode::Char('g') if !self.typing => isize::MIN,
            KeyCode::Char('G') if !self.typing => isize::MAX,
            _ => return false,
        };
        if self.page == Page::Table {
            self.choose(by);
        } else {
            self.scroll(by);
        }
        true
    }

    fn choose(&mut self, by: isize) {
        let rows = self.rows();
        let to = self.place().saturating_add_signed(by).min(rows.len().saturating_sub(1));
        self.chosen = rows.get(to).map(Row::name);
    }

    fn scroll(&mut self, by: isize) {
        let last = self.there.saturating_sub(self.fit);
        self.top = self.top.saturating_add_signed(by).min(last);
        self.newest = self.top == last;
    }

    /// Where the chosen row stands: the first, where it is gone.
    pub(super) fn place(&self) -> usize {
        let chosen = |name: &String| self.rows().iter().position(|row| row.name() == *name);
        self.chosen.as_ref().and_then(chosen).unwrap_or(0)
    }
}
