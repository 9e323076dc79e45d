//! The status page: a file that a worker, or whoever else runs as the same user, may fill with anything.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::OnceLock;

use kafkavisor::clock::Boottime;
use kafkavisor::ids::Offset;
use kafkavisor_link::page::{Page, Progress};
use tempfile::TempDir;

/// Bytes of a page, and where in it words that are no magic begin.
const SIZE: usize = 4096;
const BEHIND_MAGIC: usize = 16;

/// A file of this process alone: in memory where that can be had, since it is written for each input.
fn file() -> PathBuf {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    let make = || {
        let builder = tempfile::Builder::new();
        builder.tempdir_in("/dev/shm").or_else(|_| builder.tempdir()).expect("a temporary folder")
    };
    let thread = std::thread::current().id();
    FOLDER.get_or_init(make).path().join(format!("{thread:?}.page"))
}

/// The bytes as a whole file, and as what a worker wrote into a page of ours.
pub(super) fn page(data: &[u8]) {
    let path = file();
    std::fs::write(&path, data).expect("the file can be written");
    if let Ok(page) = Page::open(&path) {
        assert_eq!(data.len(), SIZE, "a file of another size was taken for a page");
        read(&page, 0);
    }
    let ours = Page::create(&path, "group orders:3 id", Offset(50)).expect("the page can be made");
    let data = &data[..data.len().min(SIZE - BEHIND_MAGIC)];
    let worker = OpenOptions::new().write(true).open(&path).expect("the page is there");
    worker.write_all_at(data, BEHIND_MAGIC as u64).expect("the page can be written");
    read(&ours, 50);
    // Its successor, as the supervisor and the worker open it.
    let opened = Page::open(&path).expect("the magic is as it was");
    read(&opened, 50);
    std::fs::remove_file(&path).expect("the page can be removed");
}

/// Everything that a supervisor does with a page of a worker that is gone.
fn read(page: &Page, floor: i64) {
    let progress = page.progress();
    let believed = progress.check(Offset(floor)).is_ok();
    assert!(!believed || (floor..=progress.delivered).contains(&progress.acknowledged), "{progress:?}");
    assert!(!believed || progress.delivered <= progress.position, "{progress:?}");
    assert!(!believed || progress.in_flight <= progress.delivered.abs_diff(progress.acknowledged));
    assert!(page.identity().len() <= 3 * SIZE);
    let (_, _, _) = (page.lease(), page.committed(), page.commit_sent());
    for offset in [floor, progress.acknowledged, progress.delivered, i64::MIN, i64::MAX] {
        assert!(page.attempts().attempt(Offset(offset)) >= 1);
        let after = page.attempts().after_death(Offset(offset), Offset(progress.delivered), Boottime(1));
        assert!(after.deaths(Offset(offset)) > 0, "{after:?}");
        assert!(page.attempts().after_crash(Offset(offset), Boottime(1)).range_until >= offset);
    }
    for floor in [i64::MIN, -1, 0, progress.acknowledged, i64::MAX] {
        let _said = progress.check(Offset(floor));
    }
    page.note_crash();
    settled(page, &progress);
    page.drop_in_flight();
    settled(page, &progress);
    page.rewind(Offset(floor));
    assert!(!page.attempts().isolated(Offset(floor)) && page.attempts().attempt(Offset(floor)) == 1);
}

/// Nothing is in flight any more, nothing that was acknowledged is lost.
fn settled(page: &Page, before: &Progress) {
    let now = page.progress();
    let acknowledged = before.acknowledged;
    assert_eq!((now.acknowledged, now.delivered, now.position), (acknowledged, acknowledged, acknowledged));
    assert_eq!((now.in_flight, now.handler_pid, now.messages), (0, 0, before.messages));
    let good = acknowledged >= 0 && u32::try_from(now.window).is_ok();
    assert_eq!(now.check(Offset(acknowledged)).is_ok(), good, "{now:?}");
}
