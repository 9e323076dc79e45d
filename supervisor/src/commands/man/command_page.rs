//! A command's page. What stands below its options in the help is prose, and examples after that: here they are sections.

use std::io;

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::typesetting::{finished, fixed, paragraph};
use super::{configuration_page, surroundings};
use crate::exit::Exit;

/// As `man` is asked for it.
pub(super) fn name(command: &Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

/// Of a command that has been built.
pub(super) fn render(command: &Command) -> io::Result<String> {
    let (prose, examples) = below_options(command);
    let man = Man::new(command.clone().override_usage(usage(command)))
        .date(super::NO_DATE)
        .source(super::SOURCE)
        .manual(super::MANUAL);
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    surroundings::description(command).to_writer(&mut page)?;
    prose.to_writer(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.get_subcommands().any(|sub| !sub.is_hide_set()) {
        man.render_subcommands_section(&mut page)?;
    }
    surroundings::of(command).to_writer(&mut page)?;
    exit_status().to_writer(&mut page)?;
    examples.to_writer(&mut page)?;
    see_also(command).to_writer(&mut page)?;
    String::from_utf8(page).map(|page| finished(&page)).map_err(io::Error::other)
}

/// In one line, as in the help.
fn usage(command: &Command) -> String {
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage:").split_whitespace();
    usage.collect::<Vec<_>>().join(" ")
}

/// What stands there in the help: for the description, and the examples.
fn below_options(command: &Command) -> (Roff, Roff) {
    let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let (mut prose, mut examples, mut block) = (Roff::new(), Roff::new(), Vec::new());
    for line in text.lines() {
        match line.strip_prefix("  ") {
            Some(example) => block.push(example),
            None if line.is_empty() || line.starts_with("Example") || line.starts_with("Exit codes:") => {}
            None => {
                paragraph(&mut prose, line);
            }
        }
    }
    if !block.is_empty() {
        examples.control("SH", ["EXAMPLES"]);
        fixed(&mut examples, &block);
    }
    (prose, examples)
}

fn exit_status() -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["EXIT STATUS"]);
    for (exit, meaning) in Exit::MEANINGS {
        roff.control("TP", ["4"]).text([bold((exit as u8).to_string())]).text([roman(meaning)]);
    }
    roff
}

/// The commands around it, and what it reads.
fn see_also(command: &Command) -> Roff {
    let own = name(command);
    let mut pages: Vec<(String, &str)> = Vec::new();
    if own != super::ROOT {
        pages.push((super::ROOT.to_owned(), "(1)"));
    }
    if let Some((parent, _)) =
        own.rsplit_once(&format!("-{}", command.get_name())).filter(|(parent, _)| *parent != super::ROOT)
    {
        pages.push((parent.to_owned(), "(1)"));
    }
    if own == super::ROOT || surroundings::reads_configuration(command) {
        pages.push((configuration_page::NAME.to_owned(), "(5)"));
    }
    if own == super::ROOT {
        pages.push(("systemd.service".to_owned(), "(5)"));
    }
    let mut roff = Roff::new();
    roff.control("SH", ["SEE ALSO"]);
    let last = pages.len().saturating_sub(1);
    for (index, (name, section)) in pages.into_iter().enumerate() {
        let comma = if index == last { "" } else { "," };
        roff.text([bold(name), roman(format!("{section}{comma}"))]);
    }
    roff.control("PP", []).text([roman(env!("CARGO_PKG_REPOSITORY"))]);
    roff
}
