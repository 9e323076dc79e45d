//! Discovery against a service on the loopback interface: the stand-in, and ones that are broken on purpose.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[path = "discovery/broken.rs"]
mod broken;
#[path = "discovery/faults.rs"]
mod faults;
#[path = "discovery/functions.rs"]
mod functions;
#[path = "discovery/place.rs"]
mod place;
#[path = "discovery/sources.rs"]
mod sources;
