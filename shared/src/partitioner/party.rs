//! The party as this member sees it, and whether it has settled.
//!
//! | state | meaning | goes to |
//! |---|---|---|
//! | Listing | to be listed with a watch | Quiet when listed |
//! | Quiet | listed and unchanged; until the cooldown is over | Settled; Listing when the watch fires |
//! | Settled | allocation may follow | Listing when the watch fires; Quiet when a listing after a disconnection differs |
//!
//! kazoo lists once more when the cooldown is over. Here the watch says the same: it fires before anything newer can be read.

use std::time::{Duration, Instant};

use super::allocation::member_id;
use super::messages::RequestId;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Listing,
    Quiet { until: Instant },
    Settled,
}

/// What a listing of the party means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Listed {
    Same,
    Changed,
    /// Our own node is not there: nobody counts on us.
    WithoutUs,
}

#[derive(Debug)]
pub(super) struct Party {
    node: String,
    nodes: Vec<String>,
    state: State,
    watch: Option<RequestId>,
    awaiting: Option<RequestId>,
    /// The connection was lost meanwhile.
    recheck: bool,
}

impl Party {
    pub(super) fn new(node: String) -> Self {
        Self { node, nodes: Vec::new(), state: State::Listing, watch: None, awaiting: None, recheck: false }
    }

    /// The name of our own node.
    pub(super) fn node(&self) -> &str {
        &self.node
    }

    /// Our own id.
    pub(super) fn me(&self) -> &str {
        member_id(&self.node)
    }

    pub(super) fn ids(&self) -> Vec<&str> {
        self.nodes.iter().map(|node| member_id(node)).collect()
    }

    pub(super) fn is_settled(&self) -> bool {
        self.state == State::Settled
    }

    /// Whether the party is to be listed now.
    pub(super) fn is_due(&self) -> bool {
        self.awaiting.is_none() && (self.state == State::Listing || self.recheck)
    }

    pub(super) fn sent(&mut self, id: RequestId) {
        self.awaiting = Some(id);
        self.recheck = false;
    }

    pub(super) fn failed(&mut self, id: RequestId) {
        if self.awaiting == Some(id) {
            self.awaiting = None;
            self.recheck = true;
        }
    }

    pub(super) fn reconnected(&mut self) {
        self.recheck = true;
    }

    pub(super) fn listed(
        &mut self,
        now: Instant,
        id: RequestId,
        mut nodes: Vec<String>,
        cooldown: Duration,
    ) -> Listed {
        if self.awaiting != Some(id) {
            return Listed::Same;
        }
        self.awaiting = None;
        self.watch = Some(id);
        if !nodes.contains(&self.node) {
            return Listed::WithoutUs;
        }
        nodes.sort_unstable();
        let same = self.state != State::Listing && self.nodes == nodes;
        if same {
            return Listed::Same;
        }
        self.nodes = nodes;
        self.state = State::Quiet { until: now + cooldown };
        Listed::Changed
    }

    /// True when the party was settled until now.
    pub(super) fn watch_fired(&mut self, id: RequestId) -> bool {
        if self.watch != Some(id) {
            return false;
        }
        self.watch = None;
        let settled = self.is_settled();
        self.state = State::Listing;
        settled
    }

    /// When the cooldown is over.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let State::Quiet { until } = self.state else { return None };
        (!self.recheck && self.awaiting.is_none()).then_some(until)
    }

    /// True when the cooldown has ended now: allocate.
    pub(super) fn settles(&mut self, now: Instant) -> bool {
        let over = self.deadline().is_some_and(|until| now >= until);
        if over {
            self.state = State::Settled;
        }
        over
    }
}
