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

    /// Counters are sent as what comes from here on.
    pub(super) fn begin_at(&mut self, families: &[Family]) {
        let (_, counted) = self.datagrams(families);
        self.counted.extend(counted);
    }

    /// What could not be sent comes with the next.
    pub(super) fn send(&mut self, families: &[Family]) {
        let (datagrams, counted) = self.datagrams(families);
        let sent = self.send_all(&datagrams);
        if sent.is_ok() {
            self.counted.extend(counted);
        }
        match sent {
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

    /// ... and what will have been sent of counters with them.
    fn datagrams(&self, families: &[Family]) -> (Vec<String>, Vec<(String, Number)>) {
        let (mut datagrams, mut counted) = (Vec::new(), Vec::new());
        let mut datagram = String::new();
        for point in families.iter().flat_map(Family::points) {
            let Some(line) = self.line(&point, &mut counted) else { continue };
            if !datagram.is_empty() && datagram.len() + 1 + line.len() > DATAGRAM {
                datagrams.push(std::mem::take(&mut datagram));
            }
            if !datagram.is_empty() {
                datagram.push('\n');
            }
            datagram.push_str(&line);
        }
        datagrams.extend(Some(datagram).filter(|datagram| !datagram.is_empty()));
        (datagrams, counted)
    }

    /// None of a counter that stands still.
    fn line(&self, point: &Point<'_>, counted: &mut Vec<(String, Number)>) -> Option<String> {
        let tags = self.tags(point);
        let (number, kind) = if point.grows {
            let series = format!("{}{tags}", point.name);
            let increment = point.number.minus(self.counted.get(&series).copied());
            counted.push((series, point.number));
            (increment?, 'c')
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
        let next = |statsd: &mut StatsD, families: &[Family]| {
            let (datagrams, counted) = statsd.datagrams(families);
            statsd.counted.extend(counted);
            datagrams
        };
        let line = |increment: u64| format!("kafkavisor_messages_total:{increment}|c|#group:g,host:a_b_c_d");
        assert_eq!(next(&mut statsd, &[counter(3)]), [line(3)]);
        assert_eq!(next(&mut statsd, &[counter(3)]), [""; 0], "nothing came");
        assert_eq!(next(&mut statsd, &[]), [""; 0], "it is away");
        assert_eq!(next(&mut statsd, &[counter(10)]), [line(7)]);
        statsd.begin_at(&[counter(100)]);
        assert_eq!(next(&mut statsd, &[counter(101)]), [line(1)], "what was before is not sent");
    }

    #[test]
    fn what_could_not_be_sent_comes_with_the_next() {
        let mut statsd = StatsD::new("127.0.0.1", Vec::new());
        statsd.send(&[counter(3)]);
        statsd.send(&[counter(5)]);
        assert_eq!(statsd.datagrams(&[counter(7)]).0, ["kafkavisor_messages_total:7|c|#group:g"]);
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
        let datagrams = statsd().datagrams(&families).0.join("\n");
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
        let (datagrams, _) = statsd().datagrams(&[family]);
        assert!(datagrams.len() > 10 && datagrams.iter().all(|datagram| datagram.len() <= DATAGRAM));
        let lines: Vec<_> = datagrams.iter().flat_map(|datagram| datagram.lines()).collect();
        assert_eq!(lines.len(), 500);
        assert_eq!(lines[499], "kafkavisor_in_flight:499|g|#partition:499,host:a_b_c_d");
    }
}
