//! The page, as its readers have it: in a browser, by looking, clicking and typing.

use kafkavisor_tests::browser::{Browser, keys};
use kafkavisor_tests::environment::{brokers, unique};
use kafkavisor_tests::made_up::MadeUp;
use kafkavisor_tests::topic::Topic;
use kafkavisor_tests::trouble::{HANGING, LOOPING, PARKED, PAUSED, Trouble};
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

#[test]
fn a_reader_finds_what_is_wrong_and_what_comes_next() {
    let trouble = Trouble::to_come(Topic::named(&brokers(), &unique("topic")), &unique("billing"));
    let (browser, group) = (Browser::start(), trouble.instance.group());
    browser.open(&trouble.url());
    browser.wait_text("#sentence", "all is well", |said| {
        said.starts_with("All is well: all 6 partitions are ready")
    });
    assert_eq!(browser.texts("#members li").len(), 2);
    assert_eq!(browser.title(), format!("{group} · kafkavisor"));

    let gone = trouble.begin();
    let [looping, hanging, parked, paused] =
        [LOOPING, HANGING, PARKED, PAUSED].map(|number| trouble.name(number));
    let said = browser.wait_text("#sentence", "it hangs", |said| {
        said.contains(&format!("{hanging} hangs for ")) && said.starts_with("4 of 12 partitions need care: ")
    });
    assert!(said.contains(&format!("{looping} is in a crash loop, its worker starts in ")), "{said}");
    assert!(said.contains(&format!("{parked} is parked; {paused} is paused.")), "{said}");
    assert!(said.contains(&format!("member {gone} left ")), "{said}");
    assert!(browser.title().starts_with(&format!("(4) {looping} is in a crash loop")), "{}", browser.title());
    let problems = browser.texts("#problems li");
    assert!(
        problems.iter().any(|p| p.starts_with(&hanging) && p.contains("handler_timeout in")),
        "{problems:#?}"
    );
    assert!(problems.iter().any(|p| p.starts_with(&paused) && p.contains("resume")), "{problems:#?}");
    let members = browser.texts("#members li");
    assert!(members[0].ends_with("(this one)") && members[1].starts_with(&gone), "{members:?}");

    rows_are_ordered_and_found(&browser, &trouble);
    details_are_opened_and_left(&browser, &trouble);
    what_happened_is_told(&browser, &gone);
    a_screen_reader_is_told(&browser, &trouble);
    it_fits_a_phone_and_the_night(&browser);
    its_policy_holds(&browser);
}

/// What needs care stands first, the worst first; then by sort, by filter, by state.
fn rows_are_ordered_and_found(browser: &Browser, trouble: &Trouble) {
    let named = |numbers: &[i32]| numbers.iter().map(|number| trouble.name(*number)).collect::<Vec<_>>();
    assert_eq!(rows(browser), named(&[LOOPING, HANGING, PARKED, PAUSED, 0, 1, 2, 4, 6, 8, 10, 11]));
    let row = browser.text("#rows tr:first-child");
    assert!(row.contains("crash loop for ") && row.contains("handler exited with status 1"), "{row}");
    browser.click("[data-sort=name]");
    assert_eq!(rows(browser), named(&(0..12).collect::<Vec<_>>()));
    assert_eq!(browser.script("return document.querySelector('[aria-sort]').innerText"), json!("Partition"));
    browser.click("[data-sort=name]");
    assert_eq!(rows(browser)[0], trouble.name(11));
    browser.write("#filter", &trouble.name(HANGING));
    assert_eq!(rows(browser), named(&[HANGING]));
    browser.click("[data-sort=care]");
    browser.script(
        "const f = document.querySelector('#filter'); f.value = ''; f.dispatchEvent(new Event('input'))",
    );
    browser.write("#filter", "exited");
    assert_eq!(rows(browser), named(&[LOOPING, PARKED]));
    browser.script(
        "const f = document.querySelector('#filter'); f.value = ''; f.dispatchEvent(new Event('input'))",
    );
    browser.click("[data-kind=paused]");
    assert_eq!((rows(browser), browser.text("#shown").as_str()), (named(&[PAUSED]), "1 of 12 partitions"));
    browser.click("[data-kind=paused]");
    browser.click("#care");
    assert_eq!(rows(browser), named(&[LOOPING, HANGING, PARKED, PAUSED]));
    browser.click("#care");
    browser.wait_text("#rows tr:last-child .rate", "messages flow", |rate| rate != "0/s" && rate != "–/s");
}

