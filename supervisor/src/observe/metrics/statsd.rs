//! Metrics to StatsD, with the tags of DogStatsD: counters as what came since the last time, datagrams that fit the network. Whether
//! anybody receives them, nobody knows.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _, UdpSocket};

use super::family::Family;
use super::points::{Number, Point};

/// Bytes of a datagram: what is left of an Ethernet frame, and a little.
const DATAGRAM: usize = 1432;

/// See the module.
#[derive(Debug)]
pub(super) struct StatsD {
    address: String,
    /// Tags of all series.
    tags: Vec<(&'static str, String)>,
    /// What was last sent of counters.
    counted: BTreeMap<String, Number>,
    failing: bool,
}

impl StatsD {
    pub(super) fn new(address: &str, tags: Vec<(&'static str, String)>) -> Self {
        Self { address: address.to_owned(), tags, counted: BTreeMap::new(), failing: false }
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    pub(super) fn send(&mut self, families: &[Family]) {
        let datagrams = self.datagrams(families);
        match self.send_all(&datagrams) {
            Ok(()) if std::mem::take(&mut self.failing) => {
                log::info!("StatsD at {}: figures are sent again", self.address);
            }
            Ok(()) => {}
            Err(error) => {
                let level = if self.failing { log::Level::Debug } else { log::Level::Warn };
                log::log!(level, "StatsD at {}: {error}; it is tried again", self.address);
                self.failing = true;
            }
        }
    }

    /// Its name is looked up each time: it may have moved.
    fn send_all(&self, datagrams: &[String]) -> io::Result<()> {
        let nobody = || io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        let address = self.address.to_socket_addrs()?.next().ok_or_else(nobody)?;
        let here: SocketAddr = if address.is_ipv4() {
            (std::net::Ipv4Addr::UNSPECIFIED, 0).into()
        } else {
            (std::net::Ipv6Addr::UNSPECIFIED, 0).into()
        };
        let socket = UdpSocket::bind(here)?;
        socket.set_nonblocking(true)?;
        // Not connected, so that a port where nobody listens is no error.
        datagrams.iter().try_for_each(|datagram| socket.send_to(datagram.as_bytes(), address).map(drop))
    }

    fn datagrams(&mut self, families: &[Family]) -> Vec<String> {
        let mut datagrams = Vec::new();
        let mut datagram = String::new();
        for point in families.iter().flat_map(Family::points) {
            let Some(line) = self.line(&point) else { continue };
            if !datagram.is_empty() && datagram.len() + 1 + line.len() > DATAGRAM {
                datagrams.push(std::mem::take(&mut datagram));
            }
            if !datagram.is_empty() {
                datagram.push('\n');
            }
            datagram.push_str(&line);
        }
        datagrams.extend(Some(datagram).filter(|datagram| !datagram.is_empty()));
        datagrams
    }

    /// None of a counter that stands still.
    fn line(&mut self, point: &Point<'_>) -> Option<String> {
        let tags = self.tags(point);
        let (number, kind) = if point.grows {
            let before = self.counted.insert(format!("{}{tags}", point.name), point.number);
            (point.number.minus(before)?, 'c')
        } else {
            (point.number, 'g')
        };
        Some(format!("{}:{number}|{kind}|#{tags}", point.name))
    }

    fn tags(&self, point: &Point<'_>) -> String {
        let own = point.labels().map(|(name, value)| (name, value.to_owned()));
        let ours = self.tags.iter().map(|(name, value)| (*name, value.clone()));
        let mut tags = String::new();
        for (name, value) in own.chain(ours) {
            let comma = if tags.is_empty() { "" } else { "," };
            // What has a meaning in a line is none of a value's business.
            let value = value.replace(|c: char| c.is_control() || matches!(c, ',' | '|' | '#'), "_");
            let _never_fails = write!(tags, "{comma}{name}:{value}");
        }
        tags
    }
}

#[cfg(test)]
mod tests {
    use kafkavisor_link::page::Latencies;

    use super::*;
    use crate::observe::metrics::family::{Kind, Labels, Value};

    fn statsd() -> StatsD {
        StatsD::new("127.0.0.1:8125", vec![("host", "a,b|c#d".to_owned())])
    }

    fn counter(messages: u64) -> Family {
        let labels = Labels::new([("group", "g".into())]);
        Family::new("kafkavisor", Some("messages"), Kind::Counter, "").of(&labels, messages)
    }

    #[test]
    fn counters_are_sent_as_what_came_since() {
        let mut statsd = statsd();
        let line = |increment: u64| format!("kafkavisor_messages_total:{increment}|c|#group:g,host:a_b_c_d");
        assert_eq!(statsd.datagrams(&[counter(3)]), [line(3)]);
        assert_eq!(statsd.datagrams(&[counter(3)]), [""; 0], "nothing came");
        assert_eq!(statsd.datagrams(&[]), [""; 0], "it is away");
        assert_eq!(statsd.datagrams(&[counter(10)]), [line(7)]);
    }

    #[test]
    fn gauges_are_sent_as_they_are_and_histograms_by_bucket() {
        let labels = Labels::default();
        let mut latencies = Latencies::default();
        latencies.note(std::time::Duration::from_millis(2));
        let families = [
            Family::new("kafkavisor_lag", Some("seconds"), Kind::Gauge, "").of(&labels, 0.5),
            Family::new("kafkavisor_rebalance", Some("seconds"), Kind::Histogram, "")
                .of(&labels, Value::Durations(latencies)),
        ];
        let datagrams = statsd().datagrams(&families).join("\n");
        let lines: Vec<_> = datagrams.lines().collect();
        assert_eq!(lines.first(), Some(&"kafkavisor_lag_seconds:0.5|g|#host:a_b_c_d"));
        assert_eq!(lines.get(1), Some(&"kafkavisor_rebalance_seconds_bucket:1|c|#le:0.002,host:a_b_c_d"));
        assert!(lines.contains(&"kafkavisor_rebalance_seconds_bucket:1|c|#le:+Inf,host:a_b_c_d"));
        assert!(lines.contains(&"kafkavisor_rebalance_seconds_sum:0.002|c|#host:a_b_c_d"));
        assert!(lines.contains(&"kafkavisor_rebalance_seconds_count:1|c|#host:a_b_c_d"));
    }

    #[test]
    fn datagrams_fit_the_network_and_lose_nothing() {
        let mut family = Family::new("kafkavisor_in_flight", None, Kind::Gauge, "");
        for partition in 0..500u64 {
            family.push(Labels::new([("partition", partition.to_string().into())]), partition);
        }
        let datagrams = statsd().datagrams(&[family]);
        assert!(datagrams.len() > 10 && datagrams.iter().all(|datagram| datagram.len() <= DATAGRAM));
        let lines: Vec<_> = datagrams.iter().flat_map(|datagram| datagram.lines()).collect();
        assert_eq!(lines.len(), 500);
        assert_eq!(lines[499], "kafkavisor_in_flight:499|g|#partition:499,host:a_b_c_d");
    }
}
