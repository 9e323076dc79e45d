//! Texts from outside (a handler's reason, its log, an error of Kafka's), made fit to be kept and to be shown: bounded, with
//! a mark that says how long the whole was, and without raw control characters, which a terminal would obey.
//!
//! What is bounded once is not changed by being bounded again.

use std::borrow::Cow;
use std::fmt::Write as _;

/// As much is kept of a text in an answer, and goes into a dead letter. In bytes, like the others.
pub const KEPT: usize = 16 << 10;
/// As much is shown where people read: how something ended, in status and log.
pub const SHOWN: usize = 4 << 10;
/// As much is passed on of a line for the log.
pub const LINE: usize = 1 << 20;

/// A text as it is kept, on one line.
pub fn kept(text: &str) -> String {
    bounded(text.as_bytes(), text.len(), KEPT)
}

/// A text as it is shown, on one line.
pub fn shown(text: &str) -> String {
    bounded(text.as_bytes(), text.len(), SHOWN)
}

/// The innermost reason of an error: what is around it says only what was tried.
pub fn innermost(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// What stands in for a secret.
pub const MASK: &str = "********";

/// An address on the web (`https://…`) without what may be a secret in it: who asks, before `@`, and what is asked, after `?`. In
/// doubt more is left out.
pub fn without_secrets(address: &str) -> Cow<'_, str> {
    let (scheme, rest) = address.split_at(address.find("://").map_or(0, |end| end + "://".len()));
    let (user, rest) = rest.rsplit_once('@').map_or(("", rest), |(_, rest)| ("********@", rest));
    match rest.find(['?', '#']) {
        Some(end) => Cow::Owned(format!("{scheme}{user}{}{MASK}", rest.get(..=end).unwrap_or_default())),
        None if user.is_empty() => Cow::Borrowed(address),
        None => Cow::Owned(format!("{scheme}{user}{rest}")),
    }
}

/// What somebody has named (a file, an address, a group), as it is repeated to them: on one line, and whole.
pub fn named(what: impl std::fmt::Display) -> String {
    escaped(&what.to_string(), &[]).into_owned()
}

/// At most `limit` bytes, on one line, of a text that was `length` bytes long and of which `bytes` are the beginning: all of it,
/// or `limit` and one more at least. What is no UTF-8 is replaced.
pub fn bounded(bytes: &[u8], length: usize, limit: usize) -> String {
    // No byte becomes less than one, so that no more of them can matter.
    let beginning = bytes.get(..=limit).unwrap_or(bytes);
    let text = String::from_utf8_lossy(beginning);
    let text = escaped(&text, &[]);
    if length <= beginning.len() && text.len() <= limit {
        return text.into_owned();
    }
    let mark = mark(length);
    let mut text = text.into_owned();
    truncate(&mut text, limit.saturating_sub(mark.len()));
    text.push_str(&mark);
    text
}

/// A line for the log that was `length` bytes long and of which `line` is the beginning, with a mark if that is not all.
pub fn log_line(line: &[u8], length: usize) -> Cow<'_, [u8]> {
    if length <= LINE && length <= line.len() {
        return Cow::Borrowed(line);
    }
    let mark = mark(length);
    let beginning = line.get(..LINE.saturating_sub(mark.len())).unwrap_or(line);
    Cow::Owned([beginning, mark.as_bytes()].concat())
}

/// What stands where a text of `length` bytes was cut.
fn mark(length: usize) -> String {
    format!("… ({length} bytes)")
}

/// Cuts `text` to at most `limit` bytes of whole characters.
fn truncate(text: &mut String, limit: usize) {
    let end = (0..=limit.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.truncate(end.unwrap_or_default());
}

/// The text with its control characters written out, as in `\n` and `\u{1b}`, but for those that are `spared`.
pub fn escaped<'a>(text: &'a str, spared: &[char]) -> Cow<'a, str> {
    let raw = |c: char| (c.is_control() || turns(c)) && !spared.contains(&c);
    let Some(first) = text.find(raw) else { return Cow::Borrowed(text) };
    let (harmless, rest) = text.split_at_checked(first).unwrap_or((text, ""));
    let mut out = String::with_capacity(text.len() + 16);
    out.push_str(harmless);
    for c in rest.chars() {
        if raw(c) {
            // Writing to a string can't fail.
            let _written = if turns(c) {
                write!(out, "{}", c.escape_unicode())
            } else {
                write!(out, "{}", c.escape_debug())
            };
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// Whether it turns the direction of what follows, or ends a line, where neither can be seen.
fn turns(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_turns_the_line_around_and_what_joins_letters_stays() {
        assert_eq!(shown("gnp.\u{202e}exe"), "gnp.\\u{202e}exe");
        assert_eq!(shown("a\u{2028}b"), "a\\u{2028}b");
        let family = "\u{1f468}\u{200d}\u{1f469}";
        assert_eq!(shown(family), family);
    }

    #[test]
    fn short_texts_stay_as_they_are_and_long_ones_say_how_long_they_were() {
        assert_eq!(kept(""), "");
        assert_eq!(kept("ähm \"x\" \\n"), "ähm \"x\" \\n");
        assert_eq!(kept(&"x".repeat(KEPT)).len(), KEPT);
        let long = kept(&"é".repeat(KEPT));
        assert!(long.len() <= KEPT && long.ends_with("é… (32768 bytes)"), "{long}");
        assert_eq!(bounded(&[b'x'; 20], 250_000, 19), "x… (250000 bytes)");
    }

    #[test]
    fn an_address_is_shown_without_who_asks_and_what() {
        for (address, shown) in [
            ("https://login.example.com/oauth2/token", "https://login.example.com/oauth2/token"),
            ("https://me:pw@login:8443/token", "https://********@login:8443/token"),
            ("https://login/token?apikey=pw", "https://login/token?********"),
            ("https://me:p/w?@login/token?x=pw#pw", "https://********@login/token?********"),
            ("me:pw@login:1", "********@login:1"),
            ("no address", "no address"),
        ] {
            assert_eq!(without_secrets(address), shown);
        }
    }

    #[test]
    fn control_characters_are_written_out() {
        assert_eq!(kept("a\nb\r\t\0\u{1b}[31m\u{7f}\u{9b}"), r"a\nb\r\t\0\u{1b}[31m\u{7f}\u{9b}");
        assert_eq!(escaped("a\tb\u{7}", &['\t']), "a\tb\\u{7}");
        assert_eq!(named(std::path::Path::new("a\nb").display()), "a\\nb");
        assert_eq!(bounded(b"\x1b\xff", 2, 100), "\\u{1b}\u{fffd}");
    }

    #[test]
    fn a_line_is_cut_with_a_mark() {
        assert_eq!(log_line(b"\xff\x1b", 2), &b"\xff\x1b"[..]);
        let long = vec![b'x'; LINE];
        let cut = log_line(&long, LINE + 1);
        assert!(cut.len() == LINE && cut.ends_with("x… (1048577 bytes)".as_bytes()));
    }

    proptest! {
        #[test]
        fn bounded_twice_is_bounded_once(bytes in proptest::collection::vec(any::<u8>(), 0..300), limit in 20..200_usize) {
            let once = bounded(&bytes, bytes.len(), limit);
            prop_assert!(once.len() <= limit && !once.chars().any(char::is_control));
            prop_assert_eq!(bounded(once.as_bytes(), once.len(), limit), once.clone());
            // Of a longer one the beginning is enough.
            let beginning = bytes.get(..=limit).unwrap_or(&bytes);
            prop_assert_eq!(bounded(beginning, bytes.len(), limit), once);
        }
    }
}
