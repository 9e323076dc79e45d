//! Asking again while Kafka can't answer yet.

use std::time::{Duration, Instant};

use kafkavisor_types::clock::now;

use crate::error::KafkaError;

/// A request that a broker can't answer yet is made again after this.
const ASK_AGAIN: Duration = Duration::from_millis(200);
/// The first attempt may take so long, each further one twice as long as the one before: why nobody answers is told between them.
const FIRST_ATTEMPT: Duration = Duration::from_millis(500);

/// Asks until there is an answer or the time is up: a broker may go in the middle of a request, or its coordinator may still
/// be loading. What it will never do it says at once.
pub fn patiently<T>(
    until: Instant,
    ask: impl Fn(Duration) -> Result<T, KafkaError>,
) -> Result<T, KafkaError> {
    let mut within = FIRST_ATTEMPT;
    loop {
        let answer = ask(until.saturating_duration_since(now()).min(within));
        within = within.saturating_mul(2);
        if answer.as_ref().err().is_none_or(KafkaError::is_permanent) || now() >= until {
            return answer;
        }
        std::thread::park_timeout(ASK_AGAIN);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use rdkafka::error::RDKafkaErrorCode as Code;

    use super::*;

    fn failing(times: u32, code: Code, within: Duration) -> (Result<(), KafkaError>, u32) {
        let asked = Cell::new(0);
        let answer = patiently(now() + within, |_| {
            asked.set(asked.get() + 1);
            if asked.get() > times { Ok(()) } else { Err(KafkaError::from(code)) }
        });
        (answer, asked.get())
    }

    #[test]
    fn a_broker_that_goes_in_the_middle_of_a_request_is_asked_again() {
        let within = Duration::from_secs(30);
        for code in [Code::BrokerTransportFailure, Code::CoordinatorLoadInProgress] {
            assert_eq!(failing(2, code, within), (Ok(()), 3));
            assert!(failing(2, code, Duration::ZERO).0.is_err(), "not beyond its time");
        }
        for code in [Code::UnsupportedFeature, Code::GroupAuthorizationFailed] {
            let (answer, asked) = failing(9, code, within);
            assert!(answer.is_err() && asked == 1, "what will never be is said at once");
        }
    }
}
