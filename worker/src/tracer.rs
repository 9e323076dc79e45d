//! A worker that is watched message by message (`kafkavisor try`): it tells what it delivers and hears, goes only as far as it is
//! told, and can leave answers alone for a while, so that messages are in flight for certain. In production nobody watches, and
//! nothing here does anything.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kafkavisor::clock::Boottime;
use kafkavisor::ids::Offset;
use kafkavisor::protocol::{Answer, Message};
use kafkavisor_link::message::FromWorker;
use kafkavisor_link::trace::{SAMPLE, Sample, Trace, Traced};

use crate::handler::Said;
use crate::link::Link;

/// Told in one line, at most: so many, or about so many bytes.
const TOLD: usize = 500;
const TOLD_BYTES: usize = 32 << 10;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Tracer {
    /// None where nobody watches.
    led: Option<Trace>,
    delivered: u64,
    /// The handler has read what comes before the first message, which has been told.
    began: bool,
    /// Nothing more may be delivered, which has been told.
    at_end: bool,
    stands_still: bool,
    /// Answers that wait.
    waiting: Vec<Said>,
    /// The handler was to be asked to finish meanwhile.
    flush: Option<bool>,
    traced: Vec<Traced>,
    bytes: usize,
}

impl Tracer {
    pub(crate) fn new(led: Option<Trace>) -> Self {
        Self { led, ..Self::default() }
    }

    /// It is led otherwise from here on; says whether the handler is to be asked to finish now, as [`Tracer::passes_flush`] was told.
    pub(crate) fn lead(&mut self, trace: Trace) -> Option<bool> {
        self.led = Some(trace);
        (self.at_end, self.stands_still) = (false, false);
        if self.holds() { None } else { self.flush.take() }
    }

    /// The worker stops: what waits is heard, and nobody is asked to finish who is told to stop.
    pub(crate) fn stop(&mut self) {
        self.flush = None;
        if let Some(led) = &mut self.led {
            led.hold = None;
        }
    }

    /// Whether answers are left alone now.
    pub(crate) fn holds(&self) -> bool {
        self.led.and_then(|led| led.hold).is_some_and(|hold| self.delivered > hold.after)
    }

    /// Whether whoever watches must be waited for before more is told.
    pub(crate) fn waits_for(&self, link: &Link) -> bool {
        self.led.is_some() && link.backed_up()
    }

    /// Whether it is to be told when the handler has begun to read.
    pub(crate) fn awaits_begin(&self) -> bool {
        self.led.is_some() && !self.began && self.delivered == 0
    }

    pub(crate) fn began(&mut self) {
        self.began = true;
        self.note(Traced::Began, 0);
    }

    /// Whether the end to which it is led has been told.
    pub(crate) fn is_at_end(&self) -> bool {
        self.at_end
    }

    /// Whether the message at `offset` may be delivered.
    pub(crate) fn admits(&self, offset: Offset) -> bool {
        self.led.is_none_or(|led| offset < led.until && self.delivered < led.count)
    }

    /// Everything before `position` has been seen.
    pub(crate) fn reached(&mut self, position: Offset) -> bool {
        if self.led.is_some() && !self.at_end && !self.admits(position) {
            self.at_end = true;
            self.note(Traced::AtEnd, 0);
            return true;
        }
        false
    }

    pub(crate) fn delivered(&mut self, at: Boottime, message: &Message<'_>, attempt: u32) {
        if self.led.is_none() {
            return;
        }
        self.delivered += 1;
        let (key, value) = (message.key.map(sample), message.value.map(sample));
        let bytes = [&key, &value].into_iter().flatten().map(|sample| sample.text.len()).sum();
        let (offset, timestamp) = (Offset(message.offset), message.timestamp);
        self.note(Traced::Delivered { at: at.0, offset, timestamp, attempt, key, value }, bytes);
    }

    /// Takes what a handler said, and gives what is to be heard of it now. Only answers wait.
    pub(crate) fn pass(&mut self, said: Vec<Said>) -> Vec<Said> {
        if self.led.is_none() {
            return said;
        }
        said.iter().for_each(|said| self.note_said(said));
        self.waiting.extend(said);
        if self.holds() && self.waiting.iter().all(|said| matches!(said, Said::Answer(_))) {
            return Vec::new();
        }
        std::mem::take(&mut self.waiting)
    }

    /// Whether the handler is to be asked to finish what it has; else that comes later.
    pub(crate) fn passes_flush(&mut self, full: bool) -> bool {
        if self.holds() && self.led.and_then(|led| led.hold).is_some_and(|hold| !hold.flush) {
            self.flush = Some(full);
            return false;
        }
        if self.led.is_some() {
            self.note(Traced::Flushed { at: Boottime::now().0 }, 0);
        }
        true
    }

