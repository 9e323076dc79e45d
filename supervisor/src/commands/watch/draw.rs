//! The view on a screen: what concerns the whole, the table or a text, and the keys.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

use super::order::By;
use super::view::{Page, View};
use crate::commands::listing::columns::{Columns, WATCHED, cut, wrapped};
use crate::commands::listing::head::{self, Tone};
use crate::commands::listing::row::Row;
use crate::commands::table::Level;

/// The screen.
pub(super) fn draw(frame: &mut Frame<'_>, view: &mut View) {
    let area = frame.area();
    let width = usize::from(area.width);
    let mut lines = above(view, width, usize::from(area.height / 3).max(2));
    let room = usize::from(area.height).saturating_sub(lines.len() + 1);
    lines.extend(if view.page == Page::Table { table(view, width, room) } else { text(view, width, room) });
    for (line, y) in lines.iter().zip(area.top()..area.bottom().saturating_sub(1)) {
        frame.render_widget(line, Rect { y, height: 1, ..area });
    }
    let foot = Rect { y: area.bottom().saturating_sub(1), height: area.height.min(1), ..area };
    frame.render_widget(below(view, width), foot);
}

fn colour(view: &View, colour: Color) -> Style {
    if view.colour { Style::new().fg(colour) } else { Style::new() }
}

/// What concerns the whole, in no more than so many lines; that nobody answers comes before everything.
fn above(view: &View, width: usize, most: usize) -> Vec<Line<'static>> {
    let bad = colour(view, Color::Red).add_modifier(Modifier::BOLD);
    let mut lines: Vec<Line<'static>> = Vec::new();
    if let Some(silence) = &view.silence {
        let said =
            format!("no answer since {} UTC, what is shown is from then: {}", silence.since, silence.why);
        lines.push(Line::styled(cut(&said.replace('\n', " "), width), bad));
    }
    let told = head::lines(&view.status, view.rates.sum());
    let (room, all) = (most.saturating_sub(lines.len()), told.len());
    // The last one, how many partitions are in which state, is always there.
    let left_out = all.saturating_sub(room);
    for (at, line) in told.into_iter().enumerate() {
        if left_out > 0 && (all - 1 - left_out..all - 1).contains(&at) {
            continue;
        }
        let style = match line.tone {
            Tone::Title => Style::new().add_modifier(Modifier::BOLD),
            Tone::Trouble => bad,
            Tone::Plain => Style::new(),
        };
        let lead = cut(&line.lead, width);
        let more = if left_out > 0 && at == all - 1 {
            format!("; {left_out} more in `kafkavisor status`")
        } else {
            String::new()
        };
        let rest = cut(&format!("{}{more}", line.rest), width.saturating_sub(Span::raw(&lead).width()));
        lines.push(Line::from(vec![Span::styled(lead, style), Span::raw(rest)]));
    }
    lines
}

fn table(view: &mut View, width: usize, room: usize) -> Vec<Line<'static>> {
    let place = view.place();
    view.fit = room.saturating_sub(1).max(1);
    view.there = view.rows().len();
    view.top =
        view.top.min(view.there.saturating_sub(view.fit)).clamp((place + 1).saturating_sub(view.fit), place);
    let rows = view.rows();
    let columns = Columns::fit(&WATCHED, &rows, Some(width), true);
    let mut lines =
        vec![Line::styled(cut(&columns.headings(), width), Style::new().add_modifier(Modifier::DIM))];
    if rows.is_empty() && !view.status.partitions.is_empty() {
        lines.push(Line::raw("no partition is like that"));
    }
    for (at, row) in rows.iter().enumerate().skip(view.top).take(view.fit) {
        lines.push(line(view, &columns, row, at == place));
    }
    lines
}

fn line(view: &View, columns: &Columns, row: &Row<'_>, chosen: bool) -> Line<'static> {
    let [before, state, behind] = columns.row(row);
    let style = match Level::of(row.kind()) {
        Level::Good => colour(view, Color::Green),
        Level::Passing => colour(view, Color::Yellow),
        Level::Bad => colour(view, Color::Red).add_modifier(Modifier::BOLD),
    };
    let line = Line::from(vec![Span::raw(before), Span::styled(state, style), Span::raw(behind)]);
    if chosen { line.style(Style::new().add_modifier(Modifier::REVERSED)) } else { line }
}

fn text(view: &mut View, width: usize, room: usize) -> Vec<Line<'static>> {
    let lines = wrapped(&view.text(), width);
    (view.there, view.fit) = (lines.len(), room.max(1));
    let last = lines.len().saturating_sub(view.fit);
    view.top = if view.page == Page::Events && view.newest { last } else { view.top.min(last) };
    lines.into_iter().skip(view.top).take(view.fit).map(Line::raw).collect()
}

fn below(view: &View, width: usize) -> Line<'static> {
    if view.typing {
        return Line::raw(cut(&format!("/{}▏", view.order.filter), width));
    }
    let keys = "q quit  ? help  Enter detail  / filter  c care  s sort  r reverse  e events";
    let said = match view.page {
        Page::Table => format!("{}{keys}", arranged(view)),
        Page::Detail | Page::Events | Page::Help => "q quit  Esc back  ↑↓ scroll".to_owned(),
    };
    Line::styled(cut(&said, width), Style::new().add_modifier(Modifier::DIM))
}

/// How the rows are picked and ordered, where not as in the beginning.
fn arranged(view: &View) -> String {
    let order = &view.order;
    let mut said = Vec::new();
    if !order.filter.is_empty() {
        said.push(format!("{} like /{}  ", view.there, order.filter));
    }
    if order.care {
        said.push("only what needs care  ".to_owned());
    }
    if order.by != By::Care || order.reversed {
        let reversed = if order.reversed { ", reversed" } else { "" };
        said.push(format!("by {}{reversed}  ", order.by.in_words()));
    }
    said.concat()
}
