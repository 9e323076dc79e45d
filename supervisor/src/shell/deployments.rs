//! Which deployments of a handler have ever acknowledged anything: the same command, configuration and files on disk. Kept in the
//! runtime directory, so that a restart of the supervisor does not make a handler new that has worked for weeks.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use kafkavisor::config::Config;
use sha1::{Digest, Sha1};

/// The file in the runtime directory; one deployment a line, the last ones only.
const FILE: &str = "deployments";
const KEPT: usize = 16;

/// A deployment, by what tells it from others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Deployment(String);

impl Deployment {
    pub(crate) fn of(config: &Config) -> Self {
        let mut parts = vec![config.to_json().to_string()];
        // A program is often an interpreter, and what it runs an argument.
        for word in &config.handler.command {
            if let Ok(file) = fs::metadata(word)
                && file.is_file()
            {
                let (dev, ino, size) = (file.dev(), file.ino(), file.size());
                let (seconds, nanos) = (file.mtime(), file.mtime_nsec());
                parts.push(format!("{word} {dev} {ino} {size} {seconds}.{nanos}"));
            }
        }
        let digest = Sha1::digest(parts.join("\n").as_bytes());
        let digits = digest.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>();
        Self(digits.concat())
    }
}

/// Those that have worked.
#[derive(Debug)]
pub(crate) struct Deployments {
    path: PathBuf,
    worked: Vec<Deployment>,
}

impl Deployments {
    pub(crate) fn read(folder: &Path) -> Self {
        let path = folder.join(FILE);
        let text = fs::read_to_string(&path).unwrap_or_default();
        let worked = text.lines().map(|line| Deployment(line.to_owned())).collect();
        Self { path, worked }
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
        let lines: Vec<_> = self.worked.iter().map(|known| known.0.as_str()).collect();
        if let Err(error) = fs::write(&self.path, lines.join("\n")) {
            log::warn!("{}: {error}: after a restart this handler counts as new", self.path.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use kafkavisor::config::{Flags, Source};

    use super::*;

    fn config(command: &str, more: &str) -> Config {
        let text = format!(
            "group: g\ntopics: [a]\ncluster: {{brokers: [k:1], zookeeper: 'z:1'}}\nhandler: {{command: [sh, {command:?}]}}\n{more}\n"
        );
        let source = Source { name: "test.yaml".to_owned(), text };
        Config::load(Some(&source), &Flags::default()).unwrap()
    }

    #[test]
    fn command_configuration_and_file_make_a_deployment_and_it_is_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("handler.sh");
        fs::write(&script, "true").unwrap();
        let command = script.to_str().unwrap();
        let first = Deployment::of(&config(command, ""));
        assert_eq!(first, Deployment::of(&config(command, "")));
        assert_ne!(first, Deployment::of(&config("other.sh", "")));
        assert_ne!(first, Deployment::of(&config(command, "stop: {timeout: 3s}")));
        let mut deployments = Deployments::read(folder.path());
        assert!(!deployments.worked(&first));
        deployments.note(&first);
        assert!(Deployments::read(folder.path()).worked(&first));
        fs::write(&script, "false # longer").unwrap();
        assert!(!Deployments::read(folder.path()).worked(&Deployment::of(&config(command, ""))));
    }
}
