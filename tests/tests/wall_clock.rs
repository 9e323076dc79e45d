//! S10: jumps of the wall clock change nothing. Supervisor, workers and handlers run with a wall clock that jumps by hours and
//! years every two seconds.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use kafkavisor_tests::checks::History;
use kafkavisor_tests::instance::Builder;
use kafkavisor_tests::processes;
use kafkavisor_tests::recorder::Recorder;
use kafkavisor_tests::records::Records;
use kafkavisor_tests::topic::Topic;
use kafkavisor_tests::waiting::{throughout, until};
use nix::sys::signal::Signal;

/// Stands before libc's clock: whoever asks for the wall clock gets one that jumps; the other clocks are left alone.
const JUMPING: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

static long ahead(void) {
    static const long hours[] = {0, 1, -1, 24, 87600, -43800, 2, -30};
    struct timespec steady;
    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &steady);
    return 3600 * hours[steady.tv_sec / 2 % 8];
}

// A wait until a time of the clock that jumps ends at that time, as it does where the kernel's own clock has jumped.
int cnd_timedwait(cnd_t *condition, mtx_t *mutex, const struct timespec *until) {
    static int (*wait)(cnd_t *, mtx_t *, const struct timespec *);
    if (!wait) wait = dlsym(RTLD_NEXT, "cnd_timedwait");
    struct timespec real = *until;
    real.tv_sec -= ahead();
    return wait(condition, mutex, &real);
}

int clock_gettime(clockid_t clock, struct timespec *at) {
    int result = syscall(SYS_clock_gettime, clock, at);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) at->tv_sec += ahead();
    return result;
}

int gettimeofday(struct timeval *at, void *zone) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}
"#;

fn jumping_clock(folder: &Path) -> PathBuf {
    let (source, library) = (folder.join("clock.c"), folder.join("clock.so"));
    std::fs::write(&source, JUMPING).unwrap();
    let compiled =
        Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&source).status();
    assert!(compiled.unwrap().success(), "the clock is compiled");
    library
}

#[test]
fn the_clock_of_this_test_does_jump() {
    let folder = tempfile::tempdir().unwrap();
    let clock = jumping_clock(folder.path());
    let year = || {
        let output = Command::new("date").arg("+%Y").env("LD_PRELOAD", &clock).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let first = year();
    until("another year", || (year() != first).then_some(()));
}

#[test]
fn jumps_of_the_wall_clock_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let clock = jumping_clock(folder.path());
    let (topic, records) = (Topic::new(3), Records::new());
    let instance = Builder::of(&topic)
        .variable("LD_PRELOAD", &clock)
        .set("assignment.session_timeout", "6s")
        .set("handler.timeout", "20s")
        .recorder(&Recorder::new(&records).delay_ms(1))
        .start();
    let before = instance.wait_ready(3);
    let flow = topic.flow(3);
    // Longer than the session: no lease ends, no handler times out, nothing is backed off for years.
    let calm = || {
        let status = instance.status();
        status.is_some_and(|status| {
            status.is_ready(3)
                && status.partitions.iter().all(|p| p.restarts_total == 0)
                && status.partitions.iter().all(|p| p.oldest_in_flight_seconds.is_none_or(|age| age < 60.0))
        })
    };
    throughout(Duration::from_secs(8), "nobody is stopped", calm);
    // A killed worker comes back when the restart policy says, not hours later.
    processes::signal(before.partition(1).worker_pid.unwrap(), Signal::SIGKILL);
    instance.wait_for("it is back", |status| status.is_ready(3) && status.partition(1).restarts_total == 1);
    flow.stop();
    instance.wait_consumed(&topic, 3);
    instance.stop();
    let history = History::of(&records, &topic);
    history.assert_acknowledged();
    history.assert_gapless();
}
