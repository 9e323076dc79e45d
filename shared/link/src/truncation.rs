//! A page whose file is cut short while it is mapped: the kernel answers the next access with SIGBUS, which would end a supervisor with
//! all its partitions. Here the lost part is replaced by zeros, which no check believes, and that partition alone starts anew.

use nix::libc::{self, c_int, c_void, siginfo_t};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

/// Bytes that the kernel maps at once on every machine we run on, or a multiple of them.
const MAPPED: usize = 4096;

/// From here on this process survives pages that are cut short. To be called once, before the first page is mapped.
pub fn survive() -> nix::Result<()> {
    let flags = SaFlags::SA_SIGINFO | SaFlags::SA_ONSTACK;
    let action = SigAction::new(SigHandler::SigAction(replace_by_zeros), flags, SigSet::empty());
    #[expect(unsafe_code, reason = "a signal handler is installed")]
    // SAFETY: the handler makes only system calls that are allowed in one, and touches no memory but its arguments.
    unsafe { sigaction(Signal::SIGBUS, &action) }.map(drop)
}

/// Puts an empty page where the file has none any more. For every other fault the signal gets its usual effect, when the access is
/// tried again.
extern "C" fn replace_by_zeros(_: c_int, info: *mut siginfo_t, _: *mut c_void) {
    #[expect(
        unsafe_code,
        reason = "the kernel says by pointer what happened, and memory is mapped at a place of its naming"
    )]
    // SAFETY: `info` is the kernel's, valid while the handler runs. What lies at the address is a mapping of a file beyond that file's
    // end, which nothing can be read from: replacing it takes nothing from anybody, and all words of a page are atomics that take
    // any value.
    unsafe {
        let address = (*info).si_addr().cast::<u8>();
        let start = address.map_addr(|address| address & !(MAPPED - 1));
        let (access, kind) =
            (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED);
        let beyond_the_end = (*info).si_code == libc::BUS_ADRERR;
        if !beyond_the_end || libc::mmap(start.cast(), MAPPED, access, kind, -1, 0) == libc::MAP_FAILED {
            libc::signal(libc::SIGBUS, libc::SIG_DFL);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;

    use kafkavisor::ids::Offset;

    use super::*;
    use crate::page::{Page, Progress};

    #[test]
    fn a_page_that_is_cut_short_reads_as_nothing() {
        survive().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("page");
        let page = Page::create(&path, "orders:3 in g", Offset(42)).unwrap();
        OpenOptions::new().write(true).open(&path).unwrap().set_len(0).unwrap();
        assert_eq!(page.progress(), Progress::default());
        assert!(page.progress().check(Offset(42)).is_err());
        page.rewind(Offset(50));
        assert_eq!(page.identity(), "");
        drop(page);
        assert!(Page::open(&path).is_err());
    }
}
