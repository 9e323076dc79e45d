//! Makes the pictures of the page, of a supervisor with real trouble: for `script/screenshot`.

use std::path::PathBuf;
use std::time::Duration;

use kafkavisor_tests::browser::Browser;
use kafkavisor_tests::environment::brokers;
use kafkavisor_tests::topic::Topic;
use kafkavisor_tests::trouble::Trouble;
use kafkavisor_tests::waiting::until_within;

fn main() {
    let folder = PathBuf::from(std::env::args().nth(1).expect("the folder for the pictures"));
    let trouble = Trouble::to_come(Topic::named(&brokers(), "orders"), "services.billing");
    let browser = Browser::start();
    browser.resize(1280, 1080, false);
    browser.open(&trouble.url());
    measured(&browser, 15);
    trouble.begin();
    measured(&browser, 29);
    for (scheme, file) in [("light", "page.png"), ("dark", "page-dark.png")] {
        browser.prefer(scheme);
        browser.picture(&folder.join(file));
    }
}

/// Waits until the page has looked so often.
fn measured(browser: &Browser, times: u64) {
    until_within(Duration::from_secs(120), "it has been measured for a while", || {
        (browser.script("return tick").as_u64()? >= times).then_some(())
    });
}
