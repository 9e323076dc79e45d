//! How prose, examples and names look on a page.

use clap_mangen::roff::{Roff, bold, roman};

/// Prose, filled.
pub(super) fn paragraph(roff: &mut Roff, text: &str) {
    roff.control("PP", []).text([roman(text)]);
}

/// Lines that stay as they are.
pub(super) fn fixed(roff: &mut Roff, lines: &[&str]) {
    roff.control("RS", ["4"]).control("nf", []);
    for line in lines {
        roff.text([roman(*line)]);
    }
    roff.control("fi", []).control("RE", []);
}

/// A name, and below it what it is.
pub(super) fn item(roff: &mut Roff, name: &str, text: &str) {
    roff.control("TP", []).text([bold(name)]).text([roman(text)]);
}

/// A page of parts: what each of them begins with stands once, and what is between backticks is bold. In examples a backtick is one
/// (and not the quotation mark that it is to troff).
pub(super) fn finished(parts: &str) -> String {
    let preamble = Roff::new().render();
    let mut page = preamble.clone();
    let mut as_it_is = false;
    for line in parts.replace(&preamble, "").lines() {
        match line {
            ".nf" => as_it_is = true,
            ".fi" => as_it_is = false,
            _ => {}
        }
        if as_it_is || line.starts_with('.') {
            page.push_str(&line.replace('`', r"\(ga"));
        } else {
            page.push_str(&emphasized(line));
        }
        page.push('\n');
    }
    page
}

fn emphasized(line: &str) -> String {
    let pieces: Vec<&str> = line.split('`').collect();
    if pieces.len().is_multiple_of(2) {
        return line.replace('`', r"\(ga");
    }
    let piece = |(index, piece): (usize, &&str)| {
        if index % 2 == 1 { format!(r"\fB{piece}\fR") } else { (*piece).to_owned() }
    };
    pieces.iter().enumerate().map(piece).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_between_backticks_is_bold_but_in_examples() {
        let mut roff = Roff::new();
        paragraph(&mut roff, "see `stop` and .this");
        fixed(&mut roff, &["echo `date`", ".hidden"]);
        let page = finished(&roff.render());
        assert!(
            page.ends_with(
                ".PP\nsee \\fBstop\\fR and .this\n.RS 4\n.nf\necho \\(gadate\\(ga\n\\&.hidden\n.fi\n.RE\n"
            ),
            "{page}"
        );
        assert_eq!(emphasized("a ` alone"), r"a \(ga alone");
    }
}
