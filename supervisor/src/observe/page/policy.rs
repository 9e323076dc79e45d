//! The page's Content-Security-Policy: its one script and its one style by their hashes, so that nothing that finds its way into
//! the page is ever run.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openssl::sha::sha256;

/// The policy of a page.
pub(super) fn of(page: &str) -> String {
    let hash = |element: &str| {
        let text = content(page, element).unwrap_or_default();
        format!("'sha256-{}'", STANDARD.encode(sha256(text.as_bytes())))
    };
    format!(
        "default-src 'none'; script-src {}; style-src {}; connect-src 'self'; img-src 'self' data:; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
        hash("script"),
        hash("style")
    )
}

/// What stands in the one element of this name.
fn content<'a>(page: &'a str, element: &str) -> Option<&'a str> {
    let (_, rest) = page.split_once(&format!("<{element}>"))?;
    rest.split_once(&format!("</{element}>")).map(|(text, _)| text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::page::PAGE;

    #[test]
    fn the_page_has_one_script_and_one_style_and_nothing_inline_besides() {
        for element in ["script", "style"] {
            assert_eq!(PAGE.matches(&format!("<{element}")).count(), 1, "{element}");
            assert!(content(PAGE, element).is_some_and(|text| !text.trim().is_empty()), "{element}");
        }
        let markup =
            PAGE.replace(content(PAGE, "script").unwrap(), "").replace(content(PAGE, "style").unwrap(), "");
        for inline in [" style=", " onclick=", " onload=", "javascript:", "http://", "https://"] {
            assert!(!markup.contains(inline), "{inline}");
        }
    }

    #[test]
    fn the_policy_names_the_hashes_of_what_stands_there() {
        let policy = of("<style>a</style><script>b</script>");
        assert!(
            policy.contains("style-src 'sha256-ypeBEsobvcr6wjGzmiPcTaeG7/gUfE5yuYB3ha/uSLs='"),
            "{policy}"
        );
        assert!(
            policy.contains("script-src 'sha256-PiPoFgA5WUoziU9lZOGxNIu9egCI1CxKy3PurtWcAJ0='"),
            "{policy}"
        );
    }
}
