//! The targets under libFuzzer: `kafkavisor-fuzz` with the target's name in `KAFKAVISOR_FUZZ_TARGET`, and the engine's own
//! arguments. `script/fuzz` runs it.

#![no_main]

use std::sync::OnceLock;

use kafkavisor_fuzz::{TARGETS, Target};
use libfuzzer_sys::fuzz_target;

/// Names the target; libFuzzer takes no arguments of ours.
const VARIABLE: &str = "KAFKAVISOR_FUZZ_TARGET";

fn chosen() -> Target {
    let name = std::env::var(VARIABLE).unwrap_or_default();
    let found = TARGETS.iter().find(|target| target.name == name);
    *found.unwrap_or_else(|| panic!("{VARIABLE} is {name:?}, no target; see script/fuzz --list"))
}

static TARGET: OnceLock<Target> = OnceLock::new();

fuzz_target!(init: { TARGET.get_or_init(chosen); }, |data: &[u8]| {
    (TARGET.get_or_init(chosen).run)(data);
});
