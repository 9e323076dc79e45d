//! How our processes end: at once, whatever their threads are about.
//!
//! At an orderly exit the libraries' own handlers run, OpenSSL's among them, which frees what librdkafka's threads may be reading:
//! a process that had done all its work then died of SIGSEGV now and then.

use std::io::Write;

use nix::libc;

/// Ends the process with `status`, once what it has said is written. Whatever else is to be done was done before.
pub fn end(status: u8) -> ! {
    log::logger().flush();
    // Whoever read it may have gone.
    let _nobody_reads = std::io::stdout().flush();
    at_once(status.into())
}

/// Without a look back: what other threads hold may never be free now.
#[expect(unsafe_code, reason = "std only knows the orderly exit")]
pub(crate) fn at_once(status: i32) -> ! {
    // SAFETY: it ends the process, and nothing of it is used afterwards.
    unsafe { libc::_exit(status) }
}
