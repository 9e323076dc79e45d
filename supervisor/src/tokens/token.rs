//! What a program or an identity provider prints, as a token; and when the next one is asked for. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use kafkavisor::rfc3339;
use kafkavisor::token::Token;
use serde_json::Value;

/// A new one is asked for when so much of its life is over.
const ASKED_AGAIN_AT_PERCENT: i64 = 80;
/// ... but no sooner than this after it came.
const SOONEST: Duration = Duration::from_secs(1);
/// What fails is tried again after this; it doubles.
const AGAIN: Duration = Duration::from_secs(1);
const AGAIN_MAX: Duration = Duration::from_secs(30);
/// One question takes no longer than so much of what the last token has left, within these bounds.
const ONE_OF: u32 = 3;
const QUICKEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(15);

/// Why something is no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoToken {
    #[error(
        "it is no JSON object such as {{\"token\":\"...\",\"expires_at\":\"2026-03-01T12:00:00Z\",\"principal\":\"svc\"}}"
    )]
    NotAnObject,
    #[error("`{0}` is missing or no text")]
    Missing(&'static str),
    #[error("`expires_at`: {0}")]
    NotATime(String),
    #[error("the token holds what no token may: a space or a control character")]
    Characters,
    #[error("the token has expired already")]
    Expired,
}

/// What a token command prints.
pub(crate) fn printed(stdout: &[u8], now: i64) -> Result<Token, NoToken> {
    let Ok(Value::Object(object)) = serde_json::from_slice(stdout) else { return Err(NoToken::NotAnObject) };
    let text = |key: &'static str| object.get(key).and_then(Value::as_str).ok_or(NoToken::Missing(key));
    let expires_at =
        rfc3339::parse(text("expires_at")?).map_err(|error| NoToken::NotATime(error.to_string()))?;
    let principal = text("principal")?.to_owned();
    usable(
        Token { value: text("token")?.to_owned(), expires_at, principal, extensions: BTreeMap::new() },
        now,
    )
}

/// The token, unless no broker would take it.
pub(crate) fn usable(token: Token, now: i64) -> Result<Token, NoToken> {
    if token.value.is_empty() || !token.value.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(NoToken::Characters);
    }
    if token.expires_at <= now { Err(NoToken::Expired) } else { Ok(token) }
}

/// How long to wait before the next one is asked for.
pub(crate) fn ask_again_in(expires_at: i64, now: i64) -> Duration {
    let left = expires_at.saturating_sub(now).max(0);
    let milliseconds = left.saturating_mul(ASKED_AGAIN_AT_PERCENT) / 100;
    Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0)).max(SOONEST)
}

/// How long an answer is waited for while the last token counts for another `left`: several questions are to fit in.
pub(crate) fn waited_for(left: Duration) -> Duration {
    (left / ONE_OF).clamp(QUICKEST, LONGEST)
}

/// How long to wait after so many failures in a row.
pub(crate) fn try_again_in(failures: u32) -> Duration {
    AGAIN.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(AGAIN_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(text: &str) -> Result<Token, NoToken> {
        printed(text.as_bytes(), 1_000_000)
    }

    #[test]
    fn a_token_is_taken_as_it_is_printed() {
        let token =
            output("{\"token\":\"a.b.c\",\"expires_at\":\"2026-03-01T12:00:00Z\",\"principal\":\"svc\"}\n")
                .unwrap();
        assert_eq!((token.value.as_str(), token.principal.as_str()), ("a.b.c", "svc"));
        assert_eq!(token.expires_at, 1_772_366_400_000);
        assert!(!format!("{token:?}").contains("a.b.c"));
    }

    #[test]
    fn whatever_is_none_is_refused() {
        let of =
            |token: &str, at: &str| format!("{{\"token\":{token},\"expires_at\":{at},\"principal\":\"p\"}}");
        for (text, error) in [
            (String::new(), NoToken::NotAnObject),
            ("a.b.c".to_owned(), NoToken::NotAnObject),
            ("[]".to_owned(), NoToken::NotAnObject),
            (of("1", "\"2026-03-01T12:00:00Z\""), NoToken::Missing("token")),
            (of("\"a\"", "1772366400"), NoToken::Missing("expires_at")),
            (of("\"\"", "\"2026-03-01T12:00:00Z\""), NoToken::Characters),
            (of("\"a b\"", "\"2026-03-01T12:00:00Z\""), NoToken::Characters),
            (of("\"a\\u0001b\"", "\"2026-03-01T12:00:00Z\""), NoToken::Characters),
            (of("\"a\"", "\"1970-01-01T00:00:01Z\""), NoToken::Expired),
            (
                "{\"token\":\"a\",\"expires_at\":\"2026-03-01T12:00:00Z\"}".to_owned(),
                NoToken::Missing("principal"),
            ),
        ] {
            assert_eq!(output(&text).unwrap_err(), error, "{text}");
        }
        assert!(matches!(output(&of("\"a\"", "\"tomorrow\"")), Err(NoToken::NotATime(_))));
    }

    #[test]
    fn the_next_one_is_asked_for_in_time() {
        assert_eq!(ask_again_in(1_100_000, 1_000_000), Duration::from_secs(80));
        assert_eq!(ask_again_in(1_000_100, 1_000_000), Duration::from_secs(1), "never in a circle");
        assert_eq!(ask_again_in(0, 1_000_000), Duration::from_secs(1));
        assert_eq!(
            [0, 4, 9, 12, 60, 900].map(|left| waited_for(Duration::from_secs(left)).as_millis()),
            [1000, 1333, 3000, 4000, 15000, 15000]
        );
        assert_eq!([1, 2, 3, 6, 40].map(|n| try_again_in(n).as_secs()), [1, 2, 4, 30, 30]);
    }
}
