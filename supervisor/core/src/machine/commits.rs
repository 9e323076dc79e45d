//! Commits: one request at a time, for everything that is owed.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::Core;
use crate::item::{After, Item, Phase};
use crate::messages::{Action, CommitAnswer};

/// Offsets are committed again this often, changed or not, so that a quiet partition's offset never expires.
const COMMIT_AGAIN: Duration = Duration::from_secs(300);
/// A failed commit is tried again after this, however long the interval is.
const COMMIT_ERROR: Duration = Duration::from_secs(1);
/// ... and after this where a partition waits for it to be released.
const COMMIT_RETRY: Duration = Duration::from_millis(250);

impl Core {
    /// Asks for a commit of everything that is owed, when it is due and none is under way.
    pub(super) fn commit(&mut self, now: Instant) -> Vec<Action> {
        let releasing = |item: &Item| matches!(item.phase, Phase::Releasing { .. });
        let urgent = self.items.values().any(|item| releasing(item) && item.commit_error.is_none());
        let due = urgent || self.commit_at.is_some_and(|at| now >= at);
        if self.commit_under_way || !due || self.items.is_empty() {
            return Vec::new();
        }
        let retry = self.items.values().any(|item| releasing(item) && item.commit_error.is_some());
        self.commit_at = Some(now + if retry { COMMIT_RETRY } else { self.settings.commit_interval });
        if !self.leased {
            return Vec::new();
        }
        let mut offsets = BTreeMap::new();
        for (key, item) in &mut self.items {
            let old = item.committed_at.is_none_or(|at| now.saturating_duration_since(at) >= COMMIT_AGAIN);
            let again = item.acknowledged.filter(|_| old && !item.made_again);
            if item.after != After::Forget
                && let Some(offset) = item.uncommitted().or(again)
            {
                offsets.insert(key.clone(), offset);
            }
        }
        if offsets.is_empty() {
            return Vec::new();
        }
        self.commit_under_way = true;
        vec![Action::Commit { offsets }]
    }

    pub(super) fn committed(&mut self, now: Instant, answers: Vec<CommitAnswer>) -> Vec<Action> {
        self.commit_under_way = false;
        for answer in answers {
            let Some(item) = self.items.get_mut(&answer.item) else { continue };
            match answer.error {
                None => {
                    // A start found meanwhile is of a topic made again: what is committed there is not this.
                    if item.acknowledged.is_some_and(|acknowledged| acknowledged >= answer.offset) {
                        item.committed = item.committed.max(Some(answer.offset));
                        item.committed_at = Some(now);
                    }
                    if item.commit_error.take().is_some() {
                        log::info!("{}: commits succeed again", answer.item);
                    }
                }
                Some(error) => {
                    self.commit_at = self.commit_at.min(Some(now + COMMIT_ERROR));
                    self.commit_errors += 1;
                    if item.commit_error.as_ref() != Some(&error) {
                        log::error!("{}: offset {} is not committed: {error}", answer.item, answer.offset);
                    }
                    item.commit_error = Some(error);
                }
            }
        }
        Vec::new()
    }
}
