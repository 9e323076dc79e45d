//! The supervisor's loop without a system under it: what happened goes to the core, what the core says is done, pages are read and
//! the lease is looked at when it is time. Which system that is, the real one or the simulator's, is behind one trait.
//!
//! | file | for |
//! |---|---|
//! | `system` | what the driver needs of whatever it runs on |
//! | `turn` | one turn: what happened, and all that follows |
//! | `perform` | what is done when the core says so |
//! | `assignment` | membership's notices as events of the core, the lease that follows from its evidence |

#![expect(missing_docs, reason = "the names say it, and nobody outside this workspace reads them")]

mod assignment;
mod perform;
mod system;
mod turn;

pub use assignment::Assignment;
pub use system::System;
pub use turn::{Driver, Happened, Start};
