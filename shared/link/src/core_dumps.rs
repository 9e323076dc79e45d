//! Core dumps of processes that hold secrets: none is left, unless somebody asks the kernel for one.

use std::sync::OnceLock;

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};

/// What we found: children get it back.
static FOUND: OnceLock<Limit> = OnceLock::new();

/// The soft and the hard limit of a core dump's size.
pub(crate) type Limit = (rlim_t, rlim_t);

/// From here on this process leaves no core dump, and what it starts may again. The hard limit stays, so that `prlimit` allows one for
/// this process alone. Says whether there could have been one.
pub fn off() -> Result<bool, Errno> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_CORE)?;
    if soft > 0 && FOUND.set((soft, hard)).is_ok() {
        setrlimit(Resource::RLIMIT_CORE, 0, hard)?;
        return Ok(true);
    }
    Ok(false)
}

/// What a child gets back; none where we have changed nothing.
pub(crate) fn found() -> Option<Limit> {
    FOUND.get().copied()
}

/// In a child, between fork and exec: system calls alone.
pub(crate) fn give_back((soft, hard): Limit) {
    // Where somebody has lowered the hard limit meanwhile, that counts.
    let _as_it_is = setrlimit(Resource::RLIMIT_CORE, soft, hard);
}
