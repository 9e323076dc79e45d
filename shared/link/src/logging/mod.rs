//! Log lines that never block the loop that writes them.
//!
//! A line's message says what happened; which partition and process it is about stands in fields of its own, given to the macros
//! as `log::warn!(partition:% = key; "…")`, and each format shows them its way. Lines go through a bounded queue to a thread of
//! their own. Whoever reads our log may stop reading; then lines are dropped and counted, and the next line that gets through
//! says how many.
//!
//! | module | for |
//! |---|---|
//! | `line` | one line, and what its record says of where it comes from |
//! | `logger` | which lines are written: the level, and who speaks |
//! | `queue` | the bounded queue, and the thread that writes |
//! | `lost` | how many lines nobody will read |
//! | `text`, `json`, `journald` | one format each |
//! | `timestamp` | moments as people write them |

mod journald;
mod json;
mod line;
mod logger;
mod lost;
mod queue;
mod text;
mod timestamp;

pub use self::line::HANDLER;
pub use self::logger::{Speaker, set_level, start};
pub use self::lost::{lost, note_lost};
pub use self::timestamp::timestamp;
