//! The status pages of this instance: one file a partition, what is believed of it, and the lease in all of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use kafkavisor::ids::{Offset, TopicPartition};
use kafkavisor_link::page::{Lease, Page, PageError, Progress};
use kafkavisor_supervisor_core::TakenUp;

use super::page_name::page_name;

/// A partition's page and the file it is.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) page: Page,
    pub(crate) path: PathBuf,
}

/// All pages.
#[derive(Debug)]
pub(crate) struct Pages {
    folder: PathBuf,
    identity: String,
    entries: BTreeMap<TopicPartition, Entry>,
    topic_ids: BTreeMap<TopicPartition, Option<String>>,
    lease: Lease,
}

impl Pages {
    pub(crate) fn new(folder: &Path, identity: String) -> Self {
        Self {
            folder: folder.to_owned(),
            identity,
            entries: BTreeMap::new(),
            topic_ids: BTreeMap::new(),
            lease: Lease::NONE,
        }
    }

    /// The topic that offsets of `item` are of, from here on.
    pub(crate) fn set_topic_id(&mut self, item: TopicPartition, id: Option<String>) {
        self.topic_ids.insert(item, id);
    }

    pub(crate) fn topic_id(&self, item: &TopicPartition) -> Option<String> {
        self.topic_ids.get(item).cloned().flatten()
    }

    /// As [`Pages::topic_id`]; of a partition that is not ours, what is known of another one of the same topic.
    pub(crate) fn topic_id_of(&self, item: &TopicPartition) -> Option<String> {
        let others = || self.topic_ids.iter().filter(|(other, _)| other.topic == item.topic);
        self.topic_id(item).or_else(|| others().find_map(|(_, id)| id.clone()))
    }

    fn identity_of(&self, item: &TopicPartition) -> String {
        let topic_id = self.topic_id(item);
        format!("{} {item} {}", self.identity, topic_id.as_deref().unwrap_or("-"))
    }

    /// The page of an earlier tenure of ours, to go on from: only if it is of the same cluster, group, topic and boot, and the
    /// group's offset, which we committed, is still the one that was its last commit, or the one that was on its way. Else the
    /// store wins.
    pub(crate) fn take_up(&mut self, item: &TopicPartition, committed: Offset) -> Option<TakenUp> {
        let path = self.path_of(item);
        let page = match self.entries.remove(item) {
            Some(entry) => entry.page,
            None => Page::open(&path).ok()?,
        };
        let ours = page.identity() == self.identity_of(item);
        let last = [page.committed(), page.commit_sent()];
        let progress = page.progress();
        if !ours || !last.contains(&committed.0) || progress.check(committed).is_err() {
            log::info!("{item}: an earlier status page is left unused: the group's offset is {committed}");
            return None;
        }
        let died_alone = progress.in_flight == 1 && progress.handler_pid != 0;
        page.note_crash();
        page.set_committed(committed);
        page.set_lease(self.lease);
        let (progress, attempts) = (page.progress(), page.attempts());
        self.entries.insert(item.clone(), Entry { page, path });
        Some(TakenUp { progress, attempts, died_alone })
    }

    fn path_of(&self, item: &TopicPartition) -> PathBuf {
        self.folder.join(page_name(item))
    }

    pub(crate) fn make(&mut self, item: &TopicPartition, start: Offset) -> Result<(), PageError> {
        let path = self.path_of(item);
        let page = Page::create(&path, &self.identity_of(item), start)?;
        page.set_committed(start);
        page.set_lease(self.lease);
        self.entries.insert(item.clone(), Entry { page, path });
        Ok(())
    }

    /// Makes the page of `item` where it could not be made before, and anew where its next worker could not open it. What the
    /// core has believed of it is kept.
    pub(crate) fn repair(&mut self, item: &TopicPartition, start: Offset) -> Result<(), PageError> {
        let Some(entry) = self.entries.get(item) else { return self.make(item, start) };
        let Err(error) = Page::open(&entry.path) else { return Ok(()) };
        log::warn!("{item}: {error}: made anew");
        let (progress, attempts) = (entry.page.progress(), entry.page.attempts());
        self.make(item, start)?;
        // Nonsense is nothing that was believed.
        if progress.check(start).is_ok()
            && let Some(entry) = self.entries.get(item)
        {
            let Progress { messages, bytes, .. } = progress;
            entry.page.set_progress(&Progress { messages, bytes, ..entry.page.progress() });
            entry.page.set_attempts(attempts);
        }
        Ok(())
    }

    pub(crate) fn forget(&mut self, item: &TopicPartition) {
        if let Some(entry) = self.entries.remove(item) {
            // Left over, it is only left over.
            let _gone_or_not = std::fs::remove_file(entry.path);
        }
        self.topic_ids.remove(item);
    }

    pub(crate) fn get(&self, item: &TopicPartition) -> Option<&Entry> {
        self.entries.get(item)
    }

    pub(crate) fn set_lease(&mut self, lease: Lease) {
        self.lease = lease;
        self.entries.values().for_each(|entry| entry.page.set_lease(lease));
    }

    pub(crate) fn progress(&self) -> Vec<(TopicPartition, Progress)> {
        self.entries.iter().map(|(item, entry)| (item.clone(), entry.page.progress())).collect()
    }
}
