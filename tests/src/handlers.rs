//! The example handlers, as their authors' files lie in the project.

use std::path::PathBuf;

use crate::environment::{example_handler, project};

fn in_worker(name: &str) -> String {
    let path: PathBuf = project().join("worker/examples").join(name);
    path.into_os_string().into_string().expect("paths are text here")
}

/// In plain sh, jsonl.
pub fn shell() -> String {
    in_worker("handler.sh")
}

/// In Python, jsonl.
pub fn python() -> String {
    in_worker("handler.py")
}

/// A plain command, exec.
pub fn words() -> String {
    in_worker("words.sh")
}

/// In Rust with the library's helper, jsonl and binary.
pub fn rust() -> String {
    example_handler().into_os_string().into_string().expect("paths are text here")
}
