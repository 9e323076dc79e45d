//! `kafkavisor run`.

use std::sync::Arc;

use kafkavisor::config::ConsumerNotes;
use kafkavisor_link::logging::{self, Speaker};
use nix::unistd::getpid;

use crate::checks::{Checked, checked};
use crate::cli::RunArgs;
use crate::exit::{Exit, Failure};
use crate::shell;

pub(super) fn run(args: RunArgs) -> Result<Exit, Failure> {
    let signals = shell::listen_for_signals()?;
    args.parent.map_or(Ok(()), shell::end_with)?;
    let (file, flags) = args.config.sources();
    let named = args.worker_binary;
    let look = move || checked(file.as_deref(), &flags, named.as_deref());
    let Checked { mut config, command, worker, consumer } = look()?;
    config.handler.command = command;
    let load = Arc::new(move || {
        let Checked { mut config, command, consumer, .. } = look()?;
        config.handler.command = command;
        warn(&consumer);
        Ok(config)
    });
    logging::start(
        &config.log,
        Speaker { group: Some(config.group.clone()), partition: None, pid: getpid().as_raw() },
    );
    warn(&consumer);
    shell::run(config, &worker, load, signals)
}

/// What of yelp_kafka's options does not do what whoever wrote them may expect.
fn warn(consumer: &ConsumerNotes) {
    consumer.warnings().iter().for_each(|warning| log::warn!("{warning}"));
}
