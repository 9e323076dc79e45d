//! Which pages the manual has.

use std::fs;
use std::io;
use std::path::Path;

use clap::{Command, CommandFactory};

use super::{ROOT, command_page, configuration_page, worker_page};
use crate::cli::{Cli, ManArgs};
use crate::commands::print;
use crate::exit::{Exit, Failure};

/// Prints one page, or writes all of them.
pub(in crate::commands) fn run(args: &ManArgs) -> Result<Exit, Failure> {
    match &args.dir {
        None => print(&page(&args.page)?)?,
        Some(folder) => {
            for Page { section, name, text } in pages()? {
                let path = folder.join(format!("man{section}")).join(format!("{name}.{section}"));
                write(&path, &text).map_err(|error| {
                    Failure::failed(format!("failed to write {}: {error}", path.display()))
                })?;
            }
        }
    }
    Ok(Exit::Clean)
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, text)
}

/// Of the manual.
struct Page {
    section: u8,
    name: String,
    text: String,
}

fn pages() -> Result<Vec<Page>, Failure> {
    let mut pages = Vec::new();
    for command in commands() {
        let text = command_page::render(&command).map_err(|error| Failure::bug(error.to_string()))?;
        pages.push(Page { section: 1, name: command_page::name(&command).to_owned(), text });
    }
    pages.push(Page { section: 1, name: worker_page::NAME.to_owned(), text: worker_page::render() });
    let name = configuration_page::NAME.to_owned();
    pages.push(Page { section: 5, name, text: configuration_page::render() });
    Ok(pages)
}

/// What may be asked for by one word, with what it is.
pub(in crate::commands) fn names() -> Vec<(String, String)> {
    let of = |command: &Command| {
        (command.get_name().to_owned(), command.get_about().map(ToString::to_string).unwrap_or_default())
    };
    let root = Cli::command();
    let shown = root.get_subcommands().filter(|command| !command.is_hide_set());
    let others = [(worker_page::NAME, "the worker"), (configuration_page::NAME, "the configuration")];
    shown.map(of).chain(others.map(|(name, what)| (name.to_owned(), what.to_owned()))).collect()
}

/// The page that is asked for: of a command by its words, or of what is named.
fn page(words: &[String]) -> Result<String, Failure> {
    let names = [
        words.join("-"),
        std::iter::once(ROOT).chain(words.iter().map(String::as_str)).collect::<Vec<_>>().join("-"),
    ];
    let pages = pages()?;
    if let Some(page) = pages.iter().find(|page| names.contains(&page.name)) {
        return Ok(page.text.clone());
    }
    let there: Vec<&str> = pages.iter().map(|page| page.name.as_str()).collect();
    let (asked, there) = (words.join(" "), there.join(", "));
    Err(Failure::usage(format!("there is no page for {asked:?}: use one of {there}")))
}

/// All that are shown, each behind the one that it belongs to, with what they inherit filled in.
fn commands() -> Vec<Command> {
    fn add(command: &Command, all: &mut Vec<Command>) {
        all.push(command.clone());
        for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
            add(sub, all);
        }
    }
    let (mut root, mut all) = (Cli::command(), Vec::new());
    root.build();
    add(&root, &mut all);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_command_has_a_page_with_examples() {
        let pages = pages().unwrap();
        assert!(pages.len() > 25, "{}", pages.len());
        for Page { section, name, text } in pages {
            for part in ["NAME", "SYNOPSIS", "EXAMPLES", "SEE ALSO"] {
                if (part, name.as_str()) == ("EXAMPLES", worker_page::NAME) {
                    continue;
                }
                assert!(
                    text.contains(&format!(".SH {part:?}")) || text.contains(&format!(".SH {part}\n")),
                    "{part} of {name}({section}):\n{text}"
                );
            }
        }
    }

    #[test]
    fn a_page_is_found_by_the_words_of_its_command() {
        let title = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            page(&words).map(|text| text.lines().find(|line| line.starts_with(".TH")).unwrap().to_owned())
        };
        assert!(title(&[]).unwrap().starts_with(".TH kafkavisor 1 "));
        assert!(
            title(&["offsets", "set"]).unwrap().starts_with(".TH kafkavisor-offsets-set 1 "),
            "{:?}",
            title(&["offsets", "set"])
        );
        assert!(title(&["kafkavisor.yaml"]).unwrap().starts_with(".TH kafkavisor.yaml 5 "));
        for wrong in [["guardian"], ["ofsets"]] {
            let failure = title(&wrong).unwrap_err();
            assert_eq!(failure.exit, Exit::Usage);
            assert!(failure.message.contains("kafkavisor-offsets-set, "), "{}", failure.message);
        }
    }
}
