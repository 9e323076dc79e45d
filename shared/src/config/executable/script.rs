//! A script's first line, read as the kernel reads it: which program it asks for.

use std::ffi::OsStr;
use std::path::Path;

use super::{ExecutableError, Program, runnable};

/// What the kernel reads of a first line.
const LINE: usize = 255;
/// A script may be run by a script, so often.
const DEEPEST: usize = 4;

/// Checks that what the first line of the script asks for is there. `text` is what follows `#!`.
pub(super) fn check(
    script: &Path,
    text: &[u8],
    path: Option<&OsStr>,
    depth: usize,
) -> Result<(), ExecutableError> {
    let wrong = |reason: String| ExecutableError::Interpreter { path: script.to_owned(), reason };
    let line = text.get(..LINE).unwrap_or(text);
    let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
    if line.ends_with(b"\r") {
        let reason = "ends with a carriage return, which becomes part of the interpreter's name: save the file with Unix line ends (dos2unix)";
        return Err(wrong(reason.to_owned()));
    }
    let line = String::from_utf8_lossy(line);
    let line = line.trim_matches([' ', '\t', '\0']);
    let (interpreter, argument) = match line.split_once([' ', '\t']) {
        Some((interpreter, argument)) => (interpreter, argument.trim_start_matches([' ', '\t'])),
        None => (line, ""),
    };
    if interpreter.is_empty() {
        return Err(wrong("names no interpreter: write one, such as #!/bin/sh".to_owned()));
    }
    if depth >= DEEPEST {
        return Err(wrong(format!("names {interpreter}, one script of too many in a row: name a program")));
    }
    let found = runnable(Path::new(interpreter), path, depth + 1).map_err(|error| {
        wrong(format!("names {interpreter}, which can't be executed ({error}): install it or name another"))
    })?;
    if found == Program::Nothing {
        return Err(wrong(format!("names {interpreter}, which does not exist: install it or name another")));
    }
    if Path::new(interpreter).file_name() == Some(OsStr::new("env"))
        && let Some(program) = asked_of_env(argument)
    {
        let hint = if program.contains([' ', '\t']) { " (for arguments write env -S)" } else { "" };
        super::find(&program, path, depth + 1).map_err(|error| {
            wrong(format!("asks env for {program:?}, which it will not find{hint} ({error})"))
        })?;
    }
    Ok(())
}

/// The program that env will look for; none where it is not plain to see.
fn asked_of_env(argument: &str) -> Option<String> {
    let split = argument.strip_prefix("-S").or_else(|| argument.strip_prefix("--split-string="));
    let Some(words) = split else {
        // The kernel passes all of it as one argument.
        let option = argument.is_empty() || argument.starts_with('-') || argument.contains('=');
        return (!option).then(|| argument.to_owned());
    };
    if words.contains(['"', '\'', '\\', '$']) {
        return None;
    }
    let mut words = words.split_whitespace();
    words.find(|word| !word.contains('=')).filter(|word| !word.starts_with('-')).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn env_is_understood() {
        for (argument, program) in [
            ("python3", Some("python3")),
            ("python3 -u", Some("python3 -u")),
            ("-S python3 -u", Some("python3")),
            ("-S A=1 python3 -u", Some("python3")),
            ("-S -i python3", None),
            ("-i", None),
            ("", None),
        ] {
            assert_eq!(asked_of_env(argument).as_deref(), program, "{argument}");
        }
    }
}
