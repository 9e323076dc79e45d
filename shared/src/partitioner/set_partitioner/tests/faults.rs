//! Members under random faults: thousands of seeded schedules on the simulated ZooKeeper.

use std::time::Duration;

use super::partitions;
use crate::partitioner::simulation::group::Group;

/// How many schedules each test runs; `KAFKAVISOR_SCHEDULES` for more.
fn schedules() -> u64 {
    std::env::var("KAFKAVISOR_SCHEDULES").ok().and_then(|count| count.parse().ok()).unwrap_or(500)
}

/// How often a partition was acquired in the schedule of that seed.
fn survives(seed: u64, folders: &[&str], steps: usize) -> usize {
    let mut group = Group::new(seed, folders, 2, partitions(5));
    for step in 0..steps {
        group.step().unwrap_or_else(|error| panic!("seed {seed}, step {step}: {error}"));
    }
    group.heal(Duration::from_secs(30)).unwrap_or_else(|error| panic!("seed {seed}, healing: {error}"));
    group.acquisitions()
}

#[test]
fn no_partition_has_two_owners_and_each_finds_one_once_faults_end() {
    let acquisitions: usize = (0..schedules()).map(|seed| survives(seed, &["/g/a"], 5000)).sum();
    assert!(
        u64::try_from(acquisitions).unwrap() > 20 * schedules(),
        "only {acquisitions} acquisitions: nothing was tried"
    );
}

#[test]
fn members_in_sibling_folders_never_share_a_partition() {
    let acquisitions: usize = (0..schedules()).map(|seed| survives(seed, &["/g/a", "/g/b"], 5000)).sum();
    assert!(
        u64::try_from(acquisitions).unwrap() > 20 * schedules(),
        "only {acquisitions} acquisitions: nothing was tried"
    );
}
