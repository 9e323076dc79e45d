//! Lines that look like answers and are none, as `{'ack': 57}` of a Python that forgot `json.dumps`. They are log lines, by the
//! contract; but whoever wrote them waits for what never comes, so the first of them is pointed out.

/// As much of such a line is repeated.
const SHOWN: usize = 200;

/// What a handler is told of its first one.
#[derive(Debug, Default)]
pub(super) struct NearAnswers {
    told: bool,
}

impl NearAnswers {
    /// Looks at a line for the log.
    pub(super) fn look(&mut self, line: &[u8]) {
        if self.told || !is_near(line) {
            return;
        }
        self.told = true;
        let text: String = String::from_utf8_lossy(line).chars().take(SHOWN).collect();
        log::warn!(
            "the handler's line {text:?} is no answer and goes to the log: an answer is an object with exactly the keys \
             \"ack\", or \"reject\" and \"error\", or \"busy\""
        );
    }
}

/// An object whose first key is an answer's, whatever the quotes.
fn is_near(line: &[u8]) -> bool {
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line).trim_ascii_start();
    let Some(inside) = line.strip_prefix(b"{") else { return false };
    let key: Vec<u8> = inside
        .iter()
        .filter(|byte| !byte.is_ascii_whitespace() && !matches!(byte, b'"' | b'\''))
        .take("reject:".len())
        .map(u8::to_ascii_lowercase)
        .collect();
    [&b"ack:"[..], b"reject:", b"busy:"].iter().any(|near| key.starts_with(near))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_an_answer_is_told_from_what_does_not() {
        for near in [
            "{'ack': 57}",
            " {\"reject\":58}",
            "{Ack:1}",
            "\u{feff}{\"ack\":1}",
            "{\"busy\":1,\"x\":2}",
            "{\"ack\":07}",
        ] {
            assert!(is_near(near.as_bytes()), "{near}");
        }
        for other in [
            "",
            "ack: 57",
            "{\"level\":\"info\",\"ack\":1}",
            "{\"acknowledged\":1}",
            "{\"error\":\"x\"}",
            "[{\"ack\":1}]",
        ] {
            assert!(!is_near(other.as_bytes()), "{other}");
        }
    }
}
