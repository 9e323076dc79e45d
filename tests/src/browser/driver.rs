//! chromedriver and what it starts: a process and a folder of their own, spoken to over HTTP. Both end with it.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use kafkavisor::clock;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::processes::{self, MARK};

/// What chromedriver says when it is ready, before its port.
const READY: &str = "ChromeDriver was started successfully on port ";
/// Names of the browser, from system to system.
const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

#[derive(Debug)]
pub(super) struct Driver {
    child: Child,
    folder: TempDir,
    runtime: Runtime,
    client: reqwest::Client,
    /// `http://127.0.0.1:PORT/session/ID`
    session: String,
}

impl Driver {
    pub(super) fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("kv-browser-").tempdir().expect("a temporary folder");
        let mut child = Command::new("chromedriver")
            .arg("--port=0")
            .env(MARK, folder.path())
            .env("HOME", folder.path())
            .env("TMPDIR", folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver starts: script/test installs it");
        let mut lines = BufReader::new(child.stdout.take().expect("its stdout")).lines();
        let port =
            lines.find_map(|line| line.ok()?.strip_prefix(READY)?.trim_end_matches('.').parse::<u16>().ok());
        // It says little more; what it does say must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(60)).build();
        let root = format!("http://127.0.0.1:{}", port.expect("chromedriver says its port"));
        let mut driver = Self {
            child,
            folder,
            runtime,
            client: client.expect("a client"),
            session: format!("{root}/session"),
        };
        let begun = driver.command("", &driver.wanted());
        driver.session = format!("{root}/session/{}", begun["sessionId"].as_str().expect("a session"));
        driver
    }

    fn wanted(&self) -> Value {
        let profile = format!("--user-data-dir={}", self.folder.path().join("profile").display());
        let mut arguments = vec![
            "--headless=new",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--window-size=1280,900",
            &profile,
        ];
        if nix::unistd::geteuid().is_root() {
            arguments.push("--no-sandbox"); // Chromium has none for root
        }
        let options = json!({"binary": browser(), "args": arguments});
        json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"},
        }}})
    }

    /// A command that takes something.
    #[track_caller]
    pub(super) fn command(&self, path: &str, body: &Value) -> Value {
        let request = self.client.post(self.url(path)).header("content-type", "application/json");
        self.answer(path, request.body(body.to_string()))
    }

    /// A command that only asks.
    #[track_caller]
    pub(super) fn get(&self, path: &str) -> Value {
        self.answer(path, self.client.get(self.url(path)))
    }

    fn url(&self, path: &str) -> String {
        if path.is_empty() { self.session.clone() } else { format!("{}/{path}", self.session) }
    }

    #[track_caller]
    fn answer(&self, path: &str, request: reqwest::RequestBuilder) -> Value {
        let answer = self.runtime.block_on(async { request.send().await?.bytes().await });
        let bytes = answer.unwrap_or_else(|error| panic!("chromedriver does not answer {path}: {error}"));
        let mut answer: Value = serde_json::from_slice(&bytes).expect("chromedriver answers in JSON");
        let value = answer["value"].take();
        assert!(value["error"].is_null(), "{path}: {}: {}", value["error"], value["message"]);
        value
    }
}

/// The browser's program.
fn browser() -> String {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let programs = || std::env::split_paths(&path).flat_map(|folder| BROWSERS.map(|name| folder.join(name)));
    let found = programs().find(|program| program.is_file());
    found.expect("Chromium is installed: script/test does it").display().to_string()
}

impl Drop for Driver {
    fn drop(&mut self) {
        let end = self.client.delete(&self.session).timeout(Duration::from_secs(5));
        // Whether that ends the browser or not, nothing of it is left below.
        let _ = self.runtime.block_on(async { end.send().await });
        let _ = self.child.kill();
        let _ = self.child.wait();
        let marked = || processes::marked_with(self.folder.path());
        for pid in marked() {
            let _ = processes::try_signal(pid, Signal::SIGKILL);
        }
        // What still ends would write into its folder while that is removed.
        let end = clock::now() + Duration::from_secs(3);
        while !marked().is_empty() && clock::now() < end {
            crate::waiting::pause(Duration::from_millis(20));
        }
    }
}
