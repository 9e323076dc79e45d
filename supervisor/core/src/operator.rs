//! What an operator may ask for.

use kafkavisor::ids::Offset;

/// For one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Deliver nothing until resumed.
    Pause,
    /// Go on after a pause, or try a parked partition again.
    Resume,
    /// Another worker and handler.
    Restart,
    /// Dead-letter the message that blocks the partition, or pass it over.
    Skip,
    /// Go on at this offset, wherever the group's is. That it lies in the log has been looked at.
    Seek(Offset),
}
