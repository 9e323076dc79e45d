//! One `kafkavisor run` in a folder of its own: started, watched through `status`, ended. The configuration file is written as
//! JSON, which is YAML too.

mod builder;

use std::fs::{File, OpenOptions};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use kafkavisor::clock;
use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::environment::kafkavisor;
use crate::processes::{self, MARK};
use crate::records::Records;
use crate::status::Status;
use crate::topic::Topic;
use crate::waiting::{WITHIN, until, until_within};

pub use self::builder::Builder;

/// A supervisor that was started.
#[derive(Debug)]
pub struct Instance {
    builder: Builder,
    folder: TempDir,
    child: Mutex<Child>,
}

impl Instance {
    fn start(builder: Builder, folder: TempDir) -> Self {
        std::fs::write(folder.path().join("kafkavisor.yaml"), builder.text()).expect("the configuration");
        let child = Mutex::new(spawn(&builder, folder.path()));
        Self { builder, folder, child }
    }

    /// Starts it once more in the same folder, after its end.
    pub fn start_again(&self) {
        let mut child = self.child.lock().unwrap();
        assert!(child.try_wait().expect("it can be waited for").is_some(), "it still runs");
        std::fs::write(self.folder.path().join("kafkavisor.yaml"), self.builder.text())
            .expect("the configuration");
        *child = spawn(&self.builder, self.folder.path());
    }

    /// Changes what it will be told when it is started again, or at HUP.
    pub fn reconfigure(&mut self, change: impl FnOnce(Builder) -> Builder) {
        self.builder = change(self.builder.clone());
        std::fs::write(self.folder.path().join("kafkavisor.yaml"), self.builder.text())
            .expect("the configuration");
    }

    /// Its configuration file's text.
    pub fn text(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("kafkavisor.yaml")).expect("the configuration")
    }

    /// Writes its configuration file as it is given.
    pub fn write_text(&mut self, text: &str) {
        self.builder.config = serde_json::from_str(text).expect("the configuration is JSON here");
        std::fs::write(self.folder.path().join("kafkavisor.yaml"), text).expect("the configuration");
    }

    /// Its group.
    pub fn group(&self) -> String {
        self.builder.group_name()
    }

    /// Its folder: working directory, configuration, log; `run` in it is its runtime directory.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its process.
    pub fn pid(&self) -> i32 {
        self.child.lock().unwrap().id().try_into().unwrap()
    }

    /// What it and its handlers have said on stderr.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(self.folder.path().join("log")).expect("the log");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Waits until its log holds `words`.
    #[track_caller]
    pub fn wait_for_log(&self, words: &str) {
        until_within(Duration::from_secs(20), &format!("the log says {words:?}"), || {
            self.log().contains(words).then_some(())
        });
    }

    /// Runs another command of `kafkavisor` in its folder.
    pub fn command<S: AsRef<std::ffi::OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Output {
        let mut command = Command::new(kafkavisor());
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null());
        runtime_directory(&self.builder, self.folder.path(), &mut command);
        command.output().expect("kafkavisor runs")
    }

    /// Runs a command over its socket.
    pub fn ask(&self, command: &str, more: &[&str]) -> Output {
        let socket = self.socket();
        let mut arguments = vec![command, "--socket", socket.to_str().expect("paths are text here")];
        arguments.extend(more);
        self.command(arguments)
    }

    /// Its control socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("run/control.sock")
    }

    /// Its status, once it answers.
    pub fn status(&self) -> Option<Status> {
        let output = self.ask("status", &["--json"]);
        if !output.status.success() {
            assert_eq!(output.status.code(), Some(69), "no answer is 69: {output:?}");
            return None;
        }
        let text = String::from_utf8(output.stdout).expect("the status is text");
        Some(
            serde_json::from_str(&text)
                .unwrap_or_else(|error| panic!("not the contract's status: {error}: {text}")),
        )
    }

    /// Waits for a condition of its status, and gives that.
    #[track_caller]
    pub fn wait_for(&self, what: &str, condition: impl FnMut(&Status) -> bool) -> Status {
        self.wait_for_within(WITHIN, what, condition)
    }

    /// ... at most so long.
    #[track_caller]
    pub fn wait_for_within(
        &self,
        within: Duration,
        what: &str,
        mut condition: impl FnMut(&Status) -> bool,
    ) -> Status {
        let end = clock::now() + within;
        let mut last = None;
        loop {
            if let Some(code) = self.exited() {
                panic!("it has ended ({code}) while waited for: {what}");
            }
            if let Some(status) = self.status() {
                if condition(&status) {
                    return status;
                }
                last = Some(status);
            }
            assert!(clock::now() < end, "not within {within:?}: {what}; the last status: {last:#?}");
            crate::waiting::pause(Duration::from_millis(40));
        }
    }

    /// Waits until it owns `count` partitions, all of them ready.
    #[track_caller]
    pub fn wait_ready(&self, count: usize) -> Status {
        self.wait_for(&format!("{count} partitions are ready"), |status| status.is_ready(count))
    }

    /// Waits until it owns `count` partitions and has nothing left to do in any of them.
    #[track_caller]
    pub fn wait_drained(&self, count: usize) -> Status {
        self.wait_for(&format!("{count} partitions have no lag"), |status| status.is_drained(count))
    }

    /// Waits until every message of the topic is acknowledged and committed.
    #[track_caller]
    pub fn wait_consumed(&self, topic: &Topic, partitions: usize) -> Status {
        let ends: Vec<i64> =
            (0..i32::try_from(partitions).unwrap()).map(|partition| topic.watermarks(partition).1).collect();
        self.wait_for(&format!("all is consumed, up to {ends:?}"), |status| {
            status.is_drained(partitions)
                && status
                    .partitions
                    .iter()
                    .all(|p| p.committed >= ends.get(usize::try_from(p.partition).unwrap()).copied())
        })
    }

    /// Its exit code, or 128 and the signal that ended it, if it has ended.
    pub fn exited(&self) -> Option<i32> {
        let status = self.child.lock().unwrap().try_wait().expect("it can be waited for")?;
        Some(status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default()))
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait_exit(&self, within: Duration) -> i32 {
        until_within(within, "it ends", || self.exited())
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        processes::signal(self.pid(), signal);
    }

    /// Stops it with TERM, asserts a clean end, and that nothing of it is left.
    #[track_caller]
    pub fn stop(&self) {
        self.signal(Signal::SIGTERM);
        let code = self.wait_exit(WITHIN);
        assert_eq!(code, 0, "it ended with {code} after TERM");
        self.assert_gone();
        assert!(!self.socket().exists(), "a clean stop removes the socket");
    }

    /// Ends it with KILL, and waits until nothing of it is left.
    #[track_caller]
    pub fn kill(&self) {
        self.signal(Signal::SIGKILL);
        assert_eq!(self.wait_exit(WITHIN), 128 + 9);
        self.assert_gone();
    }

    /// Waits until no process of it is left: S9 says a second; a busy machine gets more.
    #[track_caller]
    pub fn assert_gone(&self) {
        until_within(Duration::from_secs(10), "nothing of the supervisor is left", || {
            processes::marked_with(self.folder.path()).is_empty().then_some(())
        });
    }

    /// Waits until it has read up to here: `count` deliveries have been recorded.
    #[track_caller]
    pub fn wait_deliveries(&self, records: &Records, count: usize) {
        until(&format!("{count} deliveries; its log:\n{}", self.log()), || {
            (records.deliveries() >= count).then_some(())
        });
    }
}

