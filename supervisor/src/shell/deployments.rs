//! Which deployments of a handler have ever acknowledged anything: the same command, configuration and files on disk. Kept in the
//! runtime directory, so that a restart of the supervisor does not make a handler new that has worked for weeks. Written by a thread
//! of its own: the event loop waits for no disk.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use kafkavisor::config::Config;
use sha1::{Digest, Sha1};

/// The file in the runtime directory; one deployment a line, the last ones only.
const FILE: &str = "deployments";
const KEPT: usize = 16;
/// Longest that the end of the instance waits for what is still to be written.
const LAST_WRITE: Duration = Duration::from_millis(500);

/// The files that a handler's command names, as they are on disk. Looking at them may take its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Files(Vec<String>);

impl Files {
    pub(crate) fn of(config: &Config) -> Self {
        // A program is often an interpreter, and what it runs an argument.
        let found = config.handler.command.iter().filter_map(|word| {
            let file = fs::metadata(word).ok().filter(fs::Metadata::is_file)?;
            let (dev, ino, size) = (file.dev(), file.ino(), file.size());
            let (seconds, nanos) = (file.mtime(), file.mtime_nsec());
            Some(format!("{word} {dev} {ino} {size} {seconds}.{nanos}"))
        });
        Self(found.collect())
    }
}

/// A deployment, by what tells it from others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Deployment(String);

impl Deployment {
    pub(crate) fn of(config: &Config, files: &Files) -> Self {
        let mut parts = vec![config.to_json().to_string()];
        parts.extend_from_slice(&files.0);
        let digest = Sha1::digest(parts.join("\n").as_bytes());
        let digits = digest.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>();
        Self(digits.concat())
    }
}

/// Those that have worked.
#[derive(Debug)]
pub(crate) struct Deployments {
    worked: Vec<Deployment>,
    /// None once nothing more is to be written.
    texts: Option<Sender<String>>,
    written: Receiver<()>,
}

impl Deployments {
    /// Reads what is known, and starts the thread that writes.
    pub(crate) fn read(folder: &Path) -> io::Result<Self> {
        let path = folder.join(FILE);
        let text = fs::read_to_string(&path).unwrap_or_default();
        let worked = text.lines().map(|line| Deployment(line.to_owned())).collect();
        let (texts, to_write) = unbounded();
        let (done, written) = bounded(0);
        let write = move || {
            write_all(&path, &to_write);
            drop(done);
        };
        thread::Builder::new().name("deployments".to_owned()).spawn(write)?;
        Ok(Self { worked, texts: Some(texts), written })
    }

    pub(crate) fn worked(&self, deployment: &Deployment) -> bool {
        self.worked.contains(deployment)
    }

    /// It has acknowledged something.
    pub(crate) fn note(&mut self, deployment: &Deployment) {
        if self.worked(deployment) {
            return;
        }
        self.worked.push(deployment.clone());
        let first = self.worked.len().saturating_sub(KEPT);
        self.worked.drain(..first);
        self.write();
    }

    /// It has given a message up: whether it works is to be seen again.
    pub(crate) fn forget(&mut self, deployment: &Deployment) {
        let known = self.worked.len();
        self.worked.retain(|other| other != deployment);
        if self.worked.len() < known {
            self.write();
        }
    }

    fn write(&self) {
        let lines: Vec<_> = self.worked.iter().map(|known| known.0.as_str()).collect();
        if let Some(texts) = &self.texts {
            // The thread ends only with us.
            let _always_heard = texts.send(lines.join("\n"));
        }
    }
}

impl Drop for Deployments {
    fn drop(&mut self) {
        self.texts = None;
        // Done, or late: a disk that hangs must not keep us from ending.
        let _done_or_late = self.written.recv_timeout(LAST_WRITE);
    }
}

fn write_all(path: &Path, texts: &Receiver<String>) {
    while let Ok(text) = texts.recv() {
        let newest = texts.try_iter().last().unwrap_or(text);
        if let Err(error) = fs::write(path, newest) {
            log::warn!("{}: {error}: after a restart this handler counts as new", path.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use kafkavisor::config::{Flags, Source};
    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    use super::*;

    fn config(command: &str, more: &str) -> Config {
        let text = format!(
            "group: g\ntopics: [a]\ncluster: {{brokers: [k:1], zookeeper: 'z:1'}}\nhandler: {{command: [sh, {command:?}]}}\n{more}\n"
        );
        let source = Source { name: "test.yaml".to_owned(), text };
        Config::load(Some(&source), &Flags::default()).unwrap()
    }

    fn deployment(command: &str, more: &str) -> Deployment {
        let config = config(command, more);
        Deployment::of(&config, &Files::of(&config))
    }

    #[test]
    fn command_configuration_and_file_make_a_deployment_and_it_is_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("handler.sh");
        fs::write(&script, "true").unwrap();
        let command = script.to_str().unwrap();
        let first = deployment(command, "");
        assert_eq!(first, deployment(command, ""));
        assert_ne!(first, deployment("other.sh", ""));
        assert_ne!(first, deployment(command, "stop: {timeout: 3s}"));
        let mut deployments = Deployments::read(folder.path()).unwrap();
        assert!(!deployments.worked(&first));
        deployments.note(&first);
        drop(deployments);
        let mut again = Deployments::read(folder.path()).unwrap();
        assert!(again.worked(&first));
        again.forget(&first);
        drop(again);
        let again = Deployments::read(folder.path()).unwrap();
        assert!(!again.worked(&first), "it gave a message up");
        fs::write(&script, "false # longer").unwrap();
        assert!(!again.worked(&deployment(command, "")));
    }

    #[test]
    fn whoever_notes_one_does_not_wait_for_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let mut deployments = Deployments::read(folder.path()).unwrap();
        // Whoever writes to it waits until somebody reads.
        let path = folder.path().join(FILE);
        mkfifo(&path, Mode::S_IRWXU).unwrap();
        let (done, noted) = bounded(1);
        thread::spawn(move || {
            deployments.note(&deployment("a.sh", ""));
            done.send(deployments).unwrap();
        });
        let deployments = noted.recv_timeout(Duration::from_secs(30)).expect("noted, not written");
        assert_eq!(fs::read_to_string(&path).unwrap(), deployment("a.sh", "").0);
        drop(deployments);
    }
}
