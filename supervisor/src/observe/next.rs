//! What comes next of a partition, in words: of itself and when, or what an operator has to do.

use super::ages::in_words;
use super::known::{Coming, Moment};
use super::snapshot::Seen;
use super::status::{believed, hangs, silence};

/// None where nothing but messages comes.
pub(crate) fn of(seen: &Seen, moment: &Moment) -> Option<String> {
    let left = |at: std::time::Instant| in_words(at.saturating_duration_since(moment.instant));
    Some(match seen.known.coming {
        Coming::Nothing if hangs(seen, moment.boottime) => time_out(seen, moment)?,
        Coming::Nothing if seen.known.letter_kept_by.is_some() => {
            "its dead letter is tried again; `seek` passes the message over".to_owned()
        }
        Coming::Nothing if is_between(seen) => "its handler is started with what is in flight".to_owned(),
        Coming::Nothing => return None,
        Coming::Located(None) => "where it begins is being looked up".to_owned(),
        Coming::Located(Some(at)) => format!("where it begins is looked up again in {}", left(at)),
        Coming::Committed => "its worker starts once its new offset is committed".to_owned(),
        Coming::Leased => "its worker starts once ZooKeeper confirms that it is still ours".to_owned(),
        Coming::Started(None) => format!("its worker is being started{}", letter(seen)),
        Coming::Started(Some(at)) => format!("its worker starts in {}{}", left(at), letter(seen)),
        Coming::Ended(at) => format!("its worker is killed unless it has ended in {}", left(at)),
        Coming::Killed => "its worker is being killed".to_owned(),
        Coming::Released(at) => {
            format!("it is released once its last offset is committed, or in {}", left(at))
        }
        Coming::Unparked => {
            "nothing of itself: `resume` tries again, `skip` passes the message over, `seek` goes elsewhere"
                .to_owned()
        }
        Coming::Resumed => "nothing of itself: `resume` goes on".to_owned(),
    })
}

/// Whether no handler runs although its worker has messages for one (`exec`): after a failure, or until its batch is full.
fn is_between(seen: &Seen) -> bool {
    believed(seen)
        .is_some_and(|page| seen.known.worker.is_some() && page.in_flight > 0 && page.handler_pid == 0)
}

/// What a worker does first.
fn letter(seen: &Seen) -> String {
    let told =
        |offset| format!(" and takes offset {offset} to the dead-letter topic, then goes on behind it");
    seen.known.dead_letter.map(told).unwrap_or_default()
}

/// When a handler that says nothing is ended.
fn time_out(seen: &Seen, moment: &Moment) -> Option<String> {
    let (page, since) = (believed(seen)?, silence(seen)?);
    let left = in_words(page.silence_ends.since(moment.boottime));
    let silent = in_words(moment.boottime.since(since));
    Some(format!(
        "its handler has said nothing for {silent}: handler_timeout in {left}, then it is started again"
    ))
}
