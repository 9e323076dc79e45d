//! Which right will be missing, found out without changing anything: by transactions that do what is to be done and then fail by
//! a node that is not there. ZooKeeper looks at the access lists first.

use uuid::Uuid;
use zookeeper_client::{Acls, Client, CreateMode, Error, MultiWriteError};

use crate::nodes::{NodeError, Right, missing_folders};

/// So many are looked at together.
const AT_ONCE: usize = 100;

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// List the nodes in this one.
    List(String),
    /// Read this one.
    Read(String),
    /// Write it.
    Write(String),
    /// Make nodes in it and delete them again, if it is there; else it is to be made.
    Fill(String),
    /// Make it, if it is not there.
    Make(String),
}

/// An operation of a transaction.
enum Step {
    Create(String),
    Delete(String),
    Write(String),
}

/// The first of the deeds that is refused. Those about nodes that are not there are passed over.
pub async fn check(client: &Client, acls: Acls<'_>, deeds: &[Deed]) -> Result<(), NodeError> {
    for deeds in deeds.chunks(AT_ONCE) {
        let steps = steps(client, deeds).await?;
        try_out(client, acls, &steps).await?;
    }
    Ok(())
}

/// Reads at once, and says what else is to be tried.
async fn steps(client: &Client, deeds: &[Deed]) -> Result<Vec<Step>, NodeError> {
    let mut steps = Vec::new();
    for deed in deeds {
        match deed {
            Deed::List(path) => read(path, client.list_children(path).await)?,
            Deed::Read(path) => read(path, client.get_data(path).await)?,
            Deed::Write(path) => {
                if stands(client, path).await? {
                    steps.push(Step::Write(path.clone()));
                }
            }
            Deed::Fill(path) if stands(client, path).await? => {
                let probe = format!("{path}/.kafkavisor-{}", Uuid::new_v4());
                steps.extend([Step::Create(probe.clone()), Step::Delete(probe)]);
            }
            Deed::Fill(path) | Deed::Make(path) => {
                let missing = missing_folders(client, path).await?;
                steps.extend(missing.first().map(|first| Step::Create((*first).to_owned())));
            }
        }
    }
    Ok(steps)
}

async fn stands(client: &Client, path: &str) -> Result<bool, NodeError> {
    Ok(missing_folders(client, path).await?.is_empty())
}

fn read<T>(path: &str, read: Result<T, Error>) -> Result<(), NodeError> {
    match read {
        Ok(_) | Err(Error::NoNode) => Ok(()),
        Err(error) => Err(NodeError::of(path, Right::Read, error)),
    }
}

async fn try_out(client: &Client, acls: Acls<'_>, steps: &[Step]) -> Result<(), NodeError> {
    let options = CreateMode::Persistent.with_acls(acls);
    let mut writer = client.new_multi_writer();
    let mut made = std::collections::BTreeSet::new();
    let mut sent = Vec::new();
    for step in steps {
        let added = match step {
            // Several may want the same folder.
            Step::Create(path) if !made.insert(path) => continue,
            Step::Create(path) => writer.add_create(path, b"", &options),
            Step::Delete(path) => writer.add_delete(path, None),
            Step::Write(path) => writer.add_set_data(path, b"", None),
        };
        added.map_err(|error| step.failed(error))?;
        sent.push(step);
    }
    if sent.is_empty() {
        return Ok(());
    }
    let nowhere = format!("/.kafkavisor-{}", Uuid::new_v4());
    writer.add_check_version(&nowhere, -1).map_err(|error| NodeError::of("", Right::Read, error))?;
    match writer.commit().await {
        Err(MultiWriteError::RequestFailed { source }) => Err(NodeError::of("", Right::Read, source)),
        Err(MultiWriteError::OperationFailed { index, source: Error::NoAuth }) => {
            sent.get(index).map_or(Ok(()), |step| Err(step.failed(Error::NoAuth)))
        }
        // That it is not there, or what has changed meanwhile.
        Ok(_) | Err(MultiWriteError::OperationFailed { .. }) => Ok(()),
    }
}

impl Step {
    fn failed(&self, error: Error) -> NodeError {
        match self {
            Self::Create(path) => NodeError::in_folder(path, Right::Create, error),
            Self::Delete(path) => NodeError::in_folder(path, Right::Delete, error),
            Self::Write(path) => NodeError::of(path, Right::Write, error),
        }
    }
}
