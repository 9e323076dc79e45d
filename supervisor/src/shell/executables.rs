//! The programs that an instance runs, found at start: what is missing is said then, and is no crash loop later.

use std::path::PathBuf;

use kafkavisor::config::find_executable;

use crate::exit::Failure;

/// The handler's command with its program found.
pub(crate) fn resolved(command: &[String]) -> Result<Vec<String>, Failure> {
    let Some((program, arguments)) = command.split_first() else {
        return Err(Failure::configuration(
            "no handler: give one after `--`, or set `handler.command`".to_owned(),
        ));
    };
    let path = find_executable(program, std::env::var_os("PATH").as_deref())
        .map_err(|error| Failure::configuration(error.to_string()))?;
    let program = path.to_string_lossy().into_owned();
    Ok(std::iter::once(program).chain(arguments.iter().cloned()).collect())
}

/// The worker's binary: beside ours, unless named.
pub(crate) fn worker_binary(named: Option<PathBuf>) -> Result<PathBuf, Failure> {
    if let Some(path) = named {
        let with_slash = std::path::absolute(&path).map_err(|error| Failure::bug(error.to_string()))?;
        return find_executable(&with_slash.to_string_lossy(), None).map_err(|error| {
            let path = path.display();
            Failure::configuration(format!(
                "--worker-binary {path}: {error}; name the kafkavisor-worker of this version"
            ))
        });
    }
    let ours = std::env::current_exe().map_err(|error| Failure::bug(error.to_string()))?;
    let beside = ours.with_file_name("kafkavisor-worker");
    if beside.is_file() {
        Ok(beside)
    } else {
        Err(Failure::configuration(format!(
            "kafkavisor-worker is not beside {}: install both, or say --worker-binary PATH",
            ours.display()
        )))
    }
}
