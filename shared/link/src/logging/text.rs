//! Lines for people, and the place that a line is about as people read it.

use std::borrow::Cow;
use std::fmt::{self, Display, Formatter};

use kafkavisor::text;

use super::line::Line;
use super::timestamp::timestamp;

/// `TIME LEVEL TOPIC:PARTITION [PID] MESSAGE`, as much of it as there is.
pub(super) fn render(line: &Line) -> String {
    format!("{} {:<5} {}\n", timestamp(line.wall_millis), line.level, Said(line))
}

/// Where, who and what.
pub(super) struct Said<'a>(pub(super) &'a Line);

impl Display for Said<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let message = printable(&self.0.message);
        match &self.0.partition {
            Some(partition) if self.0.shows_pid => write!(f, "{partition} [{}] {message}", self.0.pid),
            Some(partition) => write!(f, "{partition}: {message}"),
            None => f.write_str(&message),
        }
    }
}

/// One record is one line, and nothing in it moves a cursor or changes a colour.
fn printable(text: &str) -> Cow<'_, str> {
    text::escaped(text, &['\t'])
}

#[cfg(test)]
mod tests {
    use super::super::line::tests::{of_a_worker, of_the_supervisor};
    use super::*;

    #[test]
    fn people_read_when_how_grave_where_and_what() {
        let when = "2023-11-14T22:13:20.123Z WARN ";
        assert_eq!(render(&of_a_worker("slow")), format!("{when} orders:3 [4711] slow\n"));
        assert_eq!(render(&of_the_supervisor("slow")), format!("{when} slow\n"));
        let about_a_partition = Line { shows_pid: false, ..of_a_worker("parked") };
        assert_eq!(render(&about_a_partition), format!("{when} orders:3: parked\n"));
    }

    #[test]
    fn one_record_is_one_line_and_nothing_in_it_is_obeyed_by_a_terminal() {
        let line = render(&of_a_worker("a\tb \u{1b}[2J \u{9b}5n \u{7f}\r\ntwo"));
        let obeyed = line.trim_end_matches('\n').chars().find(|c| c.is_control() && *c != '\t');
        assert_eq!(obeyed, None, "{line:?}");
    }
}
