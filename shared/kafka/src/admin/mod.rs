//! The requests that the safe crate does not have, each behind a safe function: topics with their ids, offsets of a group
//! listed and written, a group's members, bounds of logs, brokers to begin with, a new password; one answer a topic or partition each, and never
//! later than the caller's time.

mod brokers;
mod coordinator;
mod credentials;
mod elements;
mod group_listing;
mod group_members;
mod group_offsets;
mod log_offsets;
mod request;
mod topics;

pub(crate) use brokers::add_brokers;
pub(crate) use coordinator::{Asked, Failed};
pub(crate) use credentials::set_credentials;
pub(crate) use elements::{Element, elements};
pub(crate) use group_listing::list_offsets;
pub use group_members::GroupMember;
pub(crate) use group_members::{DescribedGroup, describe_group};
pub(crate) use group_offsets::{Written, write_offsets};
pub(crate) use log_offsets::{LogOffsets, Which};
pub use topics::Described;
pub(crate) use topics::describe;
