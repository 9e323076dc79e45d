//! Lines over the socket between supervisor and worker, in both directions. What is understood is written again as the same
//! line would be, and no unfinished line is kept beyond the limit.

use kafkavisor_link::lines::{BadLine, Lines, MAX_LINE, line};
use kafkavisor_link::message::{FromWorker, ToWorker};
use serde::{Deserialize, Serialize};

use crate::input::{pieces, stretched};

/// What one side understood, written again, and whether it ended with a bad line.
fn understood<M: Serialize + for<'de> Deserialize<'de>>(reads: &[&[u8]]) -> (Vec<Vec<u8>>, bool) {
    let mut lines = Lines::default();
    let mut words = Vec::new();
    for read in reads {
        match lines.push::<M>(read) {
            Ok(messages) => words.extend(messages.iter().map(line)),
            Err(BadLine::Unknown(_) | BadLine::TooLong) => return (words, true),
        }
        assert!(lines.kept() <= MAX_LINE, "{} bytes are kept", lines.kept());
    }
    (words, false)
}

fn check<M: Serialize + for<'de> Deserialize<'de>>(data: &[u8]) {
    let (words, bad) = understood::<M>(&pieces(data));
    let whole = understood::<M>(&[data]);
    assert_eq!(whole.1, bad, "in pieces it means something else");
    if !bad {
        assert_eq!(whole.0, words, "in pieces it means something else");
    }
    for word in &words {
        assert!(word.ends_with(b"\n") && !word[..word.len() - 1].contains(&b'\n'));
        assert_eq!(understood::<M>(&[word]), (vec![word.clone()], false));
    }
}

/// From a worker, and to one.
pub(super) fn lines(data: &[u8]) {
    let data = stretched(data);
    check::<FromWorker>(&data);
    check::<ToWorker>(&data);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Else the corpus would say nothing of the longest message any more.
    #[test]
    fn the_kept_start_is_what_is_sent_now() {
        let kept: &[u8] = include_bytes!("../../corpus/worker-link/start");
        let (words, bad) = understood::<ToWorker>(&[kept]);
        let now = "put a line as it is now into corpus/worker-link/start";
        assert!(!bad && words.len() == 1, "{now}");
        let [kept, again] =
            [kept, &words[0]].map(|line| serde_json::from_slice::<serde_json::Value>(line).expect("JSON"));
        assert_eq!(kept, again, "{now}");
    }
}
