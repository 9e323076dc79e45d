//! Commits the starts that are not the group's own offset before anybody hears of them. To be taken out, with the one line of
//! `lookups` that calls it, when the core commits them itself.

use kafkavisor_kafka::offsets::OffsetStore;
use kafkavisor_supervisor_core::start::{CommitNote, Decision, Why};

use super::commits::{CommitRequest, SharedLease, commit};
use super::starts::{Found, StartError};

/// Commits; a start that could not be is not known.
pub(super) fn commit_starts(
    store: &dyn OffsetStore,
    lease: &SharedLease,
    note: impl Fn(Option<String>) -> CommitNote,
    found: &mut [Found],
) {
    let mut offsets = CommitRequest::new();
    for found in found.iter() {
        if let Ok(Decision::At { offset, why }) = &found.decision
            && !matches!(why, Why::Committed { .. })
        {
            let note = note(found.topic_id.clone()).to_text();
            let begins = found.begins.iter().map(|(key, offset)| (key.clone(), *offset));
            for (key, offset) in begins.chain([(found.partition.clone(), *offset)]) {
                offsets.insert(key, (offset, note.clone()));
            }
        }
    }
    if offsets.is_empty() {
        return;
    }
    let results = commit(store, lease, offsets);
    for found in found {
        if let Some(Err(error)) = results.get(&found.partition) {
            found.decision = Err(StartError::NotCommitted(error.to_string()));
        }
    }
}
