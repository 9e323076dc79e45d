//! Whether this machine lets us run a worker for every partition: descriptors, and processes with their threads.
//!
//! Asked at start and for all partitions, because they are all ours when the other members are gone; and then is no time to
//! find out.

use std::fs;
use std::path::Path;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::geteuid;

/// Open in the supervisor however many partitions there are.
const DESCRIPTORS: u64 = 64;
/// Open in the supervisor for each partition: its worker's socket, its page, and as much while a worker is replaced.
const DESCRIPTORS_EACH: u64 = 4;
/// Threads and processes besides the workers.
const TASKS: u64 = 32;
/// For each partition: the worker's threads (librdkafka has one for each broker besides its own) and the handler.
const TASKS_EACH: u64 = 12;

/// Whether there are descriptors for clients of Kafka at all; raised where the limit may be. With fewer, libraries abort.
pub(crate) fn enough_descriptors() -> Result<(), String> {
    match getrlimit(Resource::RLIMIT_NOFILE) {
        Ok((_, hard)) if hard < DESCRIPTORS => Err(format!(
            "the limit of open files is {hard}: raise `ulimit -n` or LimitNOFILE=, {DESCRIPTORS} at least"
        )),
        _ => raise_descriptors(0),
    }
}

/// Raises the limit of descriptors where it may be raised; an error says what is too low and how it is raised.
pub(crate) fn check(partitions: usize) -> Result<(), String> {
    too_low_for(partitions)?;
    raise_descriptors(u64::try_from(partitions).unwrap_or(u64::MAX))
}

/// Whether a limit that nobody here may raise is too low; an error says which and how it is raised.
pub(crate) fn too_low_for(partitions: usize) -> Result<(), String> {
    let partitions = u64::try_from(partitions).unwrap_or(u64::MAX);
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && hard < descriptors(partitions)
    {
        let remedy = "`ulimit -Hn` or LimitNOFILE=";
        return Err(too_low(partitions, descriptors(partitions), "open files", hard, remedy));
    }
    let needed = TASKS + partitions.saturating_mul(TASKS_EACH);
    // Root is not held to the limit of its own.
    if !geteuid().is_root()
        && let Ok((_, limit)) = getrlimit(Resource::RLIMIT_NPROC)
        && limit < needed
    {
        return Err(too_low(
            partitions,
            needed,
            "processes and threads",
            limit,
            "`ulimit -u` or LimitNPROC=",
        ));
    }
    match pids_max(Path::new("/sys/fs/cgroup"), &fs::read_to_string("/proc/self/cgroup").unwrap_or_default())
    {
        Some(limit) if limit < needed => Err(too_low(
            partitions,
            needed,
            "processes and threads",
            limit,
            "TasksMax= of the unit or the container's pids limit",
        )),
        _ => Ok(()),
    }
}

fn descriptors(partitions: u64) -> u64 {
    DESCRIPTORS + partitions.saturating_mul(DESCRIPTORS_EACH)
}

/// No further than needed: handlers inherit it, and some look at every number below.
fn raise_descriptors(partitions: u64) -> Result<(), String> {
    let needed = descriptors(partitions);
    match getrlimit(Resource::RLIMIT_NOFILE) {
        Ok((soft, hard)) if soft < needed => setrlimit(Resource::RLIMIT_NOFILE, needed, hard)
            .map_err(|error| format!("the limit of open files can't be raised to {needed}: {error}")),
        _ => Ok(()),
    }
}

fn too_low(partitions: u64, needed: u64, what: &str, limit: u64, remedy: &str) -> String {
    format!(
        "{partitions} partitions, all of which can become this instance's, may need {needed} {what}; the limit is {limit}: \
         raise {remedy}"
    )
}

/// The lowest `pids.max` of our control group (version 2) and those above it.
fn pids_max(root: &Path, own: &str) -> Option<u64> {
    let path = own.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let own = root.join(path);
    let groups = own.ancestors().take_while(|group| group.starts_with(root));
    groups.filter_map(|group| fs::read_to_string(group.join("pids.max")).ok()?.trim().parse().ok()).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_limit_of_all_groups_counts() {
        let root = tempfile::tempdir().unwrap();
        let own = root.path().join("system.slice/kafkavisor.service");
        fs::create_dir_all(&own).unwrap();
        let text = "0::/system.slice/kafkavisor.service\n";
        assert_eq!(pids_max(root.path(), text), None);
        fs::write(own.join("pids.max"), "max\n").unwrap();
        assert_eq!(pids_max(root.path(), text), None);
        fs::write(root.path().join("system.slice/pids.max"), "4915\n").unwrap();
        assert_eq!(pids_max(root.path(), text), Some(4915));
        fs::write(own.join("pids.max"), "512\n").unwrap();
        assert_eq!(pids_max(root.path(), text), Some(512));
        assert_eq!(pids_max(root.path(), "1:name=systemd:/x\n"), None);
    }
}
