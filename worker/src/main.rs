//! `kafkavisor-worker`: one partition, fetched, handed to the handler, its acknowledgements tracked. Started by
//! `kafkavisor`, never by hand.
//!
//! | module | for |
//! |---|---|
//! | `kafkavisor_kafka::fetch`, of a package that is shared | messages from Kafka |
//! | `core`, a package of its own | what may be delivered, what an answer means, how it ends |
//! | [`dead_letters`] | messages that can't be handled |
//! | [`handler`] | processes, pipes and protocols |
//! | [`turn`] | the loop that joins them |
//! | [`link`] | the socket to the supervisor |
//! | [`tracer`] | what is told where each message is watched |
//! | [`allocator`] | memory, for librdkafka too |

mod allocator;
mod dead_letters;
mod handler;
mod keys;
mod link;
mod tracer;
mod turn;

use std::time::Duration;

use kafkavisor_link::logging::{self, Speaker};
use kafkavisor_link::message::{Ending, FromWorker, Start, ToWorker};
use kafkavisor_link::panics;
use kafkavisor_link::process::become_subreaper;
use kafkavisor_link::{core_dumps, ending};
use nix::unistd::getpid;

use crate::link::Link;
use crate::turn::{Ended, Worker};

const HELP: &str = "kafkavisor-worker consumes one partition for kafkavisor, which starts it and tells it what to do.\n\
                    It takes no arguments and is of no use by hand: run `kafkavisor run --help`.\n";

/// Exit status for a worker that was started by hand.
const USAGE: u8 = 64;
/// Exit status for a worker that can't work.
const UNABLE: u8 = 70;

/// What is waited for at most until the supervisor has heard how it ended.
const LAST_WORDS: Duration = Duration::from_secs(2);

fn main() {
    panics::end_the_process();
    ending::end(work())
}

/// Until it has ended: its exit status.
fn work() -> u8 {
    if std::env::args().skip(1).any(|argument| argument == "--help" || argument == "-h") {
        // Whoever asked may have gone.
        let _nobody_reads = std::io::Write::write_all(&mut std::io::stdout(), HELP.as_bytes());
        return 0;
    }
    let Some((mut link, start)) = told() else {
        // There is no log yet and nobody else to tell.
        let _nobody_reads = std::io::Write::write_all(
            &mut std::io::stderr(),
            b"kafkavisor-worker is started by kafkavisor; run `kafkavisor run --help`\n",
        );
        return USAGE;
    };
    let speaker = Speaker {
        group: Some(start.group.clone()),
        partition: Some(start.partition.clone()),
        pid: getpid().as_raw(),
    };
    logging::start(&start.log, speaker);
    if start.secret
        && let Err(error) = core_dumps::off()
    {
        log::warn!("core dumps can't be switched off: {error}");
    }
    let worker = become_subreaper().map_err(|error| error.to_string()).and_then(|()| Worker::new(&start));
    let Ended { ending, stderr, lease_left } = match worker {
        Ok(worker) => worker.run(&mut link),
        Err(error) => Ended::unable(error),
    };
    let status = if let Ending::Unable { error } = &ending {
        log::error!("can't work: {error}");
        UNABLE
    } else {
        u8::from(!matches!(ending, Ending::Stopped { .. }))
    };
    link.say(FromWorker::Ended { ending, stderr });
    link.finish(LAST_WORDS.min(lease_left));
    status
}

fn told() -> Option<(Link, Start)> {
    let mut link = Link::from_stdin().ok()?;
    match link.first().ok()?? {
        ToWorker::Start(start) => Some((link, *start)),
        ToWorker::Stop { .. } | ToWorker::Token(_) | ToWorker::Describe => None,
        ToWorker::LogLevel { .. } | ToWorker::Decide { .. } | ToWorker::Lead(_) => None,
    }
}
