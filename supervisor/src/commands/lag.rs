//! `kafkavisor lag`.

use super::offsets::look;
use super::table::{Style, grouped};
use crate::cli::LookArgs;
use crate::exit::{Exit, Failure};

pub(super) fn run(args: &LookArgs) -> Result<Exit, Failure> {
    look::show(args, |rows, style: Style| {
        let lag = rows.iter().filter_map(|row| row.lag).fold(0, i64::saturating_add);
        let partitions = match rows.len() {
            1 => "1 partition".to_owned(),
            count => format!("{count} partitions"),
        };
        format!("{}\n", style.bold(&format!("{} behind in {partitions}", grouped(lag))))
    })
}
