//! What of a page no definition of an option holds: files, variables, signals. What a command needs of it its options tell.

use clap::Command;
use clap_mangen::roff::Roff;

use super::command_page::name;
use super::typesetting::{item, paragraph};

const DESCRIPTION: [&str; 2] = [
    "A worker process for each partition that falls to this instance feeds the handler, any executable, from it. What the handler has \
     acknowledged is committed; whatever fails is restarted, for its partition alone. Instances of a group share the partitions by way of \
     ZooKeeper, Python's yelp_kafka and kazoo among them.",
    "A handler gets one JSON object a line on standard input, and answers on standard output: `{\"ack\":57}` when everything up to \
     offset 57 is done.",
];

const CONFIGURATIONS: [(&str, &str); 2] = [
    ("/etc/kafkavisor/NAME.yaml", "Where `kafkavisor@NAME.service` has the configuration of an instance."),
    (
        "/usr/share/doc/kafkavisor/examples/",
        "Examples of it, of handlers, and for containers, Kubernetes and PaaSTA.",
    ),
];
const RUNTIME_DIRECTORY: [(&str, &str); 1] = [(
    "$RUNTIME_DIRECTORY",
    "Holds the control socket, the lock and the status pages of an instance. Without that variable it is /run/kafkavisor/NAME as root, \
     else $XDG_RUNTIME_DIR/kafkavisor/NAME, else kafkavisor-UID/NAME in the folder for temporary files. It is to be on a tmpfs.",
)];

const SIGNALS: [(&str, &str); 3] = [
    ("TERM, INT", "Drain and exit with 0. A second one cuts the drain short."),
    (
        "HUP",
        "Read the configuration again and replace the workers, one first, then a tenth of them at a time; `kafkavisor status` shows how far that is.",
    ),
    ("USR1", "Log the state of everything."),
];

const VARIABLES: [(&str, &str); 1] = [(
    "KAFKAVISOR_GROUP, KAFKAVISOR_TOPIC, KAFKAVISOR_PARTITION, KAFKAVISOR_GENERATION, KAFKAVISOR_FENCING_TOKEN",
    "Are set for handlers. The token grows from owner to owner of a partition.",
)];

/// What belongs to a command, in sections.
pub(super) fn of(command: &Command) -> Roff {
    let mut roff = Roff::new();
    let root = name(command) == super::ROOT;
    let runs = has(command, "worker_binary");
    if root || name(command) == "kafkavisor-run" {
        section(&mut roff, "SIGNALS", &SIGNALS);
        section(&mut roff, "ENVIRONMENT", &VARIABLES);
    }
    let configurations: &[_] = if root || runs { &CONFIGURATIONS } else { &[] };
    let directory: &[_] = if root || runs || has(command, "socket") { &RUNTIME_DIRECTORY } else { &[] };
    section(&mut roff, "FILES", &[configurations, directory].concat());
    roff
}

/// What the root's page says of everything.
pub(super) fn description(command: &Command) -> Roff {
    let mut roff = Roff::new();
    if name(command) == super::ROOT {
        DESCRIPTION.iter().for_each(|text| paragraph(&mut roff, text));
    }
    roff
}

/// Whether it takes a configuration file.
pub(super) fn reads_configuration(command: &Command) -> bool {
    has(command, "config")
}

fn has(command: &Command, option: &str) -> bool {
    command.get_arguments().any(|argument| argument.get_id() == option)
}

fn section(roff: &mut Roff, title: &str, items: &[(&str, &str)]) {
    if items.is_empty() {
        return;
    }
    roff.control("SH", [title]);
    items.iter().for_each(|(name, text)| item(roff, name, text));
}
