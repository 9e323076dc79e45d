//! The marks in the code (`hit!`), read from its text, and those that no scenario reaches, each with its reason. Marks that the list
//! lacks, and those that it names although they are reached or are not there any more, fail the test of the scenarios.

use std::path::{Path, PathBuf};
use std::{fs, io};

/// What is marked.
const MARKED: [&str; 3] = ["supervisor/core/src", "supervisor/src/driver", "worker/core/src"];

/// One mark.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// Its name.
    pub name: String,
    /// The file it stands in, from the root of the tree.
    pub file: PathBuf,
    /// Its line, from 1.
    pub line: usize,
}

/// Reached by no scenario, and why.
pub const UNREACHED: &[(&str, &str)] = &[
    ("batch_failed", "the simulator's handlers speak `jsonl`: `exec` is tested in the core and end to end"),
    ("batch_failed_in_the_worker", "as batch_failed"),
    (
        "dead_letter_kept",
        "the simulator's dead-letter topic takes what it is given: tested in the cores and end to end",
    ),
    ("dead_letter_kept_in_a_drain", "as dead_letter_kept"),
    ("drain_leaves_a_kept_dead_letter", "as dead_letter_kept"),
    ("fate_is_another_try", "only `exec` asks about a message that it may have to try again"),
    ("letter_is_kept", "as dead_letter_kept"),
    ("skip_refused_while_its_letter_is_kept", "as dead_letter_kept"),
    (
        "spawned_too_late",
        "the guardian answers within what is waited for, or is found dead: tested in the core",
    ),
];

/// All marks in the code, by name.
pub fn marks() -> io::Result<Vec<Mark>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut marks = Vec::new();
    for folder in MARKED {
        marks_below(&root, Path::new(folder), &mut marks)?;
    }
    marks.sort();
    Ok(marks)
}

fn marks_below(root: &Path, folder: &Path, marks: &mut Vec<Mark>) -> io::Result<()> {
    for entry in fs::read_dir(root.join(folder))? {
        let entry = entry?;
        let file = folder.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            marks_below(root, &file, marks)?;
        } else if file.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(root.join(&file))?;
            marks.extend(marks_in(&text).map(|(line, name)| Mark { name, file: file.clone(), line }));
        }
    }
    Ok(())
}

fn marks_in(text: &str) -> impl Iterator<Item = (usize, String)> {
    let mark = |line: &str| Some(line.trim().strip_prefix("hit!(")?.strip_suffix(");")?.to_owned());
    text.lines().enumerate().filter_map(move |(number, line)| Some((number + 1, mark(line)?)))
}
