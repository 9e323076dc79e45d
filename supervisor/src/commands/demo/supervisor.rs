//! The supervisor of the demo.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{DEAD, PARTITIONS, TOPIC};
use crate::cli::DemoArgs;
use crate::exit::Failure;
use crate::shell::runtime_directory::socket_in;

/// A broker answers a fetch as soon as there is something; the mock answers one that has found nothing when all of this is over.
const FETCH_WAIT_MS: u32 = 20;

/// The supervisor, ended with the demo.
pub(super) struct Supervisor {
    pub(super) child: Child,
    pub(super) socket: PathBuf,
    pub(super) log: PathBuf,
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        if let (Ok(None), Ok(pid)) = (self.child.try_wait(), i32::try_from(self.child.id())) {
            let _gone = kill(Pid::from_raw(pid), Signal::SIGTERM);
            let _gone = self.child.wait();
        }
    }
}

impl Supervisor {
    /// With everything of it in `folder`.
    pub(super) fn start(brokers: &str, folder: &Path, args: &DemoArgs) -> Result<Self, Failure> {
        let bug =
            |error: std::io::Error| Failure::bug(format!("demo: the supervisor can't be started: {error}"));
        let ours = std::env::current_exe().map_err(bug)?;
        let (log, configuration) = (folder.join("log"), folder.join("kafkavisor.yaml"));
        let text = format!(
            "kafka: {{fetch.wait.max.ms: {FETCH_WAIT_MS}}}\nhandler: {{poison: {{topic: {DEAD}}}}}\n"
        );
        fs::write(&configuration, text).map_err(bug)?;
        let mut command = Command::new(&ours);
        command.args(["run", "--name", "demo", "-g", "demo", "-b", brokers, "--from", "earliest"]);
        command.arg("-c").arg(&configuration);
        command.arg("--partitions").arg(format!("{TOPIC}:0-{}", PARTITIONS - 1));
        if let Some(address) = &args.http {
            command.args(["--http", address]);
        }
        command.arg("--");
        if args.handler.is_empty() {
            command.arg(&ours).arg("sample-handler");
        } else {
            command.args(&args.handler);
        }
        command.env("RUNTIME_DIRECTORY", folder).env_remove("NOTIFY_SOCKET");
        // Ctrl-C is for the demo, which stops it then.
        command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).map_err(bug)?);
        let child = command.spawn().map_err(bug)?;
        Ok(Self { child, socket: socket_in(folder), log })
    }
}
