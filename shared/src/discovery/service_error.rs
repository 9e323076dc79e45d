//! Why the discovery service told nothing that can be used: each names what was asked of whom.

use std::fmt;

use super::exchange::{LIMIT, MAX_ANSWER};

/// What was asked of whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The operationId; none for the document itself.
    pub operation: Option<&'static str>,
    /// Where, host and port included.
    pub url: String,
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.operation {
            Some(operation) => write!(f, "{operation} at {}", self.url),
            None => write!(f, "the Swagger document at {}", self.url),
        }
    }
}

/// Why the discovery service told nothing that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// The address is none.
    #[error("{url:?} is no address of a discovery service: {reason}: write http://HOST:PORT")]
    Address {
        /// As given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Nobody is there.
    #[error("{asked} is not reached: {reason}: is the discovery service running? check its address")]
    Unreachable {
        /// What was asked of whom.
        asked: Asked,
        /// What the system says.
        reason: String,
    },
    /// Somebody is there who hangs up, or says something that is no HTTP, twice.
    #[error(
        "{asked} gives no whole HTTP answer, asked twice: {reason}: check whether this is the discovery service's address, and whether it is in order"
    )]
    NoAnswer {
        /// What was asked of whom.
        asked: Asked,
        /// What came instead.
        reason: String,
    },
    /// No whole answer within 2 s, twice.
    #[error(
        "{asked} has not answered in whole within {LIMIT:?}, asked twice: is the discovery service overloaded? check its address"
    )]
    TooLate {
        /// What was asked of whom.
        asked: Asked,
    },
    /// An error as the answer.
    #[error(
        "{asked} answers {status}{text}: check whether the discovery service is in order, and whether this is its address"
    )]
    Status {
        /// What was asked of whom.
        asked: Asked,
        /// The HTTP status.
        status: u16,
        /// What else it says, for people.
        text: String,
    },
    /// A redirection, which is not followed.
    #[error(
        "{asked} answers {status}, a redirection to {to:?}, which is not followed: give the address of the service itself"
    )]
    Redirected {
        /// What was asked of whom.
        asked: Asked,
        /// The HTTP status.
        status: u16,
        /// Where to.
        to: String,
    },
    /// More than is ever read.
    #[error("{asked} answers more than {} MiB: check whether this is the discovery service's address", MAX_ANSWER >> 20)]
    TooLarge {
        /// What was asked of whom.
        asked: Asked,
    },
    /// Something that is no JSON.
    #[error(
        "{asked} answers what is no JSON ({reason}): check whether this is the discovery service's address"
    )]
    NotJson {
        /// What was asked of whom.
        asked: Asked,
        /// Where it ends to be JSON.
        reason: String,
    },
    /// A document that is not Swagger 2.0.
    #[error("{asked} is no Swagger 2.0: {reason}: check whether this is the discovery service's address")]
    NotSwagger {
        /// What was asked of whom.
        asked: Asked,
        /// What it is instead.
        reason: String,
    },
    /// A document without the operation.
    #[error(
        "{document} has no {operation}: {reason}: check whether this is the discovery service, and of which version"
    )]
    NoOperation {
        /// The document.
        document: Asked,
        /// The operationId that is missing.
        operation: &'static str,
        /// What there is.
        reason: String,
    },
    /// An operation that can't be called as the document has it.
    #[error(
        "{operation} can't be called as {document} has it: {reason}: check what was asked for, then the document"
    )]
    Operation {
        /// The document.
        document: Asked,
        /// The operationId.
        operation: &'static str,
        /// Why.
        reason: String,
    },
    /// An answer of another shape.
    #[error(
        "{asked} answers something else than was expected: {reason}: check which version of the discovery service this is"
    )]
    Unexpected {
        /// What was asked of whom.
        asked: Asked,
        /// What was expected where.
        reason: String,
    },
    /// A cluster, but not the one that was asked for.
    #[error(
        "{asked} answers with another one, {name:?} of type {cluster_type:?}: check what the discovery service says of it, and ask for that one if it is meant"
    )]
    AnotherCluster {
        /// What was asked of whom.
        asked: Asked,
        /// The type of the one in the answer.
        cluster_type: String,
        /// Its name.
        name: String,
    },
}
