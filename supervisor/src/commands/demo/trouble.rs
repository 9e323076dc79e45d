//! The trouble that the demo makes: an order that its handler rejects, and a worker that is killed.

use std::time::{Duration, Instant};

use kafkavisor::clock::now;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::super::find;
use super::{DEAD, Demo, PARTITIONS, TOPIC};
use crate::exit::Failure;
use crate::observe::status::{Partition, Status};

/// The partition that is given an order its handler rejects, and the one whose worker is killed, where it is one alone.
pub(super) const SPOILT: i32 = 2;
const KILLED: i32 = 1;

impl Demo {
    /// An order that is rejected, then a worker that is killed. Gives how long that one took to come back.
    pub(super) fn show_once(
        &mut self,
        began: Instant,
        length: Duration,
    ) -> Result<Option<Duration>, Failure> {
        self.look_until(began + length / 4)?;
        self.spoil_one()?;
        self.look_until(began + length / 2)?;
        let recovery = self.kill_one(KILLED)?;
        if recovery.is_some() {
            self.screen.draw(&find::status(&self.supervisor.socket)?)?;
        }
        self.look_until(began + length)?;
        Ok(recovery)
    }

    /// Until it is stopped: an order is rejected, and a worker after the other is killed. Gives how long the last took to come back.
    pub(super) fn go_on(&mut self, every: Duration) -> Result<Option<Duration>, Failure> {
        let mut recovery = None;
        for number in (0..PARTITIONS).cycle() {
            let began = now();
            self.look_until(began + every / 2)?;
            self.spoil_one()?;
            self.look_until(began + every)?;
            recovery = self.kill_one(number)?.or(recovery);
            if self.is_interrupted() {
                break;
            }
        }
        Ok(recovery)
    }

    /// Has an order produced that our handler rejects, and waits until it is a dead letter; nothing, where somebody has paused that
    /// partition or stops the demo.
    fn spoil_one(&mut self) -> Result<(), Failure> {
        let letters =
            |status: &Status| victim(status, SPOILT).map(|(partition, _)| partition.dead_lettered_total);
        let before = letters(&find::status(&self.supervisor.socket)?);
        let Some(before) = before.filter(|_| self.spoils && !self.is_interrupted()) else { return Ok(()) };
        self.load.spoil();
        let settled = self.until("the rejected order is a dead letter", |status| {
            letters(status).is_none_or(|letters| letters > before)
        });
        let settled = self.unless_interrupted(settled)?;
        if settled.as_ref().and_then(letters).is_none() {
            return Ok(());
        }
        self.screen.say(&format!(
            "{TOPIC}:{SPOILT} was given an order that its handler rejects: it is in {DEAD}, and the orders behind it go on"
        ))
    }

    /// Kills the worker of partition `number` and waits for its successor's first acknowledgement; nothing, where somebody has paused
    /// it or stops the demo.
    fn kill_one(&mut self, number: i32) -> Result<Option<Duration>, Failure> {
        let status = find::status(&self.supervisor.socket)?;
        let Some((partition, pid)) = victim(&status, number).filter(|_| !self.is_interrupted()) else {
            return Ok(None);
        };
        let name = format!("{}:{}", partition.topic, partition.partition);
        self.screen.say(&format!("killing the worker of {name} (pid {pid}) with SIGKILL"))?;
        let killed = now();
        kill(Pid::from_raw(pid), Signal::SIGKILL)
            .map_err(|error| Failure::bug(format!("demo: the worker can't be killed: {error}")))?;
        let before_messages = partition.messages_total;
        let status = self.until("the worker is back", |status| {
            status.partitions.iter().any(|p| {
                p.partition == number
                    && p.worker_pid.is_some_and(|new| new != pid)
                    && p.messages_total > before_messages
            })
        });
        let Some(status) = self.unless_interrupted(status)? else { return Ok(None) };
        let took = now().saturating_duration_since(killed);
        let new =
            status.partitions.iter().find(|p| p.partition == number).and_then(|p| p.worker_pid).unwrap_or(0);
        self.screen.say(&format!(
            "{name} has a new worker (pid {new}) and handles messages again after {:.2} s; the others never noticed",
            took.as_secs_f64()
        ))?;
        Ok(Some(took))
    }
}

/// What nobody has paused, for one.
fn victim(status: &Status, number: i32) -> Option<(&Partition, i32)> {
    let one = status.partitions.iter().find(|p| p.partition == number && p.state == "ready")?;
    Some((one, one.worker_pid?))
}
