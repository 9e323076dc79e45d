//! Looks for texts that nobody should find, wherever an instance leaves anything.

use std::fs;
use std::path::Path;

use crate::instance::Instance;
use crate::processes;

/// Texts that nobody should find, each like no other.
#[derive(Debug, Clone)]
pub struct Secrets(Vec<String>);

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

impl Secrets {
    /// These.
    pub fn new<S: Into<String>>(texts: impl IntoIterator<Item = S>) -> Self {
        let texts: Vec<String> = texts.into_iter().map(Into::into).collect();
        assert!(texts.iter().all(|text| text.len() >= 8), "a short text may be there by chance: {texts:?}");
        Self(texts)
    }

    /// None of them is in there.
    #[track_caller]
    pub fn assert_not_in(&self, place: &str, bytes: &[u8]) {
        for secret in &self.0 {
            assert!(!holds(bytes, secret), "{place} holds {secret}: {}", String::from_utf8_lossy(bytes));
        }
    }

    /// None is in what anybody on the machine, or the instance's own user, may read of its processes. `where_put` are the processes
    /// whose environment is where the user has put one.
    #[track_caller]
    pub fn assert_in_no_process(&self, instance: &Instance, where_put: &[i32]) {
        let pids = processes::marked_with(instance.folder());
        assert!(pids.len() >= 4, "supervisor, guardian, a worker and a handler: {pids:?}");
        for pid in pids {
            let of = |what: &str| fs::read(format!("/proc/{pid}/{what}")).unwrap_or_default();
            self.assert_not_in(&format!("the command line of {pid}"), &of("cmdline"));
            if !where_put.contains(&pid) {
                let place = format!("the environment of {}", String::from_utf8_lossy(&of("cmdline")));
                self.assert_not_in(&place, &of("environ"));
            }
        }
    }

    /// None is in a file of this folder.
    #[track_caller]
    pub fn assert_in_no_file(&self, folder: &Path) {
        let mut files = 0;
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                files += 1;
                self.assert_not_in(&path.display().to_string(), &fs::read(&path).unwrap());
            }
        }
        assert!(files >= 2, "lock and pages are in {}", folder.display());
    }

    /// None is in what the instance says and writes: its log, its folder, its answers, and `check` about its file.
    #[track_caller]
    pub fn assert_in_nothing_said(&self, instance: &Instance) {
        self.assert_not_in("the log", instance.log().as_bytes());
        self.assert_in_no_file(&instance.folder().join("run"));
        for words in [&["status", "--json"][..], &["status"]] {
            let said = instance.ask(words[0], &words[1..]);
            assert!(said.status.success(), "{words:?}: {said:?}");
            self.assert_not_in(&words.join(" "), &[said.stdout, said.stderr].concat());
        }
    }

    /// None is in what this command says, which is given back.
    #[track_caller]
    pub fn assert_not_said(&self, instance: &Instance, words: &[&str]) -> String {
        let said = instance.command(words);
        let said = [said.stdout, said.stderr].concat();
        self.assert_not_in(&words.join(" "), &said);
        String::from_utf8_lossy(&said).into_owned()
    }
}
