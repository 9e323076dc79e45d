//! A Prometheus of a test's own, on loopback, that scrapes one instance every second.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tempfile::TempDir;

use crate::waiting::{until, until_within};
use crate::web::get;

/// See the module.
#[derive(Debug)]
pub struct Prometheus {
    child: Child,
    address: SocketAddr,
    _folder: TempDir,
}

impl Prometheus {
    /// Starts one that scrapes whoever serves metrics there.
    pub fn scraping(address: SocketAddr) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let config = format!(
            "scrape_configs: [{{job_name: kafkavisor, scrape_interval: 1s, static_configs: [{{targets: ['{address}']}}]}}]"
        );
        std::fs::write(folder.path().join("prometheus.yml"), config).expect("its configuration");
        let mut child = Command::new("prometheus")
            .current_dir(&folder)
            .args([
                "--config.file=prometheus.yml",
                "--storage.tsdb.path=data",
                "--web.listen-address=127.0.0.1:0",
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("prometheus, of Debian's package of that name");
        let mut lines = BufReader::new(child.stderr.take().expect("its stderr")).lines();
        let listens = lines.find_map(|line| {
            let line = line.ok()?;
            let (_, rest) = line.split_once("msg=\"Listening on\" address=")?;
            rest.split(' ').next()?.parse().ok()
        });
        // What else it says must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let prometheus = Self { child, address: listens.expect("it says where it listens"), _folder: folder };
        until("Prometheus is ready", || (get(prometheus.address, "/-/ready").code == 200).then_some(()));
        prometheus
    }

    /// The samples that a query finds now.
    #[track_caller]
    pub fn query(&self, query: &str) -> Vec<Value> {
        let query = utf8_percent_encode(query, NON_ALPHANUMERIC);
        let answer = get(self.address, &format!("/api/v1/query?query={query}")).json();
        assert_eq!(answer["status"], "success", "{query}: {answer}");
        answer["data"]["result"].as_array().expect("a vector").clone()
    }

    /// Waits until a query finds something.
    pub fn until(&self, query: &str) {
        until_within(Duration::from_secs(20), query, || (!self.query(query).is_empty()).then_some(()));
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // What it has stored nobody wants.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
