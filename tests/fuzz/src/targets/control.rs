//! A request as anybody who may open the control socket sends it. What is understood is the same when it is sent again, and names
//! topics and partitions that can be.

use kafkavisor::ids::Topic;
use kafkavisor_link::control::{Request, Selector};

/// One line.
pub(super) fn request(data: &[u8]) {
    let Ok(request) = serde_json::from_slice::<Request>(data) else { return };
    let line = serde_json::to_vec(&request).expect("a request can be written");
    assert!(!line.contains(&b'\n'));
    assert_eq!(serde_json::from_slice::<Request>(&line).expect("it was written by us"), request);
    match request {
        Request::Status { partition } => partition.iter().for_each(selector),
        Request::Stop { .. } | Request::Events { .. } | Request::LogLevel { .. } | Request::Rebalances {} => {
        }
        Request::Pause { partitions } | Request::Resume { partitions } | Request::Restart { partitions } => {
            partitions.iter().for_each(selector);
        }
        Request::Skip { partition } => selector(&partition),
        Request::Seek { partition, offset } => {
            selector(&partition);
            assert!(offset.0 >= 0, "{offset} is no offset");
        }
    }
}

fn selector(selector: &Selector) {
    assert_eq!(selector.to_string().parse::<Selector>().as_ref(), Ok(selector));
    assert!(Topic::new(selector.topic.as_str()).is_ok());
    assert!(selector.partition.is_none_or(|partition| partition.0 >= 0));
}
