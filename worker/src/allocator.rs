//! Who serves this process's memory: jemalloc, which also takes the place of C's `malloc`, for librdkafka allocates each message
//! in a thread of its own and ours frees it. With glibc's allocator the two fight for one lock, a third of a fast worker's time.

use std::ffi::{c_char, c_int, c_void};
use std::ptr;

use tikv_jemallocator::Jemalloc;

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// One arena, since each thread keeps what it uses at hand anyway and a thousand idle workers pay for every other one; what a
/// burst has left unused goes back to the system after a second.
#[expect(unsafe_code, reason = "jemalloc finds its settings by this symbol's name")]
// SAFETY: jemalloc declares `const char *malloc_conf`, and nothing else has that name: a thin pointer to text that ends with 0.
#[unsafe(export_name = "malloc_conf")]
static SETTINGS: &[u8; 63] = b"narenas:1,tcache_max:4096,dirty_decay_ms:1000,muzzy_decay_ms:0\0";

#[expect(unsafe_code, reason = "jemalloc's C interface")]
unsafe extern "C" {
    fn mallctl(
        name: *const c_char,
        value: *mut c_void,
        size: *mut usize,
        new: *mut c_void,
        new_size: usize,
    ) -> c_int;
}

/// Gives back what is unused. jemalloc does so by itself only while it is asked for memory, so that a
/// worker that has nothing more to do would keep what its last burst took.
#[expect(unsafe_code, reason = "jemalloc's C interface")]
pub(crate) fn give_back() {
    // What this thread keeps at hand, then what all arenas hold unused.
    for name in [c"thread.tcache.flush", c"arena.4096.purge"] {
        // SAFETY: the names are C strings; neither of the two takes or gives a value.
        let failed = unsafe { mallctl(name.as_ptr(), ptr::null_mut(), ptr::null_mut(), ptr::null_mut(), 0) };
        debug_assert_eq!(failed, 0, "{name:?}");
    }
}

#[cfg(test)]
#[expect(unsafe_code, reason = "jemalloc's C interface")]
mod tests {
    use super::*;

    unsafe extern "C" {
        fn malloc(size: usize) -> *mut c_void;
        fn free(block: *mut c_void);
        fn sallocx(block: *const c_void, flags: c_int) -> usize;
    }

    /// jemalloc's size class for 5000 bytes; glibc would have made 5008 of it.
    #[test]
    fn what_c_allocates_comes_from_here() {
        // SAFETY: the block is asked about while it lives and freed once.
        let size = unsafe {
            let block = malloc(5000);
            let size = sallocx(block, 0);
            free(block);
            size
        };
        assert_eq!(size, 5120);
    }

    #[test]
    fn the_settings_are_found() {
        let (mut arenas, mut size) = (0u32, size_of::<u32>());
        // SAFETY: the name is a C string, the result has the size that is said, and nothing is set.
        let failed = unsafe {
            let name = c"opt.narenas".as_ptr();
            mallctl(name, (&raw mut arenas).cast(), &raw mut size, ptr::null_mut(), 0)
        };
        assert_eq!((failed, arenas), (0, 1));
    }
}
