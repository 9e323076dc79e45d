//! How a worker's librdkafka is set up: the operator's properties over ours, and the few that are not theirs to set.

use std::collections::BTreeMap;

/// With a full queue librdkafka stops fetching for this long; its default of a second stalls every handler that is slower
/// than the fetcher once a second.
const QUEUE_BACKOFF_MS: &str = "5";
/// What is fetched ahead, beside what is in flight.
const QUEUE_KBYTES: u64 = 16 * 1024;

/// Bytes fetched ahead of each of several partitions.
const SEVERAL_AHEAD: u64 = 4 * 1024 * 1024;

/// How long a broker may hold back its answer that there is nothing: librdkafka's half second is two requests a second for each
/// idle partition. What is produced is answered at once all the same; only that the log ends in transaction markers or in what
/// compaction took away is seen so late. Where the operator wants more than a byte at once (`fetch.min.bytes`), what is less
/// waits as long, and it stays at librdkafka's.
const FETCH_WAIT_MS: u64 = 5000;
/// librdkafka wants so much between that and `socket.timeout.ms`, which is this by default.
const SOCKET_MARGIN_MS: u64 = 1000;
const SOCKET_TIMEOUT_MS: u64 = 60_000;
/// librdkafka's own default.
const SHORT_FETCH_WAIT_MS: u64 = 500;

/// The properties of the client that fetches one partition and no more than about `ahead` bytes before they are asked for.
pub fn consumer_properties(theirs: &BTreeMap<String, String>, ahead: u64) -> BTreeMap<String, String> {
    let queue = QUEUE_KBYTES.min((ahead / 1024).max(1024));
    let mut properties = BTreeMap::from(
        [
            ("client.id", "kafkavisor".to_owned()),
            ("fetch.queue.backoff.ms", QUEUE_BACKOFF_MS.to_owned()),
            ("queued.max.messages.kbytes", queue.to_string()),
            ("reconnect.backoff.max.ms", "1000".to_owned()),
        ]
        .map(|(key, value)| (key.to_owned(), value)),
    );
    properties.insert("fetch.wait.max.ms".to_owned(), fetch_wait(theirs).to_string());
    properties.extend(theirs.iter().map(|(key, value)| (key.clone(), value.clone())));
    for (key, value) in [("auto.offset.reset", "error"), ("enable.partition.eof", "true")] {
        properties.insert(key.to_owned(), value.to_owned());
    }
    // Without a group nothing asks for a coordinator: workers make no group call.
    properties.remove("group.id");
    properties
}

/// The properties of a client that fetches some partitions.
pub fn several_properties(theirs: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut properties = consumer_properties(theirs, SEVERAL_AHEAD);
    // A partition that is begun waits for the answer to the fetch that is on its way.
    if !theirs.contains_key("fetch.wait.max.ms") {
        properties.insert("fetch.wait.max.ms".to_owned(), SHORT_FETCH_WAIT_MS.to_string());
    }
    // Theirs would be of each partition.
    properties.insert("queued.max.messages.kbytes".to_owned(), (SEVERAL_AHEAD / 1024).to_string());
    properties
}

fn fetch_wait(theirs: &BTreeMap<String, String>) -> u64 {
    let number = |name: &str| theirs.get(name).and_then(|value| value.parse::<u64>().ok());
    if number("fetch.min.bytes").is_some_and(|bytes| bytes > 1) {
        return SHORT_FETCH_WAIT_MS;
    }
    let timeout = number("socket.timeout.ms").unwrap_or(SOCKET_TIMEOUT_MS);
    FETCH_WAIT_MS.min(timeout.saturating_sub(SOCKET_MARGIN_MS)).max(SHORT_FETCH_WAIT_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn theirs_win_but_for_what_is_not_theirs() {
        let theirs = [("client.id", "x"), ("auto.offset.reset", "latest"), ("group.id", "g")];
        let theirs = theirs.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        let properties = consumer_properties(&theirs, 1 << 24);
        assert_eq!(properties.get("client.id").map(String::as_str), Some("x"));
        assert_eq!(properties.get("auto.offset.reset").map(String::as_str), Some("error"));
        assert_eq!(properties.get("group.id"), None);
    }

    #[test]
    fn one_of_several_does_not_wait_long_for_the_others_answers() {
        let wait = |theirs: &BTreeMap<String, String>| {
            several_properties(theirs).get("fetch.wait.max.ms").cloned().unwrap_or_default()
        };
        assert_eq!(wait(&BTreeMap::new()), "500");
        assert_eq!(wait(&[("fetch.wait.max.ms".to_owned(), "90".to_owned())].into()), "90");
    }

    #[test]
    fn a_fetch_waits_long_but_for_an_operator_who_says_otherwise() {
        let wait = |theirs: &[(&str, &str)]| {
            let theirs = theirs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            consumer_properties(&theirs, 1 << 24).get("fetch.wait.max.ms").cloned().unwrap()
        };
        assert_eq!(wait(&[]), "5000");
        assert_eq!(wait(&[("fetch.wait.max.ms", "100")]), "100");
        assert_eq!(wait(&[("fetch.min.bytes", "1")]), "5000");
        assert_eq!(wait(&[("fetch.min.bytes", "100000")]), "500", "fewer bytes than that wait so long");
        assert_eq!(wait(&[("fetch.min.bytes", "100000"), ("fetch.wait.max.ms", "900")]), "900");
        assert_eq!(wait(&[("socket.timeout.ms", "2500")]), "1500");
        assert_eq!(wait(&[("socket.timeout.ms", "1000")]), "500");
    }
}
