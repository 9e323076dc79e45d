//! Which rows are shown, and in which order.

use std::cmp::Ordering;

use crate::commands::listing::row::Row;

/// By what they stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum By {
    /// What needs somebody soonest first.
    #[default]
    Care,
    Lag,
    Behind,
    Rate,
    InFlight,
    Restarts,
    Name,
}

impl By {
    const ALL: [Self; 7] =
        [Self::Care, Self::Lag, Self::Behind, Self::Rate, Self::InFlight, Self::Restarts, Self::Name];

    pub(super) fn next(self) -> Self {
        let at = Self::ALL.iter().position(|by| *by == self).unwrap_or(0);
        Self::ALL.get(at + 1).copied().unwrap_or_default()
    }

    pub(super) const fn in_words(self) -> &'static str {
        match self {
            Self::Care => "care",
            Self::Lag => "lag",
            Self::Behind => "age of the lag",
            Self::Rate => "rate",
            Self::InFlight => "age in flight",
            Self::Restarts => "restarts",
            Self::Name => "name",
        }
    }

    /// What is most comes first.
    fn compare(self, a: &Row<'_>, b: &Row<'_>) -> Ordering {
        let (x, y) = (a.partition, b.partition);
        let first = match self {
            Self::Care => a.rank().cmp(&b.rank()),
            Self::Lag => y.lag.cmp(&x.lag),
            Self::Behind => y.lag_seconds.total_cmp(&x.lag_seconds),
            Self::Rate => b.rate.unwrap_or(-1.0).total_cmp(&a.rate.unwrap_or(-1.0)),
            Self::InFlight => y.oldest_in_flight_seconds.total_cmp(&x.oldest_in_flight_seconds),
            Self::Restarts => y.restarts_total.cmp(&x.restarts_total),
            Self::Name => Ordering::Equal,
        };
        first.then_with(|| (&x.topic, x.partition).cmp(&(&y.topic, y.partition)))
    }
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub(super) struct Order {
    pub(super) by: By,
    pub(super) reversed: bool,
    /// Only what needs care.
    pub(super) care: bool,
    /// Words that all have to be there: in the name, the state, or why.
    pub(super) filter: String,
}

impl Order {
    pub(super) fn of<'a>(&self, rows: Vec<Row<'a>>) -> Vec<Row<'a>> {
        let filter = self.filter.to_lowercase();
        let terms: Vec<_> = filter.split_whitespace().collect();
        // A whole name means that one alone: orders:3 is not orders:30.
        let exact: Vec<bool> =
            terms.iter().map(|term| rows.iter().any(|row| row.name().to_lowercase() == **term)).collect();
        let wanted = |row: &Row<'_>| {
            let name = row.name().to_lowercase();
            let text = format!("{name} {} {}", row.kind(), row.why()).to_lowercase();
            let fits =
                |(term, exact): (&&str, &bool)| if *exact { name == **term } else { text.contains(*term) };
            (!self.care || row.needs_care()) && terms.iter().zip(&exact).all(fits)
        };
        let mut rows: Vec<_> = rows.into_iter().filter(wanted).collect();
        rows.sort_by(|a, b| self.by.compare(a, b));
        if self.reversed {
            rows.reverse();
        }
        rows
    }
}
