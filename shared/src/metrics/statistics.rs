//! What librdkafka's statistics say, as figures: a pure function of the last ones and these.

use std::collections::BTreeMap;

use rdkafka::statistics::{Broker, Statistics};

use super::names::{Metric, Role};

/// What has been counted up to now; librdkafka counts from a client's start.
#[derive(Debug, Clone)]
pub(super) struct Tally {
    role: Role,
    brokers: BTreeMap<String, Counted>,
}

#[derive(Debug, Clone, Default)]
struct Counted {
    timed_out: u64,
    broken: u64,
    requests: BTreeMap<String, u64>,
}

/// librdkafka's name for the requests that fetch messages.
const FETCH: &str = "Fetch";
const MICROSECONDS: f64 = 1_000.0;

impl Tally {
    /// Of a client that begins.
    pub(super) fn new(role: Role) -> Self {
        Self { role, brokers: BTreeMap::new() }
    }

    /// What came since the last statistics: how much a counter has grown, or a time in milliseconds.
    pub(super) fn take(&mut self, statistics: &Statistics) -> Vec<(Metric, f64)> {
        let mut points = Vec::new();
        let (mut timed_out, mut broken) = (0, 0);
        for (name, broker) in &statistics.brokers {
            let now = Counted::of(broker);
            let before = self.brokers.insert(name.clone(), now.clone()).unwrap_or_default();
            timed_out += grown(before.timed_out, now.timed_out);
            broken += grown(before.broken, now.broken);
            if now.mostly_since(&before, FETCH)
                && let Some(window) = broker.rtt.as_ref().filter(|window| window.cnt > 0)
            {
                points.push((Metric::FetchRequest, real(window.p50) / MICROSECONDS));
            }
        }
        let broken = if self.role == Role::ConsumerGroup { broken } else { 0 };
        let counts = [(Metric::RequestTimedOut, timed_out), (Metric::FailedPayloads, broken)];
        let counts = counts.into_iter().filter(|(_, count)| *count > 0);
        points.extend(counts.map(|(metric, count)| (metric, real(i64::try_from(count).unwrap_or(i64::MAX)))));
        points
    }
}

impl Counted {
    fn of(broker: &Broker) -> Self {
        let requests = broker.req.iter();
        Self {
            timed_out: broker.req_timeouts,
            broken: broker.txerrs.saturating_add(broker.rxerrs),
            requests: requests
                .map(|(kind, count)| (kind.clone(), (*count).try_into().unwrap_or(0)))
                .collect(),
        }
    }

    /// Whether more than half of the requests since then are of this kind.
    fn mostly_since(&self, before: &Self, kind: &str) -> bool {
        let since = |(kind, count): (&String, &u64)| {
            grown(before.requests.get(kind).copied().unwrap_or_default(), *count)
        };
        let all: u64 = self.requests.iter().map(since).sum();
        let of_kind: u64 = self.requests.iter().filter(|(name, _)| *name == kind).map(since).sum();
        of_kind.saturating_mul(2) > all
    }
}

/// By how much; a client that was made anew counts from nothing.
fn grown(before: u64, now: u64) -> u64 {
    now.checked_sub(before).unwrap_or(now)
}

