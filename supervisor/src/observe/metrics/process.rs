//! Metrics of this process, as Prometheus's clients name them; what the system does not say is left out.

use std::fs;

use kafkavisor::clock::wall_millis;
use nix::sys::resource::{Resource, getrlimit};
use nix::unistd::{SysconfVar, sysconf};

use super::family::{Family, Kind, Labels, Value};

pub(super) fn families() -> Vec<Family> {
    let stat = fs::read_to_string("/proc/self/stat").ok();
    let stat = stat.as_deref().and_then(Stat::parse);
    let open = fs::read_dir("/proc/self/fd").ok().map(|entries| {
        // One of them is the folder that is read.
        u64::try_from(entries.count()).unwrap_or_default().saturating_sub(1)
    });
    let most = getrlimit(Resource::RLIMIT_NOFILE).ok().map(|(soft, _)| soft);
    let seconds = |ticks: u64| Value::Real(real(ticks) / hertz());
    vec![
        family(
            "process_cpu",
            Some("seconds"),
            Kind::Counter,
            "Processor time that the supervisor has spent.",
            stat.map(|stat| seconds(stat.cpu)),
        ),
        family(
            "process_resident_memory",
            Some("bytes"),
            Kind::Gauge,
            "Memory of the supervisor that is resident.",
            stat.map(|stat| Value::Whole(stat.resident_pages.saturating_mul(page_size()))),
        ),
        family(
            "process_virtual_memory",
            Some("bytes"),
            Kind::Gauge,
            "Address space of the supervisor.",
            stat.map(|stat| Value::Whole(stat.virtual_bytes)),
        ),
        family("process_open_fds", None, Kind::Gauge, "Open descriptors of the supervisor.", open),
        family("process_max_fds", None, Kind::Gauge, "Descriptors that the supervisor may open.", most),
        family(
            "process_start_time",
            Some("seconds"),
            Kind::Gauge,
            "When the supervisor was started, in seconds since 1970.",
            stat.and_then(|stat| Some(Value::Real(booted()? + real(stat.started) / hertz()))),
        ),
    ]
}

fn family(
    name: &'static str,
    unit: Option<&'static str>,
    kind: Kind,
    help: &'static str,
    value: Option<impl Into<Value>>,
) -> Family {
    let mut family = Family::new(name, unit, kind, help);
    if let Some(value) = value {
        family.push(Labels::default(), value);
    }
    family
}

/// What `/proc/PID/stat` says of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stat {
    /// Ticks in it and in the kernel for it.
    cpu: u64,
    /// Ticks after the machine was booted.
    started: u64,
    virtual_bytes: u64,
    resident_pages: u64,
}

impl Stat {
    fn parse(text: &str) -> Option<Self> {
        // The name may hold anything; its end is the last parenthesis. What follows is the third field.
        let (_, fields) = text.rsplit_once(')')?;
        let fields: Vec<_> = fields.split_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Self {
            cpu: field(14)?.saturating_add(field(15)?),
            started: field(22)?,
            virtual_bytes: field(23)?,
            resident_pages: field(24)?,
        })
    }
}

/// When the machine was booted, in seconds since 1970.
fn booted() -> Option<f64> {
    let uptime = fs::read_to_string("/proc/uptime").ok()?;
    let uptime: f64 = uptime.split_whitespace().next()?.parse().ok()?;
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 are below 2^52")]
    let wall = wall_millis() as f64 / 1000.0;
    Some(wall - uptime)
}

fn hertz() -> f64 {
    let ticks = sysconf(SysconfVar::CLK_TCK).ok().flatten().and_then(|ticks| u64::try_from(ticks).ok());
    real(ticks.unwrap_or(100))
}

fn page_size() -> u64 {
    let size = sysconf(SysconfVar::PAGE_SIZE).ok().flatten().and_then(|size| u64::try_from(size).ok());
    size.unwrap_or(4096)
}

#[expect(clippy::cast_precision_loss, reason = "ticks of a machine's life are below 2^52")]
fn real(ticks: u64) -> f64 {
    ticks as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_may_be_named_like_anything() {
        let text = "7 (a) b (c)) S 1 7 7 0 -1 4194304 100 0 0 0 30 12 0 0 20 0 4 0 5000 9000 25 18446744073709551615";
        let expected = Stat { cpu: 42, started: 5000, virtual_bytes: 9000, resident_pages: 25 };
        assert_eq!(Stat::parse(text), Some(expected));
        assert_eq!(Stat::parse("7 (a) S 1"), None);
    }

    #[test]
    fn this_process_is_known() {
        for family in families() {
            assert_eq!(family.series.len(), 1, "{family:?}");
        }
    }
}
