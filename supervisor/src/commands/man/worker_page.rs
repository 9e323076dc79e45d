//! kafkavisor-worker(1), for whoever meets that program.

use clap_mangen::roff::{Roff, bold, roman};

use super::typesetting::finished;

pub(super) const NAME: &str = "kafkavisor-worker";

pub(super) fn render() -> String {
    let mut roff = Roff::new();
    roff.control("TH", [NAME, "1", super::NO_DATE, super::SOURCE, super::MANUAL]);
    roff.control("SH", ["NAME"]).text([roman(format!("{NAME} - consumes one partition for kafkavisor"))]);
    roff.control("SH", ["SYNOPSIS"]).text([bold(NAME), roman(" --help")]);
    roff.control("SH", ["DESCRIPTION"]).text([roman(
        "Is started by `kafkavisor run`, one for each partition, with the handler as its child. It takes no arguments and is of no use by hand. \
         It is found beside kafkavisor, or by `--worker-binary`, and is to be of the same version.",
    )]);
    roff.control("SH", ["SEE ALSO"]).text([bold("kafkavisor-run"), roman("(1)")]);
    finished(&roff.render())
}
