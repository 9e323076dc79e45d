//! What comes next of a partition, in words: of itself and when, or what an operator has to do.

use std::time::Duration;

use super::snapshot::{Coming, Moment, Seen};
use super::status::{believed, hangs, silence};

/// None where nothing but messages comes.
pub(crate) fn of(seen: &Seen, moment: &Moment) -> Option<String> {
    let left = |at: std::time::Instant| in_words(at.saturating_duration_since(moment.instant));
    Some(match seen.coming {
        Coming::Nothing if hangs(seen, moment.boottime) => time_out(seen, moment)?,
        Coming::Nothing => return None,
        Coming::Located(None) => "where it begins is being looked up".to_owned(),
        Coming::Located(Some(at)) => format!("where it begins is looked up again in {}", left(at)),
        Coming::Committed => "its worker starts once its new offset is committed".to_owned(),
        Coming::Leased => "its worker starts once ZooKeeper confirms that it is still ours".to_owned(),
        Coming::Started(None) => "its worker is being started".to_owned(),
        Coming::Started(Some(at)) => format!("its worker starts in {}", left(at)),
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

/// When a handler that says nothing is ended.
fn time_out(seen: &Seen, moment: &Moment) -> Option<String> {
    let (page, since) = (believed(seen)?, silence(seen)?);
    let at = if page.silence_ends.0 > 0 { page.silence_ends } else { since.after(seen.timeout) };
    let left = in_words(at.since(moment.boottime));
    let silent = in_words(moment.boottime.since(since));
    Some(format!(
        "its handler has said nothing for {silent}: handler_timeout in {left}, then it is started again"
    ))
}

/// As long as people want to read it.
pub(crate) fn in_words(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0..10) => format!("{:.1} s", duration.as_secs_f64()),
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m} min {s} s"),
        (h, m, _) => format!("{h} h {m} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        let words = |millis| in_words(Duration::from_millis(millis));
        assert_eq!(
            [words(0), words(9_949), words(10_000), words(61_000)],
            ["0.0 s", "9.9 s", "10 s", "1 min 1 s"]
        );
        assert_eq!(words(3_720_000), "1 h 2 min");
    }
}
