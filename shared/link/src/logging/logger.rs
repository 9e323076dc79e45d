//! Which lines are written, and whose they are.

use kafkavisor::clock::wall_millis;
use kafkavisor::config::{Log as Settings, LogFormat};
use kafkavisor::ids::TopicPartition;
use log::{Level, LevelFilter, Log, Metadata, Record};

use super::line::{HANDLER, Line};
use super::queue::Queue;
use super::{journald, json, text};

/// Who speaks in this process's lines where they do not say so themselves.
#[derive(Debug, Clone, Default)]
pub struct Speaker {
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
    let render = match settings.format {
        LogFormat::Text => text::render,
        LogFormat::Json => json::render,
        LogFormat::Journald => journald::render,
    };
    let Ok(queue) = Queue::start(render) else { return };
    if log::set_boxed_logger(Box::new(Logger { queue, speaker })).is_ok() {
        set_level(settings.level);
    }
}

/// The least important that is written from here on.
pub fn set_level(level: LevelFilter) {
    log::set_max_level(level);
}
