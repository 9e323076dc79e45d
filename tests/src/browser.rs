//! A headless Chromium of a test's own, driven over WebDriver: what a reader of a page sees, clicks and types.

mod driver;

use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use self::driver::Driver;
use crate::waiting::until_within;

/// How a web element is named on the wire.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// The longest that a test waits for a page.
const WITHIN: Duration = Duration::from_secs(20);

/// Keys as WebDriver names them.
pub mod keys {
    /// Enter.
    pub const ENTER: &str = "\u{e007}";
    /// Escape.
    pub const ESCAPE: &str = "\u{e00c}";
    /// The tabulator.
    pub const TAB: &str = "\u{e004}";
    /// Arrow down.
    pub const DOWN: &str = "\u{e015}";
}

/// See the module.
#[derive(Debug)]
pub struct Browser {
    driver: Driver,
}

impl Browser {
    /// Starts one with an empty profile.
    pub fn start() -> Self {
        Self { driver: Driver::start() }
    }

    /// Goes to a page, and waits until it is loaded. From then on violations of its policy are counted.
    pub fn open(&self, url: &str) {
        self.driver.command("url", &json!({"url": url}));
    }

    /// Runs a function's body in the page, and gives what it returns.
    pub fn script(&self, body: &str) -> Value {
        self.driver.command("execute/sync", &json!({"script": body, "args": []}))
    }

    /// What is to be read of the elements that a selector finds, those that can't be seen left out. What has just been brought
    /// into sight may have no layout yet, and so no inner text.
    pub fn texts(&self, selector: &str) -> Vec<String> {
        let body = format!(
            "return [...document.querySelectorAll({})].filter(e => e.checkVisibility()).map(e => (e.innerText || e.textContent).trim())",
            json!(selector)
        );
        serde_json::from_value(self.script(&body)).expect("texts")
    }

    /// What is to be read of the first of them; empty without one.
    pub fn text(&self, selector: &str) -> String {
        self.texts(selector).into_iter().next().unwrap_or_default()
    }

    /// The tab's title.
    pub fn title(&self) -> String {
        self.script("return document.title").as_str().expect("a title").to_owned()
    }

    /// Waits until what is to be read of an element fulfils a condition, and gives it.
    #[track_caller]
    pub fn wait_text(&self, selector: &str, what: &str, mut condition: impl FnMut(&str) -> bool) -> String {
        let mut last = String::new();
        let found = until_or(WITHIN, || {
            last = self.text(selector);
            condition(&last).then(|| last.clone())
        });
        found.unwrap_or_else(|| panic!("{selector}: not within {WITHIN:?}: {what}; it says {last:?}"))
    }

    /// Waits until a script's value is true.
    #[track_caller]
    pub fn wait(&self, what: &str, body: &str) {
        until_within(WITHIN, what, || (self.script(body) == json!(true)).then_some(()));
    }

    /// Clicks on the middle of an element, as a reader's mouse does.
    pub fn click(&self, selector: &str) {
        self.driver.command(&format!("element/{}/click", self.element(selector)), &json!({}));
    }

    /// Types into an element.
    pub fn write(&self, selector: &str, text: &str) {
        self.driver.command(&format!("element/{}/value", self.element(selector)), &json!({"text": text}));
    }

    /// Presses a key, wherever the focus is.
    pub fn press(&self, key: &str) {
        let strokes = json!([{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]);
        self.driver
            .command("actions", &json!({"actions": [{"type": "key", "id": "keyboard", "actions": strokes}]}));
    }

    /// Drags the mouse over an element from left to right: its text is selected.
    pub fn drag_over(&self, selector: &str) {
        let area = self.script(&format!(
            "const r = document.createRange(); r.selectNodeContents(document.querySelector({})); \
             const b = r.getBoundingClientRect(); return [b.left + 1, b.right - 1, b.top + 8].map(Math.round)",
            json!(selector)
        ));
        let to = |x: &Value| json!({"type": "pointerMove", "duration": 0, "x": x, "y": area[2]});
        let moves = json!([to(&area[0]), {"type": "pointerDown", "button": 0}, to(&area[1]), {"type": "pointerUp", "button": 0}]);
        self.driver
            .command("actions", &json!({"actions": [{"type": "pointer", "id": "mouse", "actions": moves}]}));
    }

    /// An element's role and name, as a screen reader is told them.
    pub fn named_role(&self, selector: &str) -> (String, String) {
        let element = self.element(selector);
        let ask = |what: &str| {
            let answer = self.driver.get(&format!("element/{element}/{what}"));
            answer.as_str().unwrap_or_default().to_owned()
        };
        (ask("computedrole"), ask("computedlabel"))
    }

    /// Gives an element the focus, as the tabulator would.
    pub fn focus(&self, selector: &str) {
        self.script(&format!("document.querySelector({}).focus()", json!(selector)));
    }

    /// Whether the page is wider than the window.
    pub fn overflows(&self) -> bool {
        self.script("return document.documentElement.scrollWidth > innerWidth") == json!(true)
    }

    /// Sets the window's size, as on a phone where it is `mobile`.
    pub fn resize(&self, width: u32, height: u32, mobile: bool) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile});
        self.developer("Emulation.setDeviceMetricsOverride", &size);
    }

    /// The reader prefers light or dark.
    pub fn prefer(&self, scheme: &str) {
        let feature = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.developer("Emulation.setEmulatedMedia", &feature);
    }

    /// Writes a picture of the window.
    pub fn picture(&self, file: &Path) {
        let encoded = self.driver.get("screenshot");
        let bytes = BASE64.decode(encoded.as_str().expect("a picture")).expect("base64");
        std::fs::write(file, bytes).expect("the picture is written");
    }

    /// What the browser has complained of since the last time: violations of the policy, errors of scripts, failed requests.
    pub fn complaints(&self) -> Vec<String> {
        let entries = self.driver.command("se/log", &json!({"type": "browser"}));
        let entries = entries.as_array().expect("entries").iter();
        entries.map(|entry| entry["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    fn developer(&self, command: &str, parameters: &Value) {
        self.driver.command("goog/cdp/execute", &json!({"cmd": command, "params": parameters}));
    }

    fn element(&self, selector: &str) -> String {
        let found = self.driver.command("element", &json!({"using": "css selector", "value": selector}));
        found[ELEMENT].as_str().expect("an element").to_owned()
    }
}

fn until_or<T>(within: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let end = kafkavisor::clock::now() + within;
    loop {
        let found = look();
        if found.is_some() || kafkavisor::clock::now() > end {
            return found;
        }
        crate::waiting::pause(Duration::from_millis(50));
    }
}
