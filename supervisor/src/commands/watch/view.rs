//! What is known of the supervisor, and what is shown of it.

use std::time::{Duration, Instant};

use kafkavisor::ids::TopicPartition;
use kafkavisor_link::logging::timestamp;

use super::order::Order;
use super::rates::Rates;
use crate::commands::detail;
use crate::commands::events::{self, Event};
use crate::commands::listing::row::Row;
use crate::commands::table::Style;
use crate::observe::detail::Detail;
use crate::observe::status::Status;

/// Without an answer for so long there is none.
const PATIENCE: Duration = Duration::from_secs(3);

/// What is on the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Page {
    Table,
    Detail,
    Events,
    Help,
}

/// What is asked beside the status.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) partition: Option<TopicPartition>,
    pub(super) events: bool,
}

/// An answer, or why there is none.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) status: Result<Status, String>,
    /// Of the partition that was wanted, where one was.
    pub(super) detail: Option<(TopicPartition, Result<Detail, String>)>,
    pub(super) events: Vec<Event>,
}

/// No answer.
#[derive(Debug)]
pub(super) struct Silence {
    pub(super) since: String,
    pub(super) why: String,
}

/// See the module.
#[derive(Debug)]
pub(super) struct View {
    pub(super) status: Status,
    pub(super) rates: Rates,
    pub(super) order: Order,
    pub(super) page: Page,
    /// What is typed goes into the filter.
    pub(super) typing: bool,
    /// The row that keys act on, by its name: it may move.
    pub(super) chosen: Option<String>,
    /// The first row, or line, that is shown.
    pub(super) top: usize,
    /// Whether the newest events are kept in sight.
    pub(super) newest: bool,
    /// So many rows, or lines, are there; and fit.
    pub(super) there: usize,
    pub(super) fit: usize,
    pub(super) detail: Option<(TopicPartition, Result<Detail, String>)>,
    pub(super) wanted: Option<TopicPartition>,
    pub(super) events: Vec<Event>,
    pub(super) silence: Option<Silence>,
    answered: Instant,
    answered_wall: i64,
    pub(super) colour: bool,
}

impl View {
    /// Of the whole, or of one partition.
    pub(super) fn new(partition: Option<TopicPartition>, colour: bool, at: Instant, wall: i64) -> Self {
        Self {
            status: Status::default(),
            rates: Rates::default(),
            order: Order::default(),
            page: if partition.is_some() { Page::Detail } else { Page::Table },
            typing: false,
            chosen: None,
            top: 0,
            newest: true,
            there: 0,
            fit: 1,
            detail: None,
            wanted: partition,
            events: Vec::new(),
            silence: None,
            answered: at,
            answered_wall: wall,
            colour,
        }
    }

    pub(super) fn wanted(&self) -> Wanted {
        let partition = self.wanted.clone().filter(|_| self.page == Page::Detail);
        Wanted { partition, events: self.page == Page::Events }
    }

    /// An answer has come; `wall` is the present for people.
    pub(super) fn take(&mut self, look: Look, at: Instant, wall: i64) {
        match look.status {
            Ok(status) => {
                self.rates.take(&status, at);
                (self.status, self.silence) = (status, None);
                (self.answered, self.answered_wall) = (at, wall);
            }
            Err(why) => self.be_silent(why),
        }
        if look.detail.as_ref().is_some_and(|(of, _)| Some(of) == self.wanted.as_ref()) {
            self.detail = look.detail;
        }
        if !look.events.is_empty() {
            self.events = look.events;
        }
    }

    /// Time has passed. Whether anything is shown differently for it.
    pub(super) fn tick(&mut self, at: Instant) -> bool {
        let quiet = at.saturating_duration_since(self.answered) >= PATIENCE && self.silence.is_none();
        if quiet {
            self.be_silent("it says nothing".to_owned());
        }
        quiet
    }

    fn be_silent(&mut self, why: String) {
        let time = timestamp(self.answered_wall);
        let since = time.get(11..19).unwrap_or_default().to_owned();
        self.silence = Some(Silence { since, why });
    }

    /// The rows that are shown.
    pub(super) fn rows(&self) -> Vec<Row<'_>> {
        let rows = self.status.partitions.iter().map(|partition| {
            let row = Row { partition, rate: None };
            Row { rate: self.rates.of(&row.name()), ..row }
        });
        self.order.of(rows.collect())
    }

    /// The lines of what is no table.
    pub(super) fn text(&self) -> String {
        let plain = Style { colour: false };
        match self.page {
            Page::Table => String::new(),
            Page::Help => super::keys::HELP.to_owned(),
            Page::Events => self.events.iter().map(|event| events::in_words(event, plain)).collect(),
            Page::Detail => match &self.detail {
                Some((_, Ok(detail))) => detail::text(detail, plain),
                Some((_, Err(why))) => format!("{why}\n"),
                None => "asking…\n".to_owned(),
            },
        }
    }
}
