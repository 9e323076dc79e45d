//! The kept corpus on the stable compiler, without an engine: every input as it is, and damaged in ways that follow from a fixed
//! seed. A target says that something is wrong by panicking; which input it was is said before that.

use std::fs;
use std::path::{Path, PathBuf};

use fastrand::Rng;

use crate::{TARGETS, Target};

/// Damaged inputs for each target.
const DAMAGED: usize = 600;
/// A corpus is for reading, too.
const MOST_FILES: usize = 99;
const LONGEST: u64 = 8192;

/// Bytes that often mean something.
const TELLING: [u8; 7] = [0, 1, 0x7f, 0x80, 0xff, b'\n', b'"'];

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

fn kept(target: &Target) -> Vec<Vec<u8>> {
    let folder = corpus().join(target.name);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!((3..=MOST_FILES).contains(&paths.len()), "{} has {} files", folder.display(), paths.len());
    paths
        .iter()
        .map(|path| {
            assert!(path.metadata().unwrap().len() <= LONGEST, "{} is long", path.display());
            fs::read(path).unwrap()
        })
        .collect()
}

/// Says what the input was if the target panics.
fn run(target: &Target, input: &[u8]) {
    struct Told<'a>(&'a Target, &'a [u8]);
    impl Drop for Told<'_> {
        fn drop(&mut self) {
            if std::thread::panicking() {
                println!("{} does not hold for the input\n{}", self.0.name, self.1.escape_ascii());
            }
        }
    }
    let _told = Told(target, input);
    (target.run)(input);
}

fn damaged(rng: &mut Rng, kept: &[Vec<u8>]) -> Vec<u8> {
    let mut input = kept[rng.usize(..kept.len())].clone();
    for _ in 0..rng.usize(1..5) {
        let at = rng.usize(..=input.len());
        let until = (at + rng.usize(1..20)).min(input.len());
        match rng.u8(..7) {
            0 if at < input.len() => input[at] ^= 1 << rng.u8(..8),
            1 if at < input.len() => input[at] = TELLING[rng.usize(..TELLING.len())],
            2 => input.insert(at, rng.u8(..)),
            3 => drop(input.drain(at..until)),
            4 => {
                let copied = input[at..until].to_vec();
                let to = rng.usize(..=input.len());
                input.splice(to..to, copied);
            }
            5 => {
                let other = &kept[rng.usize(..kept.len())];
                let from = rng.usize(..=other.len());
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
            _ => input.truncate(at),
        }
    }
    input
}

#[test]
fn every_target_has_a_corpus_and_every_corpus_a_target() {
    let mut folders: Vec<String> = fs::read_dir(corpus())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    folders.sort();
    let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(folders, names, "in the order of their names");
}

#[test]
fn what_is_kept_holds() {
    for target in TARGETS {
        run(target, b"");
        kept(target).iter().for_each(|input| run(target, input));
    }
}

#[test]
fn what_is_kept_and_damaged_holds() {
    for target in TARGETS {
        let kept = kept(target);
        let mut rng = Rng::with_seed(4);
        for _ in 0..DAMAGED {
            run(target, &damaged(&mut rng, &kept));
        }
    }
}
