//! For tests of programs that build on this library.
//!
//! | type | stands in for |
//! |---|---|
//! | [`DiscoveryService`] | the discovery service |

mod discovery_service;
mod http;
mod served;

pub use discovery_service::DiscoveryService;
pub use served::Served;
