//! Words that a value or key may be, and the one that was probably meant.

use super::document::shown;
use super::errors::{Place, Problems};
use super::unavailable;

/// The choice that `text` names; what is not available yet is noted, and given back all the same where it is known.
pub(super) fn choice<T: Copy>(
    path: &str,
    place: Place,
    text: &str,
    choices: &[(&str, T)],
    p: &mut Problems,
) -> Option<T> {
    let refused = unavailable::refuse_value(path, text, place, p);
    let found = choices.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
    if found.is_none() && !refused {
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        let hint = closest(text, &names).map(|name| format!("; did you mean `{name}`?")).unwrap_or_default();
        p.value(path, place, format!("expected {}, found {:?}{hint}", one_of(choices), shown(text)));
    }
    found
}

pub(super) fn one_of<T>(choices: &[(&str, T)]) -> String {
    let names: Vec<String> = choices.iter().map(|(name, _)| format!("`{name}`")).collect();
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}

/// What an unknown name was probably meant to be.
pub(crate) fn nearest(name: &str, known: &[&str]) -> String {
    match closest(name, known) {
        Some(key) => format!("did you mean `{key}`?"),
        None => format!("known here: {}", known.join(", ")),
    }
}

/// The word that `name` is probably a slip of.
fn closest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    if name.len() > 60 {
        return None;
    }
    let plain = name.to_lowercase().replace(['-', ' '], "_");
    let score = |key: &str| strsim::jaro_winkler(&plain, &key.replace('-', "_"));
    let scored = known.iter().map(|key| (score(key), *key)).filter(|(score, _)| *score > 0.8);
    scored.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, key)| key)
}
