//! What `/metrics` shows, read back, and Prometheus's own opinion of it.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use crate::web::get;

/// A metric as its comments describe it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// What it is.
    pub kind: String,
    /// What it means.
    pub help: String,
}

/// One scrape.
#[derive(Debug, Clone)]
pub struct Scrape {
    /// As it was sent.
    pub text: String,
    /// By name.
    pub described: BTreeMap<String, Described>,
    /// Each series, as it is written, and its number.
    pub series: BTreeMap<String, f64>,
}

impl Scrape {
    /// Of whoever serves it there.
    #[track_caller]
    pub fn of(address: SocketAddr) -> Self {
        let answer = get(address, "/metrics");
        assert_eq!(answer.code, 200, "{answer:?}");
        Self::read(&answer.body)
    }

    /// Of the text format.
    #[track_caller]
    pub fn read(text: &str) -> Self {
        let (mut described, mut series) = (BTreeMap::new(), BTreeMap::new());
        let mut help = "";
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                help = rest.split_once(' ').unwrap_or_else(|| panic!("no help: {line}")).1;
            } else if let Some((name, kind)) =
                line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' '))
            {
                let of = Described { kind: kind.to_owned(), help: help.to_owned() };
                assert_eq!(described.insert(name.to_owned(), of), None, "{name} is described twice");
            } else {
                let (name, number) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no series: {line}"));
                let number = number.parse().unwrap_or_else(|_| panic!("no number: {line}"));
                assert_eq!(series.insert(name.to_owned(), number), None, "{name} is there twice");
            }
        }
        Self { text: text.to_owned(), described, series }
    }

    /// The number of the one series of that name that has these labels, as they are written, among its own.
    #[track_caller]
    pub fn value(&self, name: &str, labels: &[&str]) -> f64 {
        let found = self.all(name, labels);
        assert_eq!(found.len(), 1, "{name} {labels:?}: {found:?}");
        found[0]
    }

    /// The numbers of all series of that name that have these labels.
    pub fn all(&self, name: &str, labels: &[&str]) -> Vec<f64> {
        let fits = |series: &str| {
            let (of, rest) = series.split_once('{').unwrap_or((series, ""));
            of == name && labels.iter().all(|label| rest.contains(label))
        };
        self.series.iter().filter(|(series, _)| fits(series)).map(|(_, number)| *number).collect()
    }

    /// Their sum.
    pub fn sum(&self, name: &str, labels: &[&str]) -> f64 {
        self.all(name, labels).iter().sum()
    }

    /// What must never fall: counters, and all of a histogram.
    pub fn growing(&self) -> BTreeMap<&str, f64> {
        let grows = |series: &str| {
            let name = series.split('{').next().unwrap_or_default();
            let ends = ["_bucket", "_sum", "_count"].iter().filter_map(|end| name.strip_suffix(end));
            let kind = |name: &str| self.described.get(name).map(|described| described.kind.as_str());
            kind(name) == Some("counter") || ends.into_iter().any(|name| kind(name) == Some("histogram"))
        };
        let growing = self.series.iter().filter(|(series, _)| grows(series));
        growing.map(|(series, number)| (series.as_str(), *number)).collect()
    }
}

/// Runs `promtool` with `input`, and gives what it says and whether it found nothing wrong.
pub fn promtool(arguments: &[&str], input: &str) -> (bool, String) {
    let mut child = Command::new("promtool")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool, of Debian's package prometheus");
    let mut stdin = child.stdin.take().expect("its stdin");
    stdin.write_all(input.as_bytes()).expect("it reads");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}
