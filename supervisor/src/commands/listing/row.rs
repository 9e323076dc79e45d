//! One partition in words.

use kafkavisor::text::shown;

use crate::observe::status::Partition;

/// Kinds of partitions, those first that need somebody soonest. What is not among them, of another version, comes before `ready`.
const KINDS: [&str; 8] =
    ["hanging", "crash_loop", "parked", "backing_off", "killing", "paused", "starting", "draining"];

/// See the module.
#[derive(Debug, Clone)]
pub(in crate::commands) struct Row<'a> {
    pub(in crate::commands) partition: &'a Partition,
    /// Messages a second, where it was looked at before.
    pub(in crate::commands) rate: Option<f64>,
}

impl Row<'_> {
    pub(in crate::commands) fn name(&self) -> String {
        name(self.partition)
    }

    /// Its state, or that it hangs.
    pub(in crate::commands) fn kind(&self) -> &str {
        if self.partition.hanging { "hanging" } else { &self.partition.state }
    }

    /// Whether it needs care.
    pub(in crate::commands) fn needs_care(&self) -> bool {
        self.kind() != "ready" || self.partition.commit_error.is_some()
    }

    /// The lower, the sooner it needs somebody.
    pub(in crate::commands) fn rank(&self) -> usize {
        let kind = self.kind();
        let ready = KINDS.len() + usize::from(kind == "ready") + usize::from(!self.needs_care());
        KINDS.iter().position(|known| *known == kind).unwrap_or(ready)
    }

    /// Why it is as it is, or how its last worker ended, and what comes next.
    pub(in crate::commands) fn why(&self) -> String {
        let Partition { reason, commit_error, last_exit, next, dead_lettered_total: dead, .. } =
            self.partition;
        let reason = reason.as_ref().filter(|reason| commit_error.as_ref() != Some(reason));
        let error = commit_error.as_ref().map(|error| format!("not committed: {error}"));
        let letters = match dead {
            0 => None,
            1 => Some("1 dead letter".to_owned()),
            several => Some(format!("{several} dead letters")),
        };
        let next = next.as_ref().filter(|_| self.needs_care());
        let mut said: Vec<&str> = Vec::new();
        for text in
            [reason, error.as_ref(), last_exit.as_ref(), letters.as_ref()].into_iter().flatten().chain(next)
        {
            if !said.contains(&text.as_str()) {
                said.push(text);
            }
        }
        shown(&said.join("; "))
    }
}

/// As commands take it.
pub(in crate::commands) fn name(partition: &Partition) -> String {
    format!("{}:{}", partition.topic, partition.partition)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(state: &str) -> Partition {
        Partition { state: state.to_owned(), ..Partition::default() }
    }

    #[test]
    fn what_hangs_comes_first_and_what_is_ready_last() {
        let hanging = Partition { hanging: true, ..of("ready") };
        let uncommitted = Partition { commit_error: Some("no right".to_owned()), ..of("ready") };
        let all =
            [hanging, of("crash_loop"), of("parked"), of("paused"), of("new"), uncommitted, of("ready")];
        let ranks: Vec<_> = all.iter().map(|partition| Row { partition, rate: None }.rank()).collect();
        assert!(ranks.is_sorted_by(|a, b| a < b), "{ranks:?}");
    }

    #[test]
    fn it_says_why_and_what_comes_next_each_once() {
        let exit = Some("handler exited with status 3".to_owned());
        let next = Some("its worker starts in 2.0 s".to_owned());
        let partition = Partition { reason: exit.clone(), last_exit: exit, next, ..of("crash_loop") };
        let why = |partition: &Partition| Row { partition, rate: None }.why();
        assert_eq!(why(&partition), "handler exited with status 3; its worker starts in 2.0 s");
        let error = Some("no answer".to_owned());
        let uncommitted = Partition { reason: error.clone(), commit_error: error, ..of("ready") };
        assert_eq!(why(&uncommitted), "not committed: no answer");
        assert_eq!(why(&Partition { dead_lettered_total: 3, ..of("ready") }), "3 dead letters");
        assert_eq!(
            why(&Partition { last_exit: Some("a\u{1b}[2J".to_owned()), ..of("ready") }),
            "a\\u{1b}[2J"
        );
    }
}
