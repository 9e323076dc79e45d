//! Files made to crash or to hang.

use std::fmt::Write as _;
use std::time::Duration;

use proptest::prelude::*;

use super::super::source::MAX_BYTES;
use super::*;
use crate::clock;

/// All errors; taking long is a failure.
#[track_caller]
fn errors(text: &str) -> String {
    let started = clock::now();
    let errors = Config::load(Some(&source(text)), &Flags::default()).unwrap_err().to_string();
    let took = clock::now().duration_since(started);
    assert!(took < Duration::from_secs(20), "took {took:?}");
    errors
}

/// `unit` again and again, up to the largest file.
fn filled(unit: &str) -> String {
    unit.repeat(MAX_BYTES / unit.len())
}

#[test]
fn deep_nesting_is_refused_before_it_is_followed() {
    for unit in ["[", "{", "{a: ", "[[a],", "- ", "? ", "a: [", "!!map {a: "] {
        let errors = errors(&filled(unit));
        assert!(
            errors.contains("nested deeper")
                || errors.contains("not valid YAML")
                || errors.contains("expected"),
            "{errors}"
        );
    }
    let mut indented = String::new();
    for level in 0..40 {
        writeln!(indented, "{:level$}a:", "").unwrap();
    }
    assert!(errors(&indented).contains("nested deeper than 32 levels"));
}

#[test]
fn an_alias_is_never_followed() {
    let mut bomb = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    for level in 1..30 {
        let below = format!("*a{}, ", level - 1).repeat(8);
        writeln!(bomb, "a{level}: &a{level} [{below}]").unwrap();
    }
    assert_eq!(errors(&bomb), "k.yaml:2:10: aliases (`*name`) are not supported; write the value out");
    assert!(errors("a: &a [*a]").contains("aliases"));
}

#[test]
fn long_files_end_in_time() {
    for unit in [
        "a: b\n",
        "topics: [a]\n",
        "a,",
        "'",
        "\"",
        "\n",
        "#",
        "# \n",
        ": ",
        "&a ",
        "!a ",
        "a\n\n",
        "- a\n",
        "|\n",
        "%a\n",
        "\t",
    ] {
        errors(&filled(unit));
    }
    let mut distinct = String::from("kafka:\n");
    let mut brokers = String::from("cluster: {brokers: [");
    for number in 0..60_000 {
        writeln!(distinct, "  k{number}: []").unwrap();
        write!(brokers, "b{number}:1, ").unwrap();
    }
    errors(&distinct);
    errors(&format!("{brokers}]}}"));
    errors(&format!("topics: [{}", "a, ".repeat(300_000)));
    errors(&format!("topics: [{}]", "a, ".repeat(300_000)));
    errors(&format!("topics: {{{}}}", "a: b, ".repeat(150_000)));
}

#[test]
fn a_file_over_the_limit_is_refused() {
    let text = format!("{MINIMAL}#{}", "x".repeat(MAX_BYTES));
    assert_eq!(errors(&text), "k.yaml: larger than 1 MiB; is this the configuration file?");
    assert!(Source::from_bytes("k.yaml", text.into_bytes()).unwrap_err().to_string().contains("larger"));
    assert!(Source::read("/dev/zero".as_ref()).unwrap_err().to_string().contains("larger"));
}

#[test]
fn what_cannot_be_read_says_so() {
    let missing = Source::read("/nonexistent/k.yaml".as_ref()).unwrap_err();
    assert!(missing.to_string().starts_with("/nonexistent/k.yaml: can't be read: No such file"), "{missing}");
    assert!(!missing.only_flags());
    let latin1 = Source::from_bytes("k.yaml", b"group: g\nname: \xe9".to_vec()).unwrap_err();
    assert_eq!(latin1.to_string(), "k.yaml:2:7: a byte that is not UTF-8; save the file as UTF-8");
    assert!(Source::read("/proc".as_ref()).unwrap_err().to_string().contains("directory"));
}

#[test]
fn a_long_text_is_cut_in_messages() {
    let errors = errors(&format!(
        "group: {}\noffsets: {{reset: {}}}\n{}: 1",
        "é".repeat(9000),
        "x".repeat(9000),
        "k".repeat(900)
    ));
    assert!(errors.lines().all(|line| line.len() < 400), "{errors}");
}

/// Scraps that make more than noise when they meet.
fn scrap() -> impl Strategy<Value = String> {
    let keys = "group name topics cluster brokers zookeeper assignment mode static partitions handler command protocol exec \
                poison batch messages offsets restart initial kafka log level admin socket 10s 16MiB true null 1 -1 1e9 0x1 \
                discovery url http://a:1 topology region type consumer auto_commit auto_commit_interval_ms client_id";
    let words: Vec<String> = keys.split_whitespace().map(str::to_owned).collect();
    let signs = [
        ": ",
        ":",
        "\n",
        "\n  ",
        "\n- ",
        "[",
        "]",
        "{",
        "}",
        ", ",
        "'",
        "\"",
        "#",
        "|",
        ">",
        "&a",
        "*a",
        "!!str ",
        "!x ",
        "? ",
        "---\n",
        "...\n",
        "%YAML 1.2\n",
        "\t",
        "\\",
        "\u{feff}",
        "\u{85}",
        "\r",
        "é",
        "\0",
        "<<",
        "@",
        "`",
        "~",
    ];
    let signs: Vec<String> = signs.iter().map(|sign| (*sign).to_owned()).collect();
    prop_oneof![proptest::sample::select(words), proptest::sample::select(signs)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let loaded = Source::from_bytes("k.yaml", bytes).and_then(|source| Config::load(Some(&source), &Flags::default()));
        prop_assert!(!loaded.unwrap_err().to_string().is_empty());
    }

    #[test]
    fn no_text_panics(text in any::<String>()) {
        let loaded = Config::load(Some(&source(&text)), &Flags::default());
        prop_assert!(!loaded.unwrap_err().to_string().is_empty());
    }

    #[test]
    fn no_yaml_panics(scraps in proptest::collection::vec(scrap(), 0..60)) {
        let loaded = Config::load(Some(&source(&scraps.concat())), &Flags::default());
        prop_assert!(!loaded.unwrap_err().to_string().is_empty());
    }

    #[test]
    fn no_damage_to_a_good_file_panics(at in 0..FULL.len(), scraps in proptest::collection::vec(scrap(), 1..4), cut in 0..9_usize) {
        let mut text = FULL.to_owned();
        text.replace_range(at..(at + cut).min(text.len()), &scraps.concat());
        let _ = Config::load(Some(&source(&text)), &Flags::default());
    }

    #[test]
    fn no_flag_panics(words in proptest::collection::vec(any::<String>(), 10)) {
        let word = |at: usize| words.get(at).cloned();
        let flags = Flags {
            brokers: word(0), zookeeper: word(1), group: word(2), topics: word(3).into_iter().collect(),
            partitions: vec![words[4].clone(), format!("a:{}", words[5])], protocol: word(6), reset: word(7),
            name: word(8), http: word(9), command: words.clone(),
        };
        prop_assert!(Config::load(None, &flags).unwrap_err().only_flags());
    }
}
