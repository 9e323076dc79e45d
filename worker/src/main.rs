//! `kafkavisor-worker`: one partition, fetched, handed to the handler, its acknowledgements tracked. Started by
//! `kafkavisor`, never by hand.
//!
//! | module | for |
//! |---|---|
//! | [`fetch`] | messages from Kafka |
//! | `core`, a package of its own | what may be delivered, what an answer means, how it ends |
//! | [`dead_letters`] | messages that can't be handled |
//! | [`handler`] | processes, pipes and protocols |
//! | [`turn`] | the loop that joins them |
//! | [`link`] | the socket to the supervisor |
//! | [`allocator`] | memory, for librdkafka too |

mod allocator;
mod dead_letters;
mod fetch;
mod handler;
mod link;
mod turn;

use std::process::ExitCode;

use kafkavisor_link::logging;
use kafkavisor_link::message::{Ending, FromWorker, Start, ToWorker};
use kafkavisor_link::process::{become_subreaper, die_with_parent};
use nix::unistd::{Pid, getpid};

use crate::link::Link;
use crate::turn::Worker;

/// Exit status for a worker that was started by hand.
const USAGE: u8 = 64;
/// Exit status for a worker that can't work.
const UNABLE: u8 = 70;

fn main() -> ExitCode {
    let Some((mut link, start)) = told() else {
        // There is no log yet and nobody else to tell.
        let _nobody_reads = std::io::Write::write_all(
            &mut std::io::stderr(),
            b"kafkavisor-worker is started by kafkavisor; run `kafkavisor run --help`\n",
        );
        return ExitCode::from(USAGE);
    };
    if !die_with_parent(Pid::from_raw(start.supervisor_pid)) {
        return ExitCode::from(UNABLE);
    }
    logging::start(start.log.level, start.log.format, &format!("{} ", start.item), getpid().as_raw());
    let (ending, stderr) =
        match become_subreaper().map_err(|error| error.to_string()).and_then(|()| Worker::new(&start)) {
            Ok(worker) => worker.run(&mut link),
            Err(error) => (Ending::Unable { error }, String::new()),
        };
    let status = if let Ending::Unable { error } = &ending {
        log::error!("can't work: {error}");
        UNABLE
    } else {
        u8::from(!matches!(ending, Ending::Stopped { .. }))
    };
    link.say(&FromWorker::Ended { ending, stderr });
    log::logger().flush();
    ExitCode::from(status)
}

fn told() -> Option<(Link, Start)> {
    let mut link = Link::from_stdin().ok()?;
    match link.first().ok()?? {
        ToWorker::Start(start) => Some((link, *start)),
        ToWorker::Stop { .. } | ToWorker::Decide { .. } => None,
    }
}
