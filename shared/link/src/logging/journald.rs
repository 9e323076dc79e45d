//! Lines for systemd's journal: in its own protocol, with fields of their own. Where there is no journal, or none any more, as
//! it reads them from a service's stderr: the priority in front.
//!
//! A journal that is busy makes the thread that writes wait, and nobody else: what does not fit the queue meanwhile is dropped and
//! counted like any line that is not read in time.

use std::io::{self, Write as _};

use kafkavisor::ids::Group;
use log::kv::Value;
use log::{Level, Record};
use systemd_journal_logger::JournalLog;

use super::line::Line;
use super::queue::Write;
use super::text::Said;

/// What `journalctl -t` finds all of it by.
const IDENTIFIER: &str = "kafkavisor";

/// Lines to the journal; an error where there is none.
pub(super) fn open(group: Option<&Group>) -> io::Result<Write> {
    let log = JournalLog::empty()?.with_syslog_identifier(IDENTIFIER.to_owned());
    let group = group.map(|group| ("KAFKAVISOR_GROUP", group.as_str()));
    let mut journal = Journal { log: log.with_extra_fields(group), away: false };
    Ok(Box::new(move |line| journal.write(line)))
}

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

/// The level that the journal's client gives this [`priority`]: it has another one for each level, and info in place of debug.
fn for_the_client(level: Level) -> Level {
    match level {
        Level::Error | Level::Warn => level,
        Level::Info => Level::Debug,
        Level::Debug | Level::Trace => Level::Trace,
    }
}

struct Journal {
    log: JournalLog,
    /// It did not take the last line.
    away: bool,
}

impl Journal {
    fn write(&mut self, line: &Line) {
        let Err(error) = self.send(line) else {
            self.away = false;
            return;
        };
        // Nobody is left to tell where that can't be written.
        let mut stderr = io::stderr();
        if !std::mem::replace(&mut self.away, true) {
            let _unwritable =
                writeln!(stderr, "<4>the journal takes no lines ({error}): until it does they go to stderr");
        }
        let _unwritable = stderr.write_all(render(line).as_bytes());
    }

    fn send(&self, line: &Line) -> io::Result<()> {
        let mut fields = vec![("KAFKAVISOR_PID", Value::from(line.pid))];
        if let Some(partition) = &line.partition {
            fields.push(("KAFKAVISOR_TOPIC", Value::from(partition.topic.as_str())));
            fields.push(("KAFKAVISOR_PARTITION", Value::from(partition.partition.0)));
        }
        let mut record = Record::builder();
        record.level(for_the_client(line.level)).target(&line.target).key_values(&fields);
        self.log.journal_send(&record.args(format_args!("{}", Said(line))).build())
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

    #[test]
    fn each_level_has_one_priority_whichever_way_a_line_goes() {
        // As the client's documentation has it.
        let clients = |level| match level {
            Level::Error => 3,
            Level::Warn => 4,
            Level::Info => 5,
            Level::Debug => 6,
            Level::Trace => 7,
        };
        for level in Level::iter() {
            assert_eq!(clients(for_the_client(level)), priority(level), "{level}");
        }
    }
}
