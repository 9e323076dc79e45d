//! Dead letters: how they are produced, and what stands beside them: a message's own headers, and ours, which tell where it came
//! from and why it is here.
//!
//! | module | for |
//! |---|---|
//! | [`producing`] | the producer, and what becomes of what it could not send |
//! | [`origin`] | our headers, as they are written |
//! | [`letter`] | ... and as they are read again |

pub mod letter;
pub mod origin;
pub mod producing;

pub use letter::{Letter, NotALetter};
pub use origin::Origin;
pub use producing::{Producer, passes, producer_config, refusal};
