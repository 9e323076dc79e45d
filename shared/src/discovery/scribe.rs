//! Names of scribe topics: `scribe.<datacenter>.<stream>`, where a stream may hold dots and a datacenter none.

/// A topic whose name is no scribe topic's (yelp_kafka raises Python's `ValueError`).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{topic:?} is no scribe topic; write scribe.DATACENTER.STREAM")]
pub struct NoScribeTopic {
    /// The name as given.
    pub topic: String,
}

/// The topic of `stream` in `datacenter`. From yelp_kafka: `utils.make_scribe_topic`.
///
/// ```
/// # use kafkavisor::discovery::make_scribe_topic;
/// assert_eq!(make_scribe_topic("ranger", "uswest1-prod"), "scribe.uswest1-prod.ranger");
/// ```
pub fn make_scribe_topic(stream: &str, datacenter: &str) -> String {
    format!("scribe.{datacenter}.{stream}")
}

/// The datacenter that a scribe topic is from. From yelp_kafka: `utils.extract_datacenter`.
///
/// ```
/// # use kafkavisor::discovery::extract_datacenter;
/// assert_eq!(extract_datacenter("scribe.uswest1-prod.ranger"), Ok("uswest1-prod"));
/// assert!(extract_datacenter("orders").is_err());
/// ```
pub fn extract_datacenter(topic: &str) -> Result<&str, NoScribeTopic> {
    split(topic).map(|(datacenter, _)| datacenter)
}

/// The stream that a scribe topic holds. From yelp_kafka: `utils.extract_stream_name`.
///
/// ```
/// # use kafkavisor::discovery::extract_stream_name;
/// assert_eq!(extract_stream_name("scribe.uswest1-prod.ranger.errors"), Ok("ranger.errors"));
/// ```
pub fn extract_stream_name(topic: &str) -> Result<&str, NoScribeTopic> {
    split(topic).map(|(_, stream)| stream)
}

fn split(topic: &str) -> Result<(&str, &str), NoScribeTopic> {
    let parts = topic.strip_prefix("scribe.").and_then(|rest| rest.split_once('.'));
    parts.ok_or_else(|| NoScribeTopic { topic: topic.to_owned() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn another_shape_is_an_error_that_names_the_topic() {
        for topic in
            ["", "scribe", "scribe.", "scribe.uswest1-prod", "Scribe.a.b", "xscribe.a.b", "orders.a.b"]
        {
            let error = extract_datacenter(topic).unwrap_err();
            assert_eq!(extract_stream_name(topic), Err(error.clone()), "{topic}");
            assert_eq!(error.topic, topic);
        }
        // As in the original: what is between the dots is not looked at.
        assert_eq!((extract_datacenter("scribe.."), extract_stream_name("scribe..")), (Ok(""), Ok("")));
    }

    proptest! {
        #[test]
        fn what_is_made_is_taken_apart_again(stream in "[a-z0-9._-]{0,12}", datacenter in "[a-z0-9_-]{0,12}") {
            let topic = make_scribe_topic(&stream, &datacenter);
            prop_assert_eq!(extract_datacenter(&topic), Ok(datacenter.as_str()));
            prop_assert_eq!(extract_stream_name(&topic), Ok(stream.as_str()));
        }
    }
}
