//! The metadata that stands beside a committed offset: anybody may have committed it. It decides where reading begins, so
//! text that is not ours must count for nothing.

use kafkavisor::config::Reset;
use kafkavisor::ids::Offset;
use kafkavisor_group::commit_note::CommitNote;
use kafkavisor_group::start::{Committed, Decision, Facts, Log, Why, decide};

/// The metadata of a commit.
pub(super) fn metadata(data: &[u8]) {
    let metadata = String::from_utf8_lossy(data).into_owned();
    let note = CommitNote::of(&metadata);
    if let Some(note) = &note {
        assert_eq!(CommitNote::of(&note.to_text()).as_ref(), Some(note));
    }
    let topic_id = note.as_ref().and_then(|note| note.topic_id.clone());
    let instance = "orders-1".to_owned();
    let signed = note.and_then(|note| note.instance_id);
    let facts = |now: Option<&str>| Facts {
        instance: instance.clone(),
        committed: Ok(Committed { offset: Offset(50), metadata: metadata.clone(), complete: true }),
        topic_committed: true,
        appeared_later: false,
        log: Log { start: Offset(10), end: Offset(100), stable_end: Offset(90) },
        topic_id: now.map(str::to_owned),
        reset: Reset::Latest,
    };
    let why = match signed {
        Some(id) if id != instance => Why::CommittedByAnother,
        signed => Why::Committed { by_us: signed.is_some() },
    };
    let on = Decision::At { offset: Offset(50), why };
    let again = Decision::At { offset: Offset(10), why: Why::TopicMadeAgain };
    assert_eq!(decide(&facts(None)), on, "the topic's id is not known");
    assert_eq!(decide(&facts(topic_id.as_deref())), on, "the topic is the same");
    let other = format!("not {}", topic_id.as_deref().unwrap_or_default());
    assert_eq!(decide(&facts(Some(&other))), if topic_id.is_some() { again } else { on });
}
