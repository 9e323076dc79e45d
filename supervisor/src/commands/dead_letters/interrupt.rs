//! INT and TERM: what is under way is finished, and no more is begun.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::exit::{Exit, Failure};

/// Whether one of them came.
#[derive(Debug, Clone)]
pub(super) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Listens from here on. A second one ends the process at once.
    pub(super) fn listen() -> Result<Self, Failure> {
        let bug = |error| Failure::bug(format!("failed to listen for signals: {error}"));
        let came = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            flag::register_conditional_shutdown(signal, Exit::Failed as i32, Arc::clone(&came))
                .map_err(bug)?;
            flag::register(signal, Arc::clone(&came)).map_err(bug)?;
        }
        Ok(Self(came))
    }

    pub(super) fn came(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}
