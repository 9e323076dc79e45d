//! The handler of `script/bench`, which takes the time itself: with OUT=FILE and LAST=OFFSET in the environment it appends
//! `first SECONDS` (on the clock that every process of this machine shares) when its first message is here, and
//! `rate MESSAGES-PER-SECOND` when message LAST is. Speaks jsonl and binary through the library; with `--bare` it walks the
//! frames of binary itself and makes nothing of them, as a handler in C would. With PACE=MICROSECONDS each message takes so long.
#![expect(clippy::expect_used, reason = "a program for benchmarks")]

use std::env;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::time::{Duration, Instant};

use kafkavisor::clock::{Boottime, now};
use kafkavisor::handler::{self, Message};

const MESSAGES: u8 = 2;
const STOP: u8 = 3;
const ACK: u8 = 129;
/// Offset, timestamp, three lengths.
const RECORD_HEAD: usize = 28;

struct Meter {
    out: File,
    last: i64,
    pace: Option<Duration>,
    first: Option<Instant>,
    count: u32,
}

impl Meter {
    fn from_environment() -> Self {
        let number = |name| env::var(name).ok().and_then(|text| text.parse::<u32>().ok());
        let path = env::var_os("OUT").expect("OUT names a file");
        Self {
            out: OpenOptions::new().create(true).append(true).open(path).expect("OUT can be written"),
            last: number("LAST").map_or(i64::MAX, i64::from),
            pace: number("PACE").map(|micros| Duration::from_micros(micros.into())),
            first: None,
            count: 0,
        }
    }

    fn begin(&mut self) -> Instant {
        let first = now();
        let seconds = Duration::from_nanos(Boottime::now().0).as_secs_f64();
        writeln!(self.out, "first {seconds:.6}").expect("OUT can be written");
        self.first = Some(first);
        first
    }

    fn message(&mut self, offset: i64) {
        let first = self.first.unwrap_or_else(|| self.begin());
        self.count += 1;
        if offset == self.last {
            let seconds = now().saturating_duration_since(first).as_secs_f64();
            writeln!(self.out, "rate {:.0}", f64::from(self.count) / seconds).expect("OUT can be written");
        }
        if let Some(pace) = self.pace {
            work(pace);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "work that takes time")]
fn work(pace: Duration) {
    std::thread::sleep(pace);
}

fn main() {
    let mut meter = Meter::from_environment();
    if env::args().nth(1).as_deref() == Some("--bare") {
        bare(&mut meter);
    } else {
        let each = |message: &Message| {
            meter.message(message.offset.0);
            Ok(())
        };
        handler::run(each).expect("a worker");
    }
}

fn bare(meter: &mut Meter) {
    let mut input = File::open("/dev/fd/3").expect("descriptor 3");
    let mut output = OpenOptions::new().write(true).open("/dev/fd/4").expect("descriptor 4");
    let mut bytes = vec![0; 2 << 20];
    let mut filled = 0;
    loop {
        let read = input.read(bytes.get_mut(filled..).expect("room for a frame")).expect("the worker");
        filled += read;
        let (taken, stopped) = frames(meter, bytes.get(..filled).expect("what was read"), &mut output);
        bytes.copy_within(taken..filled, 0);
        filled -= taken;
        if read == 0 || stopped {
            return;
        }
    }
}

/// Walks whole frames; how many bytes they are, and whether one of them says stop.
fn frames(meter: &mut Meter, bytes: &[u8], output: &mut File) -> (usize, bool) {
    let mut rest = bytes;
    while let Some((length, body)) = rest.split_first_chunk() {
        let length = usize::try_from(u32::from_le_bytes(*length)).expect("32 bits");
        let Some((frame, after)) = body.split_at_checked(length) else { break };
        rest = after;
        match frame.split_first() {
            Some((&MESSAGES, records)) => {
                let mut ack = [9, 0, 0, 0, ACK, 0, 0, 0, 0, 0, 0, 0, 0];
                let last = walk(meter, records);
                *ack.last_chunk_mut().expect("eight bytes") = last.to_le_bytes();
                output.write_all(&ack).expect("the worker");
            }
            Some((&STOP, _)) => return (bytes.len() - rest.len(), true),
            _ => {}
        }
    }
    (bytes.len() - rest.len(), false)
}

/// Walks the records of a frame; the last one's offset.
fn walk(meter: &mut Meter, mut records: &[u8]) -> i64 {
    let mut offset = 0;
    while let Some((head, rest)) = records.split_first_chunk::<RECORD_HEAD>() {
        offset = i64::from_le_bytes(*head.first_chunk().expect("an offset"));
        let length = |at: usize| {
            let field = head.get(at..).and_then(<[u8]>::first_chunk).expect("a length");
            usize::try_from(i32::from_le_bytes(*field)).unwrap_or(0)
        };
        meter.message(offset);
        records = rest.get(length(16) + length(20) + length(24)..).expect("a whole record");
    }
    offset
}
