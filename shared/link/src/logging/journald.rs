//! Lines for systemd's journal, as it reads them from a service's stderr: the priority in front.

use log::Level;

use super::line::Line;
use super::text::Said;

/// `<PRIORITY>` and what people read; the journal knows the time.
pub(super) fn render(line: &Line) -> String {
    format!("<{}>{}\n", priority(line.level), Said(line))
}

/// As syslog counts.
fn priority(level: Level) -> u8 {
    match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    }
}

#[cfg(test)]
mod tests {
    use super::super::line::tests::of_a_worker;
    use super::*;

    #[test]
    fn the_journal_reads_the_priority_off_the_front() {
        assert_eq!(render(&of_a_worker("slow\nand more")), "<4>orders:3 [4711] slow\\nand more\n");
    }
}