#[expect(clippy::cast_precision_loss, reason = "counts and microseconds are far below what an f64 holds")]
fn real(number: i64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use rdkafka::statistics::Window;

    use super::*;

    fn broker(
        requests: &[(&str, i64)],
        timeouts: u64,
        errors: (u64, u64),
        rtt: Option<(i64, i64)>,
    ) -> Broker {
        Broker {
            req: requests.iter().map(|(kind, count)| ((*kind).to_owned(), *count)).collect(),
            req_timeouts: timeouts,
            txerrs: errors.0,
            rxerrs: errors.1,
            rtt: rtt.map(|(cnt, p50)| Window { cnt, p50, ..Window::default() }),
            ..Broker::default()
        }
    }

    fn statistics<const N: usize>(brokers: [Broker; N]) -> Statistics {
        let brokers = brokers.into_iter().enumerate().map(|(id, broker)| (format!("b:9092/{id}"), broker));
        Statistics { brokers: brokers.collect::<HashMap<_, _>>(), ..Statistics::default() }
    }

    #[test]
    fn counts_are_what_came_since_of_all_brokers() {
        let mut tally = Tally::new(Role::ConsumerGroup);
        let first = statistics([broker(&[], 1, (1, 0), None), broker(&[], 2, (0, 0), None)]);
        let points = tally.take(&first);
        assert_eq!(points, [(Metric::RequestTimedOut, 3.0), (Metric::FailedPayloads, 1.0)]);
        assert_eq!(tally.take(&first), []);
        let more = statistics([broker(&[], 1, (1, 4), None), broker(&[], 3, (0, 0), None)]);
        assert_eq!(tally.take(&more), [(Metric::RequestTimedOut, 1.0), (Metric::FailedPayloads, 4.0)]);
        let anew = statistics([broker(&[], 0, (2, 0), None)]);
        assert_eq!(tally.take(&anew), [(Metric::FailedPayloads, 2.0)], "a client that was made anew");
    }

    #[test]
    fn a_producer_counts_its_failed_payloads_itself() {
        let mut tally = Tally::new(Role::Producer);
        let points = tally.take(&statistics([broker(&[("Produce", 9)], 1, (1, 1), Some((9, 700)))]));
        assert_eq!(points, [(Metric::RequestTimedOut, 1.0)]);
    }

    #[test]
    fn a_round_trip_is_a_fetch_where_most_requests_are() {
        let mut tally = Tally::new(Role::ConsumerGroup);
        let begins = broker(&[("ApiVersion", 2), ("Metadata", 3), ("Fetch", 5)], 0, (0, 0), Some((10, 900)));
        assert_eq!(tally.take(&statistics([begins])), [], "half of them");
        let fetches = broker(&[("ApiVersion", 2), ("Metadata", 4), ("Fetch", 7)], 0, (0, 0), Some((3, 1500)));
        assert_eq!(tally.take(&statistics([fetches.clone()])), [(Metric::FetchRequest, 1.5)]);
        assert_eq!(tally.take(&statistics([fetches])), [], "nothing was asked since");
        let unanswered = broker(&[("Fetch", 8)], 0, (0, 0), Some((0, 0)));
        assert_eq!(tally.take(&statistics([unanswered])), []);
    }

    #[test]
    fn librdkafkas_own_text_is_understood() {
        let text = r#"{"name":"c","client_id":"c","type":"consumer","ts":1,"time":1,"age":1,"replyq":0,"msg_cnt":0,"msg_size":0,
            "msg_max":0,"msg_size_max":0,"tx":0,"tx_bytes":0,"rx":0,"rx_bytes":0,"txmsgs":0,"txmsg_bytes":0,"rxmsgs":0,
            "rxmsg_bytes":0,"simple_cnt":0,"metadata_cache_cnt":0,"topics":{},"brokers":{"b:9092/1":{"name":"b:9092/1","nodeid":1,
            "nodename":"b:9092","source":"learned","state":"UP","stateage":1,"outbuf_cnt":0,"outbuf_msg_cnt":0,"waitresp_cnt":1,
            "waitresp_msg_cnt":0,"tx":5,"txbytes":1,"txerrs":1,"txretries":0,"txidle":1,"req_timeouts":2,"rx":4,"rxbytes":1,
            "rxerrs":0,"rxcorriderrs":0,"rxpartial":0,"rxidle":1,"zbuf_grow":0,"buf_grow":0,"req":{"Fetch":4,"Metadata":1},
            "rtt":{"min":1,"max":1,"avg":1,"sum":1,"cnt":4,"stddev":0,"hdrsize":1,"p50":2500,"p75":1,"p90":1,"p95":1,"p99":1,
            "p99_99":1,"outofrange":0},"toppars":{}}}}"#;
        let statistics: Statistics = serde_json::from_str(text).unwrap();
        let points = Tally::new(Role::ConsumerGroup).take(&statistics);
        let expected =
            [(Metric::FetchRequest, 2.5), (Metric::RequestTimedOut, 2.0), (Metric::FailedPayloads, 1.0)];
        assert_eq!(points, expected);
    }
}
