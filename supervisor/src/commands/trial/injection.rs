//! What is done to a handler, kind by kind, each on the same few messages.

use std::time::Duration;

use kafkavisor::ids::Offset;
use kafkavisor::protocol::StopReason;
use kafkavisor_link::trace::{Hold, Trace};
use nix::sys::signal::Signal;

use super::fault::shown;
use super::ledger::Ledger;
use super::place::Place;
use super::source::{Open, Source};
use super::stage::{Audience, Live, Stage, Trouble};
use crate::cli::Injection;

/// How long the worker stands still.
const STANDS_STILL: Duration = Duration::from_secs(1);
/// Whoever answers what is not delivered yet does it meanwhile.
const QUIET: Duration = Duration::from_millis(100);
/// A few messages.
const FEW: usize = 3;

/// Where it is done.
pub(super) struct Scene<'a> {
    pub(super) stage: &'a mut Stage,
    pub(super) source: &'a Source,
    /// The messages that come again.
    pub(super) offsets: &'a [i64],
    pub(super) audience: &'a mut dyn Audience,
}

impl Scene<'_> {
    /// Does it; says what was borne.
    pub(super) fn inject(&mut self, kind: Injection) -> Result<String, Trouble> {
        match kind {
            Injection::Crash => self.crash(),
            Injection::Hang => self.hang(),
            Injection::Redeliver => self.redeliver(),
            Injection::Stop => self.stop(),
            Injection::Flush => self.flush(),
        }
    }

    /// Behind so many messages.
    fn behind(&self, count: usize) -> Offset {
        let last = count.checked_sub(1).and_then(|last| self.offsets.get(last));
        last.map_or(self.source.begin, |last| Offset(last + 1))
    }

    /// To the last one.
    fn all(&self) -> Trace {
        Trace { until: self.behind(self.offsets.len()), count: u64::MAX, hold: None }
    }

    /// To the last one; answers wait from the middle on, so that the handler has messages in hand.
    fn half(&self) -> Trace {
        let after = u64::try_from(self.offsets.len() / 2).unwrap_or(0);
        Trace { hold: Some(Hold { after, flush: false }), ..self.all() }
    }

    fn place(&self) -> Result<Place, Trouble> {
        Ok(Place::new(self.source.begin)?)
    }

    fn start<'a>(&'a mut self, open: &'a Open<'a>, place: &'a Place, trace: Trace) -> Live<'a> {
        self.stage.start((self.source, open), place, trace, self.audience)
    }

    /// A handler goes on behind what is acknowledged, to the end.
    fn go_on(&mut self, open: &Open<'_>, place: &Place) -> Result<(), Trouble> {
        let all = self.all();
        if place.acknowledged() >= all.until {
            return Ok(());
        }
        let mut live = self.start(open, place, all);
        live.wait(Ledger::is_done)?;
        live.dismiss()
    }

    fn crash(&mut self) -> Result<String, Trouble> {
        let (open, place) = (self.source.open()?, self.place()?);
        let half = self.half();
        let mut live = self.start(&open, &place, half);
        live.wait(|ledger| ledger.in_flight().is_some())?;
        let in_flight = live.ledger.in_flight().unwrap_or(0);
        live.kill()?;
        drop(live);
        let first = place.acknowledged();
        place.page.note_crash();
        self.go_on(&open, &place)?;
        Ok(format!(
            "worker and handler were killed with {} in flight, from offset {first} on; a new handler was given them again, and \
             answered them",
            messages(in_flight)
        ))
    }

    fn hang(&mut self) -> Result<String, Trouble> {
        let (open, place) = (self.source.open()?, self.place()?);
        let (half, all) = (self.half(), self.all());
        let mut live = self.start(&open, &place, half);
        live.wait(|ledger| ledger.in_flight().is_some())?;
        let in_flight = live.ledger.in_flight().unwrap_or(0);
        live.signal(Signal::SIGSTOP);
        let stood = live.pause(STANDS_STILL);
        live.signal(Signal::SIGCONT);
        stood?;
        live.forgive();
        live.lead(all);
        live.wait(Ledger::is_done)?;
        live.dismiss()?;
        let time = shown(STANDS_STILL);
        Ok(format!(
            "both pipes stood still for {time} with {} in flight; then it went on",
            messages(in_flight)
        ))
    }

    fn redeliver(&mut self) -> Result<String, Trouble> {
        for _ in 0..2 {
            let (open, place) = (self.source.open()?, self.place()?);
            self.go_on(&open, &place)?;
        }
        let count = u32::try_from(self.offsets.len()).unwrap_or(u32::MAX);
        Ok(format!("{} came again to a new handler, which answered them once more", acknowledged(count)))
    }

    fn stop(&mut self) -> Result<String, Trouble> {
        let (open, place) = (self.source.open()?, self.place()?);
        let half = self.half();
        let mut live = self.start(&open, &place, half);
        live.wait(|ledger| ledger.in_flight().is_some())?;
        let in_flight = live.ledger.in_flight().unwrap_or(0);
        live.stop(StopReason::Restart)?;
        drop(live);
        self.go_on(&open, &place)?;
        Ok(format!(
            "told to stop with {} in hand, it finished, acknowledged and exited with status 0",
            messages(in_flight)
        ))
    }

    fn flush(&mut self) -> Result<String, Trouble> {
        let (open, place) = (self.source.open()?, self.place()?);
        let mut steps = vec![1, FEW, self.offsets.len()];
        steps.retain(|step| *step <= self.offsets.len());
        steps.dedup();
        let tos: Vec<_> = steps.iter().map(|step| self.behind(*step)).collect();
        let nothing = Trace { until: self.source.begin, ..self.all() };
        let mut live = self.start(&open, &place, nothing);
        live.wait(Ledger::is_at_end)?;
        let (mut before, mut asked) = (0, Vec::new());
        for (step, until) in steps.into_iter().zip(tos) {
            let hold = Some(Hold { after: before, flush: true });
            let flushes = live.ledger.flushes();
            live.lead(Trace { until, count: u64::MAX, hold });
            live.wait(|ledger| ledger.in_flight().is_some() && ledger.flushes() > flushes)?;
            asked.push(live.ledger.in_flight().unwrap_or(0).to_string());
            live.lead(Trace { until, count: u64::MAX, hold: None });
            live.wait(Ledger::is_done)?;
            live.pause(QUIET)?;
            before = u64::try_from(step).unwrap_or(u64::MAX);
        }
        live.wait(Ledger::is_done)?;
        live.dismiss()?;
        Ok(format!(
            "asked to finish with {} messages in hand, it acknowledged all of them",
            asked.join(", then ")
        ))
    }
}

fn messages(count: u32) -> String {
    if count == 1 { "1 message".to_owned() } else { format!("{count} messages") }
}

fn acknowledged(count: u32) -> String {
    if count == 1 { "1 acknowledged message".to_owned() } else { format!("{count} acknowledged messages") }
}
