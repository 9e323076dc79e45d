//! Marks: a name at a branch, and whoever asks is told which of them were passed. A scenario of the simulator says which it must
//! pass, and a branch that none passes is known by name.
//!
//! A build without debug assertions, and so every release, holds nothing of it.

use std::collections::BTreeSet;

/// Marks this branch. A name stands in one place.
#[macro_export]
macro_rules! hit {
    ($mark:ident) => {
        $crate::note(stringify!($mark))
    };
}

/// Whether marks are there at all.
pub const THERE: bool = cfg!(debug_assertions);

#[cfg(debug_assertions)]
mod recording {
    use std::cell::RefCell;
    use std::collections::BTreeSet;

    thread_local! {
        pub(super) static PASSED: RefCell<Option<BTreeSet<&'static str>>> = const { RefCell::new(None) };
    }
}

#[doc(hidden)]
#[cfg(debug_assertions)]
pub fn note(mark: &'static str) {
    recording::PASSED.with_borrow_mut(|passed| {
        if let Some(passed) = passed {
            passed.insert(mark);
        }
    });
}

#[doc(hidden)]
#[cfg(not(debug_assertions))]
#[inline]
pub fn note(_mark: &'static str) {}

/// Runs it, and says which marks this thread passed meanwhile.
pub fn passed_by<T>(run: impl FnOnce() -> T) -> (T, BTreeSet<&'static str>) {
    #[cfg(debug_assertions)]
    {
        recording::PASSED.set(Some(BTreeSet::new()));
        let result = run();
        (result, recording::PASSED.take().unwrap_or_default())
    }
    #[cfg(not(debug_assertions))]
    (run(), BTreeSet::new())
}

#[cfg(test)]
mod tests {
    #[test]
    fn only_what_is_passed_meanwhile_is_told() {
        crate::hit!(before);
        let (result, passed) = crate::passed_by(|| {
            crate::hit!(once);
            crate::hit!(twice);
            crate::hit!(twice);
            7
        });
        crate::hit!(after);
        assert_eq!(result, 7);
        assert_eq!(passed.into_iter().collect::<Vec<_>>(), ["once", "twice"]);
    }
}
