//! Partitions in rows and columns, as `status` prints them and `status --watch` shows them.
//!
//! | module | for |
//! |---|---|
//! | [`head`] | what concerns the whole |
//! | [`row`] | one partition in words |
//! | [`columns`] | which columns fit, and what is cut |

pub(super) mod columns;
pub(super) mod head;
pub(super) mod row;
