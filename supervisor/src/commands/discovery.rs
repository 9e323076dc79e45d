//! What `clusters`, `topics` and `logs` have in common: where they look, how they fail, what they print.

use kafkavisor::config::{Finding, Log, LogFormat};
use kafkavisor::discovery::{ClusterConfig, Discovery, DiscoveryError, ServiceError, Settings};
use kafkavisor_link::logging::{self, Speaker};
use log::LevelFilter;
use serde::Serialize;

use super::identity::finding;
use crate::cli::{WhereArgs, WhichClusterArgs};
use crate::exit::{Exit, Failure};
use crate::tokens;

/// In whose name is asked.
const CLIENT_ID: &str = "kafkavisor";

/// Looks where file and flags say, as who the file says we are.
pub(super) fn discovery(places: &WhereArgs) -> Result<(Discovery, Finding), Failure> {
    // Who answers in place of whom is said.
    logging::start(&Log { level: LevelFilter::Warn, format: LogFormat::Text }, Speaker::default());
    let finding = finding(places.config.as_deref())?;
    let client_id = finding.kafka.get("client.id").unwrap_or(CLIENT_ID).to_owned();
    let kafka = tokens::for_clients(&finding.kafka).into_iter().collect();
    let mut settings = Settings { kafka, ..Settings::from(&finding.discovery) };
    if let Some(url) = &places.discovery {
        settings = settings.with_url(url).map_err(|error| Failure::usage(format!("--discovery: {error}")))?;
    }
    Ok((Discovery::with(settings, &client_id), finding))
}

/// The clusters that are meant.
pub(super) fn clusters(
    discovery: &Discovery,
    cluster_type: &str,
    which: &WhichClusterArgs,
) -> Result<Vec<ClusterConfig>, Failure> {
    let WhichClusterArgs { region, superregion, name } = which;
    let found = match (region, superregion, name) {
        (Some(region), ..) => discovery.region_cluster(cluster_type, Some(region)).map(|one| vec![one]),
        (_, Some(superregion), _) => {
            discovery.superregion_cluster(cluster_type, Some(superregion)).map(|one| vec![one])
        }
        (.., Some(name)) => discovery.kafka_cluster(cluster_type, name).map(|one| vec![one]),
        (None, None, None) => discovery.all_clusters(cluster_type),
    };
    found.map_err(failure)
}

/// The error, and the exit code that it means.
pub(super) fn failure(error: DiscoveryError) -> Failure {
    let message = error.to_string();
    if error.is_unreachable() {
        return Failure::unreachable(message);
    }
    let malformed = matches!(
        error,
        DiscoveryError::Configuration { .. }
            | DiscoveryError::KafkaProperties { .. }
            | DiscoveryError::KafkaRefuses { .. }
            | DiscoveryError::Service { error: ServiceError::Address { .. }, .. }
    );
    if malformed {
        Failure::configuration(message)
    } else if matches!(error, DiscoveryError::InvalidRegex(_)) {
        Failure::usage(message)
    } else {
        Failure::failed(message)
    }
}

/// Prints JSON, or the rows under their header for people.
pub(super) fn print<const N: usize>(
    json: bool,
    found: &impl Serialize,
    header: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
) -> Result<Exit, Failure> {
    let text = if json {
        let text = serde_json::to_string_pretty(found).map_err(|error| Failure::bug(error.to_string()))?;
        format!("{text}\n")
    } else {
        columns(header, &rows.collect::<Vec<_>>())
    };
    super::print(&text).map(|()| Exit::Clean)
}

/// Columns as wide as what is in them, without control characters.
fn columns<const N: usize>(header: [&str; N], rows: &[[String; N]]) -> String {
    let all: Vec<[String; N]> =
        std::iter::once(header.map(str::to_owned)).chain(rows.iter().cloned()).collect();
    let all: Vec<[String; N]> =
        all.into_iter().map(|row| row.map(|cell| kafkavisor::text::shown(&cell))).collect();
    let width =
        |column: usize| all.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..N).map(|column| width(column).unwrap_or_default()).collect();
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    all.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_what_is_in_them() {
        let rows = [["a".to_owned(), "1".to_owned()], ["longer\u{1b}".to_owned(), "2".to_owned()]];
        assert_eq!(columns(["NAME", "N"], &rows), "NAME          N\na             1\nlonger\\u{1b}  2\n");
    }
}
