//! What is refused about a node: ZooKeeper says neither which node it was nor which right is missing.

use std::fmt::{self, Display, Formatter};

use zookeeper_client::{Acls, Client, CreateMode, Error};

/// A right in an access list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// To read a node and list its children.
    Read,
    /// To write a node.
    Write,
    /// To make nodes in it.
    Create,
    /// To delete nodes in it.
    Delete,
}

impl Display for Right {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "READ",
            Self::Write => "WRITE",
            Self::Create => "CREATE",
            Self::Delete => "DELETE",
        })
    }
}

/// Why something could not be done with a node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NodeError {
    /// The right is missing.
    #[error(
        "ZooKeeper refuses {path}: the right {right} on it is missing: look at its access list, and at `cluster.zookeeper_auth`"
    )]
    Refused {
        /// On which node.
        path: String,
        /// Which one.
        right: Right,
    },
    /// Anything else.
    #[error("ZooKeeper: {path}: {error}")]
    Failed {
        /// Which node.
        path: String,
        /// What ZooKeeper or its client says.
        error: Error,
    },
}

impl NodeError {
    /// What an error means of someone who needs this right on this node.
    pub fn of(path: &str, right: Right, error: Error) -> Self {
        let path = if path.is_empty() { "/" } else { path }.to_owned();
        if error == Error::NoAuth { Self::Refused { path, right } } else { Self::Failed { path, error } }
    }

    /// What an error means of someone who needs this right on the folder of this node.
    pub fn in_folder(path: &str, right: Right, error: Error) -> Self {
        if error == Error::NoAuth {
            Self::of(folder(path), right, error)
        } else {
            Self::of(path, right, error)
        }
    }

    /// Whether a right is missing.
    pub fn is_refused(&self) -> bool {
        matches!(self, Self::Refused { .. })
    }
}

/// The folder that a node is in; empty for the root.
pub fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// Makes a folder and those that it is in, as far as they are missing: what is there needs no right.
pub async fn make_folder(client: &Client, path: &str, acls: Acls<'_>) -> Result<(), NodeError> {
    let missing = missing_folders(client, path).await?;
    let options = CreateMode::Persistent.with_acls(acls);
    for path in missing {
        match client.create(path, b"", &options).await {
            Ok(_) | Err(Error::NodeExists) => {}
            Err(error) => return Err(NodeError::in_folder(path, Right::Create, error)),
        }
    }
    Ok(())
}

/// Those of a path that are not there, outermost first.
pub(crate) async fn missing_folders<'a>(client: &Client, path: &'a str) -> Result<Vec<&'a str>, NodeError> {
    let mut missing = Vec::new();
    let mut path = path;
    while !path.is_empty() {
        // To ask whether a node is there needs no right.
        let there = client.check_stat(path).await.map_err(|error| NodeError::of(path, Right::Read, error))?;
        if there.is_some() {
            break;
        }
        missing.push(path);
        path = folder(path);
    }
    missing.reverse();
    Ok(missing)
}
