//! `kafkavisor-discovery`: a stand-in for the discovery service, for compose files and integration tests.

use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Parser;
use clap::builder::NonEmptyStringValueParser;
use clap::error::ErrorKind;
use kafkavisor::config::{ZookeeperAddress, comma_separated};
use kafkavisor::testing::{DiscoveryService, Served};
use nix::sys::signal::{SigSet, Signal};

const EXAMPLES: &str = "Examples:
  kafkavisor-discovery --brokers kafka:9092 --zookeeper zookeeper:2181
  kafkavisor-discovery --listen 127.0.0.1:8888 --brokers 127.0.0.1:9092 --zookeeper 127.0.0.1:2181 --stream ranger --stream spam
  kafkavisor clusters --type standard --region acceptance_test_region --discovery http://127.0.0.1:8888

It answers until TERM or INT, and then exits with 0; 64: the command line is wrong; 69: the address can't be listened at.";

/// A stand-in for the Kafka discovery service: one cluster, of whichever type, in one region and superregion.
#[derive(Debug, Parser)]
#[command(name = "kafkavisor-discovery", version, after_help = EXAMPLES)]
struct Arguments {
    /// Where to listen
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8888")]
    listen: SocketAddr,
    /// The cluster's brokers, HOST:PORT[,HOST:PORT...]
    #[arg(long, value_name = "BROKERS", default_value = "kafka:9092", value_parser = brokers)]
    brokers: Brokers,
    /// The cluster's ZooKeeper, HOST:PORT[,HOST:PORT...][/CHROOT]
    #[arg(long, value_name = "ZOOKEEPER", default_value = "zookeeper:2181")]
    zookeeper: ZookeeperAddress,
    /// The cluster's name
    #[arg(long, value_name = "NAME", default_value = "local_cluster", value_parser = NonEmptyStringValueParser::new())]
    cluster: String,
    /// A type that there is; may be given several times [default: every type]
    #[arg(long = "type", value_name = "TYPE", value_parser = NonEmptyStringValueParser::new())]
    types: Vec<String>,
    /// The region
    #[arg(long, value_name = "REGION", default_value = "acceptance_test_region", value_parser = NonEmptyStringValueParser::new())]
    region: String,
    /// The superregion
    #[arg(long, value_name = "SUPERREGION", default_value = "acceptance_test_superregion", value_parser = NonEmptyStringValueParser::new())]
    superregion: String,
    /// A stream that has a log; may be given several times
    #[arg(long = "stream", value_name = "STREAM", default_value = "ranger", value_parser = NonEmptyStringValueParser::new())]
    streams: Vec<String>,
}

/// Brokers, checked for shape.
type Brokers = std::sync::Arc<[String]>;

fn brokers(text: &str) -> Result<Brokers, String> {
    comma_separated(text).map(Into::into).map_err(|error| error.to_string())
}

impl Arguments {
    fn served(self) -> Served {
        Served {
            cluster: self.cluster,
            broker_list: self.brokers.to_vec(),
            zookeeper: self.zookeeper.to_string(),
            types: (!self.types.is_empty()).then_some(self.types),
            region: self.region,
            superregion: self.superregion,
            streams: self.streams,
            others: Vec::new(),
        }
    }
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _unwritable = error.print();
            let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            return ExitCode::from(if asked { 0 } else { 64 });
        }
    };
    let (listen, ends) = (arguments.listen, SigSet::from_iter([Signal::SIGTERM, Signal::SIGINT]));
    // Before there is another thread, so that all inherit it. As pid 1 of a container it would not end by a signal otherwise.
    let blocked = ends.thread_block();
    let service =
        match blocked.map_err(Into::into).and_then(|()| DiscoveryService::listen(listen, arguments.served()))
        {
            Ok(service) => service,
            Err(error) => {
                say(&format!(
                    "kafkavisor-discovery: {listen} can't be listened at: {error}: choose another by --listen"
                ));
                return ExitCode::from(69);
            }
        };
    say(&format!("kafkavisor-discovery: serving at {}", service.url()));
    let _ended = ends.wait();
    drop(service);
    ExitCode::SUCCESS
}

fn say(text: &str) {
    let _unwritable = writeln!(std::io::stderr(), "{text}");
}