fn spawn(builder: &Builder, folder: &Path) -> Child {
    let log: File = OpenOptions::new().create(true).append(true).open(folder.join("log")).expect("the log");
    let mut command = match &builder.under {
        Some(script) => {
            let mut command = Command::new("sh");
            command.args(["-c", script, "sh"]).arg(kafkavisor());
            command
        }
        None => Command::new(kafkavisor()),
    };
    if builder.arguments.is_empty() {
        command.args(["run", "-c", "kafkavisor.yaml"]);
    }
    command
        .args(&builder.arguments)
        .current_dir(folder)
        .env(MARK, folder)
        .envs(builder.environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("the log"))
        .stderr(log);
    runtime_directory(builder, folder, &mut command);
    command.spawn().expect("kafkavisor starts")
}

fn runtime_directory(builder: &Builder, folder: &Path, command: &mut Command) {
    if builder.in_default_place {
        command.env_remove("RUNTIME_DIRECTORY");
    } else {
        command.env("RUNTIME_DIRECTORY", folder.join("run"));
    }
}

/// A stopped supervisor leaves its folder, with lock and pages, where there is no `RUNTIME_DIRECTORY` to go with it. The
/// name is of this test alone.
fn remove_default_places(builder: &Builder) {
    let name = builder.config["name"].as_str().expect("a name of its own");
    let ours = std::env::temp_dir().join(format!("kafkavisor-{}", nix::unistd::geteuid()));
    let session = std::env::var_os("XDG_RUNTIME_DIR").map(|folder| PathBuf::from(folder).join("kafkavisor"));
    for base in [Some(PathBuf::from("/run/kafkavisor")), session, Some(ours)].into_iter().flatten() {
        // It is in one of them.
        let _ = std::fs::remove_dir_all(base.join(name));
    }
}

/// The first and the last lines of a log, for a failure's report.
fn ends_of(log: &str) -> String {
    const SHOWN: usize = 60;
    let lines: Vec<&str> = log.lines().collect();
    let left_out = lines.len().saturating_sub(2 * SHOWN);
    if left_out == 0 {
        return log.to_owned();
    }
    let (first, last) = (lines[..SHOWN].join("\n"), lines[lines.len() - SHOWN..].join("\n"));
    format!("{first}\n... {left_out} lines left out ...\n{last}")
}

impl Drop for Instance {
    fn drop(&mut self) {
        let child = self.child.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        if child.try_wait().is_ok_and(|ended| ended.is_none()) {
            let _ = child.kill();
            let _ = child.wait();
        }
        // Only what carries this instance's mark, and only where the guardian has not done it already.
        let end = clock::now() + Duration::from_secs(3);
        while !processes::marked_with(self.folder.path()).is_empty() && clock::now() < end {
            crate::waiting::pause(Duration::from_millis(20));
        }
        for pid in processes::marked_with(self.folder.path()) {
            let _ = processes::try_signal(pid, Signal::SIGKILL);
        }
        if self.builder.in_default_place {
            remove_default_places(&self.builder);
        }
        if std::thread::panicking() {
            println!("---- log of {} ----\n{}\n----", self.folder.path().display(), ends_of(&self.log()));
        }
    }
}
