//! A group's offsets in a file: `save` and `restore`.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use kafkavisor::ids::{Offset, Partition, Topic, TopicPartition};
use kafkavisor::offsets::{OffsetStorage, SavedOffsets};
use kafkavisor::text::named;

use super::super::{note, print};
use super::change::change;
use super::target::{Target, all, failure};
use super::wanted::Wanted;
use crate::cli::{RestoreArgs, SaveArgs};
use crate::exit::{Exit, Failure};

/// `offsets save`.
pub(super) fn save(args: &SaveArgs) -> Result<Exit, Failure> {
    let target = Target::reach(&args.group, OffsetStorage::Kafka)?;
    let mut known = target.client.partitions_with_offsets(&target.group, target.storage).map_err(failure)?;
    if !args.topics.is_empty() {
        known.retain(|key| args.topics.contains(&key.topic));
    }
    leave_out_what_is_gone(&target, &mut known)?;
    let saved = SavedOffsets {
        group: target.group.clone(),
        storage: target.storage,
        offsets: read(&target, &known)?,
    };
    let count: usize = saved.offsets.values().map(BTreeMap::len).sum();
    let without: BTreeSet<_> =
        args.topics.iter().filter(|topic| !saved.offsets.contains_key(*topic)).collect();
    let of = without.into_iter().map(Topic::as_str).collect::<Vec<_>>().join(", ");
    let has_none = |of: &str| format!("group {} has no offsets{of} in {}", target.group, target.place());
    let of = if of.is_empty() { of } else { format!(" of {of}") };
    if count == 0 {
        return Err(Failure::failed(format!("{}: nothing was saved", has_none(&of))));
    }
    if !of.is_empty() {
        note(&has_none(&of));
    }
    let path = named(args.file.display());
    write(&args.file, &saved.to_yaml())
        .map_err(|error| Failure::failed(format!("{path}: can't be written: {error}")))?;
    print(&format!("{count} offsets of group {} are in {path}\n", target.group))?;
    Ok(Exit::Clean)
}

/// A restore would refuse offsets of topics and partitions that there are not, and with them all others.
fn leave_out_what_is_gone(target: &Target, known: &mut BTreeSet<TopicPartition>) -> Result<(), Failure> {
    let topics: BTreeSet<_> = known.iter().map(|key| key.topic.clone()).collect();
    let there = all(&target.counts(&topics.into_iter().collect::<Vec<_>>())?);
    let gone: Vec<_> = known.difference(&there).map(ToString::to_string).collect();
    if !gone.is_empty() {
        let gone = gone.join(", ");
        note(&format!("left out, since Kafka has no such topic or partition now: the offsets of {gone}"));
    }
    known.retain(|key| there.contains(key));
    Ok(())
}

/// All of them; one that can't be told is a failure.
fn read(
    target: &Target,
    keys: &BTreeSet<TopicPartition>,
) -> Result<BTreeMap<Topic, BTreeMap<Partition, Offset>>, Failure> {
    let mut offsets: BTreeMap<Topic, BTreeMap<Partition, Offset>> = BTreeMap::new();
    let mut trouble = Vec::new();
    for (key, answer) in target.client.committed(&target.group, target.storage, keys).map_err(failure)? {
        match answer {
            Ok(Some(offset)) => drop(offsets.entry(key.topic).or_default().insert(key.partition, offset)),
            Ok(None) => {}
            Err(error) => trouble.push(format!("{key}: {error}")),
        }
    }
    if trouble.is_empty() {
        return Ok(offsets);
    }
    trouble.push("nothing was saved".to_owned());
    Err(Failure::failed(trouble.join("\n")))
}

/// Writes a file whole or not at all, and the file that a link points to. What is no file (a pipe, a terminal, whatever goes by a
/// name of a descriptor) is written as it is.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let linked = fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink());
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let before = fs::metadata(path).ok();
    let named = ["/dev", "/proc"].iter().any(|place| path.starts_with(place));
    // A link that points to nothing is written through.
    if named || before.as_ref().map_or(linked, |found| !found.is_file()) {
        return fs::write(path, text);
    }
    let name = path.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::IsADirectory))?;
    let mut beside = OsString::from(".");
    beside.push(name);
    beside.push(format!(".{}", std::process::id()));
    let beside = path.with_file_name(beside);
    let keep_rights = || before.map_or(Ok(()), |found| fs::set_permissions(&beside, found.permissions()));
    let written =
        write_new(&beside, text).and_then(|()| keep_rights()).and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        // What could not be made need not be removed.
        let _removed = fs::remove_file(&beside);
    }
    written
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// `offsets restore`.
pub(super) fn restore(args: &RestoreArgs) -> Result<Exit, Failure> {
    let saved = SavedOffsets::open(&args.file);
    let saved = saved.map_err(|errors| Failure::configuration(errors.to_string()))?;
    let file = named(args.file.display());
    let missing: Vec<_> =
        args.topics.iter().filter(|topic| !saved.offsets.contains_key(*topic)).map(Topic::as_str).collect();
    if !missing.is_empty() {
        return Err(Failure::failed(format!("{file} holds no offsets of {}", missing.join(", "))));
    }
    let wanted = wanted(&saved, &args.topics);
    if wanted.is_empty() {
        return Err(Failure::failed(format!("{file} holds no offsets")));
    }
    let target = Target::reach(&args.group, saved.storage)?;
    if saved.group != target.group {
        note(&format!("{file} holds offsets of group {}: they go to {}", saved.group, target.group));
    }
    if saved.storage != target.storage {
        note(&format!("{file} holds offsets from storage {}: they go to {}", saved.storage, target.storage));
    }
    change(&target, wanted, &args.change)
}

/// Those of these topics; without any, all.
fn wanted(saved: &SavedOffsets, topics: &[Topic]) -> Wanted {
    let meant = saved.offsets.iter().filter(|(topic, _)| topics.is_empty() || topics.contains(topic));
    let of = |(topic, partitions): (&Topic, &BTreeMap<Partition, Offset>)| {
        let key = |partition| TopicPartition { topic: topic.clone(), partition };
        partitions.iter().map(|(partition, offset)| (key(*partition), *offset)).collect::<Vec<_>>()
    };
    meant.flat_map(of).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("saved.yaml");
        for text in ["one", "two"] {
            write(&path, text).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        assert!(write(&folder.path().join("none/saved.yaml"), "x").is_err());
        assert!(write(folder.path(), "x").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_link_stays_one_and_what_it_points_to_is_written_with_its_rights() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "before").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        symlink(&file, &link).unwrap();
        write(&link, "after").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&file).unwrap(), "after");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let dangling = folder.path().join("dangling");
        symlink(folder.path().join("new"), &dangling).unwrap();
        write(&dangling, "made").unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("new")).unwrap(), "made");
        assert!(fs::symlink_metadata(&dangling).unwrap().is_symlink());
    }

    #[test]
    fn the_name_of_a_descriptor_is_written_in_place() {
        use std::os::fd::AsRawFd as _;
        let folder = tempfile::tempdir().unwrap();
        let file = File::create_new(folder.path().join("file")).unwrap();
        let name = format!("/proc/self/fd/{}", file.as_raw_fd());
        write(Path::new(&name), "text").unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("file")).unwrap(), "text");
    }
}
