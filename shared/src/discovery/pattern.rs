//! Regular expressions as Python's `re.match` takes them: anchored at the start only.

use regex::Regex;
use regex_syntax::ast::{self, ErrorKind};

use super::errors::InvalidRegex;

/// A regular expression as Python's `re.match` takes it: anchored at the start only. What the [`regex`] crate has, and Python's `\Z`.
///
/// ```
/// use kafkavisor::discovery::Pattern;
///
/// let pattern = Pattern::new(".*mytopic")?;
/// assert!(pattern.matches("your-mytopic-2") && !Pattern::new("mytopic")?.matches("your-mytopic"));
/// # Ok::<(), kafkavisor::discovery::InvalidRegex>(())
/// ```
#[derive(Debug, Clone)]
pub struct Pattern(Regex);

impl Pattern {
    /// Fails for what is no regular expression, or has look-around or backreferences.
    pub fn new(pattern: &str) -> Result<Self, InvalidRegex> {
        Regex::new(&with_our_end(pattern)).map(Self).map_err(|error| invalid(pattern, &error))
    }

    /// Python's `re.match(pattern, name)`. Of all matches the leftmost is found, so one at the start is, if there is one.
    pub fn matches(&self, name: &str) -> bool {
        self.0.find(name).is_some_and(|found| found.start() == 0)
    }
}

/// Whether somebody else's engine may know the pattern: what ours has only left out (look-around, backreferences) passes.
pub(super) fn check(pattern: &str) -> Result<(), InvalidRegex> {
    let Err(error) = ast::parse::Parser::new().parse(&with_our_end(pattern)) else { return Ok(()) };
    let left_out =
        matches!(error.kind(), ErrorKind::UnsupportedLookAround | ErrorKind::UnsupportedBackreference);
    if left_out { Ok(()) } else { Err(invalid(pattern, error.kind())) }
}

/// The regex that a stream's name is looked for with: the name and nothing behind it. From yelp_kafka: `stream_to_log_regex`.
pub(super) fn of_stream(stream: &str) -> String {
    format!("{}$", regex::escape(stream))
}

fn invalid(pattern: &str, error: &dyn std::fmt::Display) -> InvalidRegex {
    // The parser draws the pattern over several lines; the last one says what is wrong.
    let drawn = error.to_string();
    let reason = drawn.lines().last().unwrap_or_default().trim_start_matches("error: ");
    InvalidRegex { pattern: pattern.to_owned(), reason: reason.to_owned() }
}

/// Python's `\Z`, the end of the text, is `\z` here.
fn with_our_end(pattern: &str) -> String {
    let mut escaped = false;
    let letter = |c: char| {
        let ours = if escaped && c == 'Z' { 'z' } else { c };
        escaped = c == '\\' && !escaped;
        ours
    };
    pattern.chars().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        Pattern::new(pattern).unwrap().matches(name)
    }

    #[test]
    fn a_pattern_is_anchored_at_the_start_only() {
        for (pattern, name, expected) in [
            ("my", "mytopic", true),
            ("topic", "mytopic", false),
            (".*topic", "mytopic", true),
            (".*topic", "mytopics", true),
            (".*topic$", "mytopics", false),
            (r".*topic\Z", "mytopic", true),
            (r"my\\Z|mytopic", "mytopic", true),
            ("a|b", "xb", false),
            ("x|xy$", "xy", true),
            ("(?i)MY", "mytopic", true),
            ("(?m)^my", "mytopic", true),
            ("(?x) my # the beginning", "mytopic", true),
            ("", "mytopic", true),
            (r"my\.topic", "my-topic", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn a_text_that_is_no_regex_is_refused_with_what_is_wrong() {
        for (pattern, says) in
            [("(", "unclosed group"), ("[a", "unclosed character class"), ("*a", "repetition")]
        {
            let error = Pattern::new(pattern).unwrap_err();
            assert!(error.reason.contains(says) && !error.reason.contains('\n'), "{error}");
            assert_eq!(check(pattern).unwrap_err().pattern, pattern);
        }
        assert!(Pattern::new("(?=a)").unwrap_err().reason.contains("look-around"));
    }

    #[test]
    fn what_the_services_own_engine_may_know_is_left_to_it() {
        for pattern in ["(?!tmp_)ranger", r"(a)\1", "ranger.*", r"ranger\Z"] {
            assert_eq!(check(pattern), Ok(()), "{pattern}");
        }
    }

    #[test]
    fn a_streams_name_is_taken_as_it_is() {
        assert_eq!(of_stream("ranger"), "ranger$");
        assert_eq!(of_stream("a.b+c"), r"a\.b\+c$");
        assert!(matches(&of_stream("a.b"), "a.b") && !matches(&of_stream("a.b"), "axb"));
        assert!(!matches(&of_stream("ranger"), "ranger_old"));
    }
}
