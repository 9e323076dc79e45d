//! Which lines are written, and whose they are.

use kafkavisor::clock::wall_millis;
use kafkavisor::config::{Log as Settings, LogFormat};
use kafkavisor::ids::{Group, TopicPartition};
use log::{Level, LevelFilter, Log, Metadata, Record};

use super::line::{HANDLER, Line};
use super::queue::{Queue, to_stderr};
use super::{journald, json, text};

/// Who speaks in this process's lines where they do not say so themselves.
#[derive(Debug, Clone, Default)]
pub struct Speaker {
    /// The consumer group that it works for.
    pub group: Option<Group>,
    /// A worker's.
    pub partition: Option<TopicPartition>,
    /// The process.
    pub pid: i32,
}

#[derive(Debug)]
struct Logger {
    queue: Queue,
    speaker: Speaker,
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Libraries speak only of trouble, unless everything is asked for.
        let ours = metadata.target().starts_with("kafkavisor") || metadata.target() == HANDLER;
        let level = log::max_level();
        let level = if ours { level } else { level.min(quieter(level)) };
        metadata.level() <= level
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            self.queue.push(Line::of(record, &self.speaker), |lines| self.dropped(lines));
        }
    }

    fn flush(&self) {
        self.queue.flush();
    }
}

impl Logger {
    fn dropped(&self, lines: u64) -> Line {
        Line {
            wall_millis: wall_millis(),
            level: Level::Warn,
            target: module_path!().to_owned(),
            partition: self.speaker.partition.clone(),
            pid: self.speaker.pid,
            shows_pid: self.speaker.partition.is_some(),
            message: format!("{lines} log lines were dropped: nobody read them in time"),
        }
    }
}

fn quieter(level: LevelFilter) -> LevelFilter {
    match level {
        LevelFilter::Trace => LevelFilter::Trace,
        LevelFilter::Debug => LevelFilter::Info,
        LevelFilter::Off => LevelFilter::Off,
        LevelFilter::Info | LevelFilter::Warn | LevelFilter::Error => LevelFilter::Error,
    }
}

/// Writes the log of this process from here on, as `settings` say.
pub fn start(settings: &Settings, speaker: Speaker) {
    let (write, amiss) = match settings.format {
        LogFormat::Text => (to_stderr(text::render), None),
        LogFormat::Json => (to_stderr(json::render), None),
        LogFormat::Journald => match journald::open(speaker.group.as_ref()) {
            Ok(write) => (write, None),
            Err(error) => (to_stderr(journald::render), Some(error)),
        },
    };
    let Ok(queue) = Queue::start(write) else { return };
    // A worker finds what its supervisor has found, which has said so.
    let says = speaker.partition.is_none();
    if log::set_boxed_logger(Box::new(Logger { queue, speaker })).is_ok() {
        set_level(settings.level);
        if let Some(error) = amiss.filter(|_| says) {
            log::warn!(
                "systemd's journal can't be reached ({error}): the log goes to stderr, with priorities in front"
            );
        }
    }
}

/// The least important that is written from here on.
pub fn set_level(level: LevelFilter) {
    log::set_max_level(level);
}