    /// The handler has all that can be delivered now, `in_flight` messages; `began` where it has begun with them.
    pub(crate) fn stands_still(&mut self, in_flight: u32, began: bool) {
        if in_flight > 0 && !self.stands_still && self.holds() && (began || !self.waiting.is_empty()) {
            self.stands_still = true;
            self.note(Traced::StandsStill { in_flight }, 0);
        }
    }

    /// Tells all that is not told yet.
    pub(crate) fn tell(&mut self, link: &mut Link) {
        if !self.traced.is_empty() {
            self.bytes = 0;
            link.say(FromWorker::Traced { traced: std::mem::take(&mut self.traced) });
        }
    }

    /// Whether so much is to be told that it had better be.
    pub(crate) fn is_full(&self) -> bool {
        self.traced.len() >= TOLD || self.bytes >= TOLD_BYTES
    }

    fn note_said(&mut self, said: &Said) {
        let Said::Answer(answer) = said else { return };
        let at = Boottime::now().0;
        match answer {
            Answer::Ack(offset) => self.note(Traced::Acknowledged { at, offset: *offset }, 0),
            Answer::Busy(offset) => self.note(Traced::Busy { at, offset: *offset }, 0),
            Answer::Reject { offset, error } => {
                let rejected = Traced::Rejected { at, offset: *offset, error: error.clone() }.bounded();
                self.note(rejected, error.len());
            }
        }
    }

    fn note(&mut self, traced: Traced, bytes: usize) {
        self.traced.push(traced);
        self.bytes += bytes;
    }
}

/// The beginning of a key or a value, whole characters of it.
fn sample(bytes: &[u8]) -> Sample {
    let size = bytes.len() as u64;
    let beginning = bytes.get(..SAMPLE).unwrap_or(bytes);
    let text = match str::from_utf8(beginning) {
        Ok(text) => Some(text),
        // Only the last character is cut.
        Err(error) if error.error_len().is_none() && beginning.len() < bytes.len() => {
            beginning.get(..error.valid_up_to()).and_then(|text| str::from_utf8(text).ok())
        }
        Err(_) => None,
    };
    match text {
        Some(text) => Sample { size, text: text.to_owned(), base64: false },
        None => Sample { size, text: STANDARD.encode(beginning), base64: true },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kafkavisor_link::trace::Hold;

    fn message(offset: i64) -> Message<'static> {
        Message { offset, timestamp: 0, key: None, value: Some(b"x"), headers: &[] }
    }

    fn ack(offset: i64) -> Said {
        Said::Answer(Answer::Ack(Offset(offset)))
    }

    fn led(hold: Option<Hold>) -> Tracer {
        Tracer::new(Some(Trace { until: Offset(9), count: 3, hold }))
    }

    #[test]
    fn it_goes_as_far_as_it_is_told() {
        let mut tracer = led(None);
        assert!(tracer.admits(Offset(8)) && !tracer.admits(Offset(9)));
        (0..3).for_each(|offset| tracer.delivered(Boottime(1), &message(offset), 1));
        assert!(!tracer.admits(Offset(3)), "three are delivered");
        assert!(tracer.reached(Offset(3)) && !tracer.reached(Offset(3)), "it is told once");
        assert!(!Tracer::default().reached(Offset(3)) && Tracer::default().admits(Offset(3)));
    }

    #[test]
    fn answers_wait_until_it_is_led_otherwise_and_so_does_the_flush() {
        let mut tracer = led(Some(Hold { after: 1, flush: false }));
        tracer.delivered(Boottime(1), &message(0), 1);
        assert_eq!(tracer.pass(vec![ack(0)]), [ack(0)]);
        tracer.delivered(Boottime(1), &message(1), 1);
        assert!(tracer.pass(vec![ack(1)]).is_empty() && !tracer.passes_flush(true));
        assert_eq!(tracer.lead(Trace { until: Offset(9), count: 3, hold: None }), Some(true));
        assert_eq!(tracer.pass(vec![ack(2)]), [ack(1), ack(2)]);
    }

    #[test]
    fn an_end_never_waits() {
        let mut tracer = led(Some(Hold { after: 0, flush: true }));
        tracer.delivered(Boottime(1), &message(0), 1);
        assert!(tracer.pass(vec![ack(0)]).is_empty() && tracer.passes_flush(false));
        assert_eq!(tracer.pass(vec![Said::OutputClosed]), [ack(0), Said::OutputClosed]);
    }

    #[test]
    fn a_sample_is_whole_characters_or_base64() {
        let long = "é".repeat(SAMPLE);
        let cut = sample(&long.as_bytes()[1..]);
        assert!(cut.base64, "it begins in the middle of a character");
        let cut = sample(format!("x{long}").as_bytes());
        assert_eq!((cut.text.len(), cut.base64, cut.size), (SAMPLE - 1, false, 2 * SAMPLE as u64 + 1));
        assert!(sample(b"\xff").base64 && !sample(b"").base64);
        assert!(sample("é".as_bytes().get(..1).unwrap()).base64, "it ends so");
    }
}
