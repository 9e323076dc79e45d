//! The page, as its readers have it: in a browser, by looking, clicking and typing.

use kafkavisor_tests::browser::Browser;
use kafkavisor_tests::made_up::MadeUp;
use kafkavisor_tests::waiting::until;
use serde_json::json;

/// Counts what is changed in an element from now on; text that only becomes another text is in `texts`.
const COUNT_CHANGES: &str = "window.nodes = 0; window.texts = 0; new MutationObserver(changes => { for (const c of changes) \
     if (c.type === 'childList') window.nodes += c.addedNodes.length + c.removedNodes.length; else window.texts++; }) \
     .observe(document.querySelector('ELEMENT'), {childList: true, characterData: true, subtree: SUBTREE});";

fn count_changes(browser: &Browser, element: &str, subtree: bool) {
    let script = COUNT_CHANGES.replace("ELEMENT", element).replace("SUBTREE", &subtree.to_string());
    browser.script(&script);
}

fn rows(browser: &Browser) -> Vec<String> {
    browser.texts("#rows tr th")
}

#[test]
fn a_thousand_partitions_stay_smooth() {
    let supervisor = MadeUp::with(1000);
    let browser = Browser::start();
    browser.open(&supervisor.url);
    browser.wait("all rows are there", "return document.querySelectorAll('#rows tr').length === 1000");
    // Each row's figures change with each look. The rows stay, and what they say is changed in place.
    count_changes(&browser, "#rows", false);
    browser.script(
        "const shown = window.offer; window.took = []; window.offer = () => { const began = performance.now(); \
         shown(); took.push(performance.now() - began); }",
    );
    browser.wait("it has looked five times", "return took.length >= 5");
    assert_eq!(browser.script("return window.nodes"), json!(0), "no row is made anew, or moved");
    let mut took: Vec<f64> = serde_json::from_value(browser.script("return took")).unwrap();
    took.sort_by(f64::total_cmp);
    println!("an update of a thousand rows took so many milliseconds: {took:.1?}");
    // About 7 ms on two cores that are busy otherwise; a machine that is busier still gets more.
    assert!(took[0] < 16.0 && took[took.len() / 2] < 50.0, "{took:?}");
    let drawn = browser.script("return document.querySelectorAll('#rows svg').length").as_u64().unwrap();
    assert!((2..200).contains(&drawn), "sparklines are drawn where they are seen: {drawn}");

    // What needs care is found among them: first, alone, and by its name.
    supervisor.change(|status| {
        status["partitions"][777]["state"] = json!("parked");
        status["partitions"][777]["reason"] = json!("beyond the log's end");
    });
    browser.wait_text("#sentence", "it names what is parked", |said| {
        said.starts_with("1 of 1,000 partitions needs care: orders:777 is parked")
    });
    assert_eq!(rows(&browser)[..2], ["orders:777", "orders:0"]);
    browser.click("#care");
    assert_eq!(rows(&browser), ["orders:777"]);
    browser.click("#care");
    browser.write("#filter", "orders:77");
    assert_eq!(rows(&browser), ["orders:77"], "a whole name is that partition alone");
    browser.write("#filter", "8");
    assert_eq!(rows(&browser), ["orders:778"]);
    browser.click("[data-sort=lag]");
    assert_eq!(browser.text("#shown"), "1 of 1,000 partitions");
    assert!(browser.complaints().is_empty(), "{:?}", browser.complaints());
}

#[test]
fn it_disturbs_nobody_who_reads_and_says_loudly_when_nobody_answers() {
    let supervisor = MadeUp::with(8);
    let browser = Browser::start();
    browser.open(&supervisor.url);
    browser.wait_text("#sentence", "all is well", |said| {
        said.starts_with("All is well: all 8 partitions are ready")
    });
    let asked = supervisor.asked();
    browser.wait_text("#rows tr .rate", "rates are measured", |rate| rate != "–/s");
    until("its events are unchanged", || (supervisor.unchanged() > 0).then_some(()));

    browser.drag_over("#sentence");
    let selected = browser.script("return getSelection().toString()");
    assert!(selected.as_str().unwrap().contains("All is well"), "{selected}");
    count_changes(&browser, "main", true);
    supervisor.change(|status| status["partitions"][3]["state"] = json!("crash_loop"));
    let until_then = supervisor.asked() + 2;
    browser.wait("the title tells", "return document.title.startsWith('(1) orders:3 is in a crash loop')");
    until("it goes on asking", || (supervisor.asked() >= until_then).then_some(()));
    assert_eq!(
        browser.script("return [nodes, texts]"),
        json!([0, 0]),
        "nothing moves under the reader's eyes"
    );
    assert_eq!(browser.script("return getSelection().toString()"), selected);
    browser.wait_text("#held", "it says that it stands still", |said| said.contains("while you select text"));
    browser.click("#go-on");
    browser
        .wait_text("#sentence", "what is new is shown", |said| said.contains("orders:3 is in a crash loop"));
    browser.wait_text("#said", "it is said aloud", |said| said.contains("orders:3 is in a crash loop"));

    supervisor.be_away(true);
    browser.wait_text("#stale", "nobody answers", |said| said.starts_with("Stale since "));
    assert!(browser.title().starts_with("(!) no answer"), "{}", browser.title());
    assert_eq!(rows(&browser)[0], "orders:3", "what was known stays");
    supervisor.be_away(false);
    browser.wait("it is there again", "return document.querySelector('#stale').hidden");
    assert!(supervisor.asked() > asked && supervisor.most_at_once() == 1, "one question at a time");
}
