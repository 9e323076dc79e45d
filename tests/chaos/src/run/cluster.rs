//! The servers, through `script/cluster`.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use kafkavisor_tests::environment::project;
use serde_json::{Value, json};

use super::command;

/// A JVM that starts on a busy machine takes its time.
const WITHIN: Duration = Duration::from_secs(90);

/// A cluster that is up.
#[derive(Debug)]
pub(super) struct Cluster {
    folder: PathBuf,
    /// `HOST:PORT` of each broker, where anybody may do everything.
    pub(super) brokers: Vec<String>,
    /// ... where supervisors go.
    pub(super) listeners: Vec<String>,
    /// What librdkafka needs there.
    pub(super) kafka: Value,
    /// `HOST:PORT` of each ZooKeeper server.
    pub(super) zookeepers: Vec<String>,
}

impl Cluster {
    /// The one that `script/cluster env` speaks of; to a secure one supervisors log in, over TLS.
    pub(super) fn from_environment(secure: bool) -> Self {
        let prefix = if secure { "KAFKAVISOR_TEST_SECURE" } else { "KAFKAVISOR_TEST" };
        let variable = |name: &str| {
            let name = format!("{prefix}_{name}");
            std::env::var(&name)
                .unwrap_or_else(|_| panic!("{name} is not set: run script/chaos, which sets it"))
        };
        let addresses = |name: &str| variable(name).split(',').map(str::to_owned).collect();
        let kafka = || {
            json!({
                "security.protocol": "SASL_SSL",
                "ssl.ca.location": format!("{}/ca.pem", variable("CERTIFICATES")),
                "sasl.mechanism": "SCRAM-SHA-512",
                "sasl.username": "svc",
                "sasl.password": "svc-secret",
            })
        };
        Self {
            folder: PathBuf::from(variable("DIR")),
            brokers: addresses("BROKERS"),
            listeners: addresses(if secure { "SASL_TLS" } else { "BROKERS" }),
            kafka: if secure { kafka() } else { json!({}) },
            zookeepers: addresses("ZOOKEEPER"),
        }
    }

    /// `stop`, `start`, `kill`, `pause` or `resume` a server; says whether that worked.
    pub(super) fn server(&self, verb: &str, name: &str) -> bool {
        let mut script = Command::new(project().join("script/cluster"));
        script.args([verb, name, "--dir"]).arg(&self.folder);
        command::output(&mut script, WITHIN).is_some()
    }

    /// What the ZooKeeper server of this number, beginning with 0, says it is: `leader`, `follower`.
    pub(super) fn role(&self, number: usize) -> Option<String> {
        let mut server = TcpStream::connect(&self.zookeepers[number]).ok()?;
        server.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
        server.write_all(b"srvr").ok()?;
        let mut said = String::new();
        server.read_to_string(&mut said).ok()?;
        said.lines().find_map(|line| line.strip_prefix("Mode: ")).map(str::to_owned)
    }
}
