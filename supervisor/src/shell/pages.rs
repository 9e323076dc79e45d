//! The status pages of this instance: one file a partition, what is believed of it, and the lease in all of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kafkavisor::ids::{Group, Offset, TopicPartition};
use kafkavisor_link::page::{Lease, Page, PageError, Progress};
use kafkavisor_supervisor_core::TakenUp;

use super::page_name::page_name;

/// A partition's page, which whoever looks reads too, and the file it is.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) page: Arc<Page>,
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
    /// Those of `group` on the cluster of this id, since the boot of this id: with another boot the clock of what stands in a
    /// page has begun anew.
    pub(crate) fn new(folder: &Path, boot: &str, cluster_id: &str, group: &Group) -> Self {
        Self {
            folder: folder.to_owned(),
            identity: format!("{boot} {cluster_id} {group}"),
            entries: BTreeMap::new(),
            topic_ids: BTreeMap::new(),
            lease: Lease::NONE,
        }
    }

    /// The topic that offsets of `partition` are of, from here on.
    pub(crate) fn set_topic_id(&mut self, partition: TopicPartition, id: Option<String>) {
        self.topic_ids.insert(partition, id);
    }

    pub(crate) fn topic_id(&self, partition: &TopicPartition) -> Option<String> {
        self.topic_ids.get(partition).cloned().flatten()
    }

    fn identity_of(&self, partition: &TopicPartition) -> String {
        let topic_id = self.topic_id(partition);
        format!("{} {partition} {}", self.identity, topic_id.as_deref().unwrap_or("-"))
    }

    /// The page of an earlier tenure of ours, to go on from: only if it is of the same cluster, group, topic and boot, and the
    /// group's offset, which we committed, is still the one that was its last commit, or the one that was on its way. Else the
    /// store wins.
    pub(crate) fn take_up(&mut self, partition: &TopicPartition, committed: Offset) -> Option<TakenUp> {
        let path = self.path_of(partition);
        let page = match self.entries.remove(partition) {
            Some(entry) => entry.page,
            None => match Page::open(&path) {
                Ok(page) => Arc::new(page),
                Err(error) => {
                    if !error.is_missing() {
                        log::info!(partition:%; "{error}: the group's offset is {committed}");
                    }
                    return None;
                }
            },
        };
        let ours = page.identity() == self.identity_of(partition);
        let last = [page.committed(), page.commit_sent()];
        let progress = page.progress();
        if !ours || !last.contains(&committed.0) || progress.check(committed).is_err() {
            log::info!(
                partition:%;
                "an earlier status page is left unused: the group's offset is {committed}"
            );
            return None;
        }
        let died_alone = progress.in_flight == 1 && progress.handler_pid != 0;
        page.note_crash();
        page.set_committed(committed);
        page.set_lease(self.lease);
        let (progress, attempts) = (page.progress(), page.attempts());
        self.entries.insert(partition.clone(), Entry { page, path });
        Some(TakenUp { progress, attempts, died_alone })
    }

    fn path_of(&self, partition: &TopicPartition) -> PathBuf {
        self.folder.join(page_name(partition))
    }

    pub(crate) fn make(&mut self, partition: &TopicPartition, start: Offset) -> Result<(), PageError> {
        let path = self.path_of(partition);
        let page = Page::create(&path, &self.identity_of(partition), start)?;
        page.set_committed(start);
        page.set_lease(self.lease);
        self.entries.insert(partition.clone(), Entry { page: Arc::new(page), path });
        Ok(())
    }

    /// Makes the page of `partition` where it could not be made before, and anew where its next worker could not open it. What the
    /// core has believed of it is kept.
    pub(crate) fn repair(&mut self, partition: &TopicPartition, start: Offset) -> Result<(), PageError> {
        let Some(entry) = self.entries.get(partition) else { return self.make(partition, start) };
        let Err(error) = Page::open(&entry.path) else { return Ok(()) };
        log::warn!(partition:%; "{error}: made anew");
        let (progress, attempts) = (entry.page.progress(), entry.page.attempts());
        self.make(partition, start)?;
        // Nonsense is nothing that was believed.
        if progress.check(start).is_ok()
            && let Some(entry) = self.entries.get(partition)
        {
            let Progress { messages, bytes, latencies, log_lines_dropped, .. } = progress;
            let begun = entry.page.progress();
            entry.page.set_progress(&Progress { messages, bytes, latencies, log_lines_dropped, ..begun });
            entry.page.set_attempts(attempts);
        }
        Ok(())
    }

    pub(crate) fn forget(&mut self, partition: &TopicPartition) {
        if let Some(entry) = self.entries.remove(partition) {
            // Left over, it is only left over.
            let _gone_or_not = std::fs::remove_file(entry.path);
        }
        self.topic_ids.remove(partition);
    }

    pub(crate) fn get(&self, partition: &TopicPartition) -> Option<&Entry> {
        self.entries.get(partition)
    }

    pub(crate) fn all(&self) -> &BTreeMap<TopicPartition, Entry> {
        &self.entries
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn set_lease(&mut self, lease: Lease) {
        self.lease = lease;
        self.entries.values().for_each(|entry| entry.page.set_lease(lease));
    }

    pub(crate) fn progress(&self) -> Vec<(TopicPartition, Progress)> {
        self.entries.iter().map(|(partition, entry)| (partition.clone(), entry.page.progress())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a page must be of.
    #[derive(Clone, Copy)]
    struct Origin {
        boot: &'static str,
        cluster: &'static str,
        group: &'static str,
        topic_id: Option<&'static str>,
    }

    const OURS: Origin =
        Origin { boot: "boot-1", cluster: "cluster-1", group: "g", topic_id: Some("topic-1") };

    fn key() -> TopicPartition {
        "orders:3".parse().unwrap()
    }

    impl Origin {
        fn pages(self, folder: &Path) -> Pages {
            let mut pages = Pages::new(folder, self.boot, self.cluster, &self.group.parse().unwrap());
            pages.set_topic_id(key(), self.topic_id.map(str::to_owned));
            pages
        }
    }

    /// A page of ours with 10 committed, 11 on its way and 12 acknowledged: where a later run goes on by it, if it does.
    fn gone_on_from(later: Origin, groups_offset: i64) -> Option<i64> {
        let folder = tempfile::tempdir().unwrap();
        let mut pages = OURS.pages(folder.path());
        pages.make(&key(), Offset(10)).unwrap();
        let page = &pages.get(&key()).unwrap().page;
        page.set_commit_sent(Offset(11));
        page.set_progress(&Progress { position: 12, delivered: 12, acknowledged: 12, ..Progress::default() });
        drop(pages);
        let taken = later.pages(folder.path()).take_up(&key(), Offset(groups_offset))?;
        Some(taken.progress.acknowledged)
    }

    #[test]
    fn a_page_of_ours_is_gone_on_from() {
        assert_eq!(gone_on_from(OURS, 10), Some(12));
        assert_eq!(gone_on_from(OURS, 11), Some(12), "the commit that was on its way has arrived");
    }

    #[test]
    fn a_page_is_left_unused_where_the_group_is_elsewhere() {
        for elsewhere in [9, 12, 0] {
            assert_eq!(gone_on_from(OURS, elsewhere), None, "{elsewhere}");
        }
    }

    #[test]
    fn a_page_of_another_boot_is_left_unused() {
        assert_eq!(gone_on_from(Origin { boot: "boot-2", ..OURS }, 10), None);
    }

    #[test]
    fn a_page_of_another_cluster_is_left_unused() {
        assert_eq!(gone_on_from(Origin { cluster: "cluster-2", ..OURS }, 10), None);
    }

    #[test]
    fn a_page_of_another_group_is_left_unused() {
        assert_eq!(gone_on_from(Origin { group: "h", ..OURS }, 10), None);
    }

    #[test]
    fn a_page_of_another_topic_of_that_name_is_left_unused() {
        assert_eq!(gone_on_from(Origin { topic_id: Some("topic-2"), ..OURS }, 10), None);
        assert_eq!(gone_on_from(Origin { topic_id: None, ..OURS }, 10), None, "it may be another one");
    }
}