/// By key and by click, with what `status TOPIC:PARTITION` has.
fn details_are_opened_and_left(browser: &Browser, trouble: &Trouble) {
    const FOCUSED: &str = "return document.activeElement.textContent";
    browser.focus("#rows tr:first-child a");
    browser.press(keys::DOWN);
    browser.press(keys::DOWN);
    assert_eq!(browser.script(FOCUSED), json!(trouble.name(PARKED)));
    browser.press(keys::ENTER);
    browser
        .wait_text("#detail-stderr", "the handler's last words", |said| said.contains("KeyError: 'total'"));
    assert_eq!(browser.text("#detail-name"), trouble.name(PARKED));
    assert!(browser.text("#detail-exits").contains("handler exited with status 1"));
    assert!(
        browser.text("#detail-says").contains("killed its handler 2 times"),
        "{}",
        browser.text("#detail-says")
    );
    assert_eq!(browser.script("return location.hash"), json!(format!("#{}", trouble.name(PARKED))));
    browser.press(keys::ESCAPE);
    browser.wait("it is left", "return !document.querySelector('dialog').open && location.hash === ''");
    assert_eq!(browser.script(FOCUSED), json!(trouble.name(PARKED)), "the focus is where it was");

    browser.click("#rows tr:nth-child(2) .lag");
    browser.wait_text("#detail-stderr", "what it said last", |said| {
        said.contains("waiting for a lock on account 4711")
    });
    let head = browser.wait_text("#detail-head", "the message it hangs at", |said| said.contains("Offset"));
    assert!(head.contains("Attempt") && head.contains("Size"), "{head}");
    let who = browser.text("#detail-who");
    assert!(who.contains("pid ") && who.contains(" old"), "{who}");
    browser.click("#close");
    browser.wait("it is left", "return !document.querySelector('dialog').open");
}

fn what_happened_is_told(browser: &Browser, gone: &str) {
    let events = browser.texts("#happened tr");
    assert!(
        events.iter().any(|event| event.contains("a member left") && event.contains(gone)),
        "{events:#?}"
    );
    assert!(events.iter().any(|event| event.contains("paused") && event.contains("user ")), "{events:#?}");
    let times = "return [...document.querySelectorAll('#happened time')].map(time => time.dateTime)";
    let times: Vec<String> = serde_json::from_value(browser.script(times)).unwrap();
    assert!(times.is_sorted_by(|newer, older| newer >= older), "the newest first: {times:?}");
}

fn a_screen_reader_is_told(browser: &Browser, trouble: &Trouble) {
    let pair = |role: &str, name: &str| (role.to_owned(), name.to_owned());
    assert_eq!(browser.named_role("#table table").0, "table");
    assert_eq!(browser.named_role("#table thead th:nth-child(3)"), pair("columnheader", "Lag"));
    assert_eq!(browser.named_role("[data-sort=lag]"), pair("button", "Lag"));
    assert_eq!(browser.named_role("#rows th"), pair("rowheader", &trouble.name(LOOPING)));
    assert_eq!(browser.named_role("#rows a"), pair("link", &trouble.name(LOOPING)));
    let (role, name) = browser.named_role("#lag-chart");
    assert!(role == "image" || role == "img", "{role}");
    assert!(name.starts_with("Lag of all partitions of the last ") && name.contains("now "), "{name}");
    let (role, name) = browser.named_role("#filter");
    assert!(role == "searchbox" && name.contains("TOPIC:PARTITION"), "{role} {name}");
    browser.click("details summary");
    assert!(browser.texts("#figures tbody tr").len() > 1, "the figures of the charts");
    browser.click("details summary");
}

fn it_fits_a_phone_and_the_night(browser: &Browser) {
    const GROUND: &str = "return getComputedStyle(document.body).backgroundColor";
    let light = browser.script(GROUND);
    browser.prefer("dark");
    assert_ne!(browser.script(GROUND), light);
    browser.resize(360, 740, true);
    assert!(!browser.overflows(), "nothing is wider than a phone");
    let row = browser.text("#rows tr:first-child");
    assert!(row.contains("crash loop") && row.contains("handler exited with status 1"), "{row}");
    browser.resize(1280, 900, false);
    assert!(!browser.overflows());
    browser.prefer("light");
}

/// Everything above was within the policy; what is not in the page as it was made is stopped by it.
fn its_policy_holds(browser: &Browser) {
    assert_eq!(browser.complaints(), Vec::<String>::new());
    let from = "return performance.getEntriesByType('resource').filter(e => !e.name.startsWith(location.origin)).length";
    assert_eq!(browser.script(from), json!(0), "nothing comes from elsewhere");
    browser.script("document.body.insertAdjacentHTML('beforeend', '<img src=\"data:,\" onerror=\"window.foreign = 1\">')");
    until("the browser has refused it", || {
        browser.complaints().iter().any(|said| said.contains("Content Security Policy")).then_some(())
    });
    assert_eq!(browser.script("return typeof foreign"), json!("undefined"));
}
