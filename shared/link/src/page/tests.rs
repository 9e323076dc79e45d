//! The page as its writers and readers see it.

use super::*;

#[test]
fn passing_a_message_over_keeps_the_others_alone_and_a_seek_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let page = Page::create(&folder.path().join("orders-3.page"), "", Offset(42)).unwrap();
    page.set_attempts(Attempts::default().after_death(Offset(42), Offset(50), Boottime(7)));
    page.move_to(Offset(43));
    assert!(page.attempts().isolated(Offset(49)));
    assert_eq!((page.progress().acknowledged, page.attempts().attempt(Offset(44))), (43, 2));
    assert_eq!(page.attempts().first_delivered(Offset(44)), Some(Boottime(7)));
    page.move_to(Offset(20));
    assert!(!page.attempts().isolated(Offset(49)));
}

#[test]
fn a_page_is_the_same_for_everyone_who_opens_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("orders-3.page");
    let ours = Page::create(&path, "orders-3 in g", Offset(42)).unwrap();
    let theirs = Page::open(&path).unwrap();
    assert_eq!(theirs.identity(), "orders-3 in g");
    assert_eq!(theirs.progress().acknowledged, 42);
    let progress = Progress {
        position: 60,
        acknowledged: 50,
        delivered: 55,
        high_watermark: 70,
        in_flight: 5,
        messages: 8,
        ..Progress::default()
    };
    theirs.set_progress(&progress);
    assert_eq!(ours.progress(), progress);
    ours.drop_in_flight();
    let after = theirs.progress();
    assert_eq!((after.position, after.delivered, after.in_flight, after.messages), (50, 50, 0, 8));
}

#[test]
fn another_layout_is_not_read_and_named_whatever_its_size() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("page");
    drop(Page::create(&path, "orders-3 in g", Offset(42)).unwrap());
    let ours = std::fs::read(&path).unwrap();
    for other in [LAYOUT - 1, LAYOUT + 1, u64::MAX] {
        for size in [16, SIZE, 3 * SIZE] {
            let mut page = ours.clone();
            page[8..16].copy_from_slice(&other.to_ne_bytes());
            page.resize(size, 0);
            std::fs::write(&path, page).unwrap();
            let found = Page::open(&path).unwrap_err();
            assert!(matches!(found, PageError::Layout { layout, .. } if layout == other), "{found:?}");
        }
    }
    for none in [vec![0; SIZE], b"short".to_vec(), Vec::new(), ours[..SIZE - 1].to_vec()] {
        std::fs::write(&path, none).unwrap();
        assert!(matches!(Page::open(&path), Err(PageError::NoPage { .. })));
    }
    std::fs::remove_file(&path).unwrap();
    assert!(Page::open(&path).unwrap_err().is_missing());
}

/// What a page of layout 3 looks like, whoever wrote it. Where this fails, the layout has changed: give it the next number
/// and renew the table.
#[test]
fn each_thing_has_its_place_in_this_layout() {
    const PLACES: [(usize, u64); 48] = [
        (0, 0x6b61_666b_6176_7372),
        (1, 3),
        (8, 108),
        (9, 109),
        (10, 110),
        (11, 111),
        (12, 1),
        (13, 113),
        (14, 114),
        (15, 115),
        (16, 116),
        (17, 117),
        (18, 118),
        (19, 119),
        (20, 120),
        (21, 121),
        (22, 122),
        (23, 123),
        (24, 124),
        (25, 125),
        (26, 126),
        (27, 127),
        (28, 128),
        (29, 129),
        (32, 132),
        (33, 133),
        (34, 134),
        (35, 135),
        (40, 140),
        (41, 141),
        (42, 142),
        (43, 143),
        (44, 144),
        (45, 145),
        (46, 146),
        (47, 147),
        (48, 148),
        (49, 149),
        (50, 150),
        (51, 151),
        (52, 152),
        (53, 153),
        (54, 154),
        (55, 155),
        (56, 156),
        (57, 157),
        (128, u64::from_ne_bytes(*b"orders-3")),
        (129, u64::from_ne_bytes(*b" in g\0\0\0")),
    ];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("page");
    let page = Page::create(&path, "orders-3 in g", Offset(42)).unwrap();
    page.set_progress(&Progress {
        position: 108,
        acknowledged: 109,
        delivered: 110,
        high_watermark: 111,
        in_flight: 1,
        oldest_in_flight: Boottime(113),
        head_timestamp: 114,
        messages: 115,
        bytes: 116,
        heartbeat: Boottime(117),
        handler_pid: 118,
        window: 119,
        acknowledged_at: Boottime(120),
        silent_since: Boottime(122),
        silence_ends: Boottime(123),
        latencies: Latencies { counts: std::array::from_fn(|bucket| 141 + bucket as u64), sum_micros: 140 },
        log_lines_dropped: 121,
    });
    page.set_attempts(Attempts {
        range_until: 124,
        range_deaths: 125,
        head: 126,
        head_deaths: 127,
        range_delivered: Boottime(128),
        head_delivered: Boottime(129),
    });
    page.set_lease(Lease { deliver_until: Boottime(132), dead_by: Boottime(133) });
    page.set_committed(Offset(134));
    page.set_commit_sent(Offset(135));
    let bytes = std::fs::read(&path).unwrap();
    let words = bytes.chunks_exact(8).map(|word| u64::from_ne_bytes(word.try_into().unwrap()));
    let there: Vec<_> = words.enumerate().filter(|(_, word)| *word != 0).collect();
    assert_eq!((there.as_slice(), bytes.len()), (PLACES.as_slice(), 4096));
}

#[test]
fn nonsense_is_named() {
    let good =
        Progress { position: 60, acknowledged: 50, delivered: 55, in_flight: 5, ..Progress::default() };
    assert_eq!(good.check(Offset(50)), Ok(()));
    for bad in [
        Progress { acknowledged: 49, ..good },
        Progress { acknowledged: 56, ..good },
        Progress { delivered: 61, ..good },
        Progress { in_flight: 6, ..good },
        Progress { in_flight: u64::MAX, ..good },
        Progress { handler_pid: 1 << 31, ..good },
        Progress { window: 1 << 32, ..good },
    ] {
        assert!(bad.check(Offset(50)).is_err(), "{bad:?}");
    }
    let negative = Progress { acknowledged: -1, delivered: i64::MAX, position: i64::MAX, ..good };
    assert!(negative.check(Offset(-1)).is_err());
}
