//! The endpoint's one heap of timers.

use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
};

use clock::Time;

use super::{ClientId, ServerId};

/// What a moment was noted for. A timer whose transaction is gone or has moved on does nothing, so none is ever removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timer {
    /// One of a server transaction's.
    Server(ServerId, sipx_sip::Timer),
    /// One of a client transaction's.
    Client(ClientId, sipx_sip::Timer),
    /// A 2xx to be repeated.
    Repeat(ServerId),
    /// A cancelled INVITE to be given up.
    Abandon(ClientId),
}

/// Moments in order; those of one moment in the order of their noting.
#[derive(Default)]
pub(super) struct Heap {
    entries: BinaryHeap<Reverse<Entry>>,
    noted: u64,
}

impl Heap {
    pub(super) fn note(&mut self, at: Time, timer: Timer) {
        self.noted += 1;
        self.entries.push(Reverse(Entry { at, order: self.noted, timer }));
    }

    pub(super) fn due(&mut self, now: Time) -> Option<Timer> {
        (self.next()? <= now).then(|| self.entries.pop()).flatten().map(|it| it.0.timer)
    }

    pub(super) fn next(&self) -> Option<Time> {
        self.entries.peek().map(|it| it.0.at)
    }
}

struct Entry {
    at: Time,
    order: u64,
    timer: Timer,
}

impl Entry {
    fn rank(&self) -> (Time, u64) {
        (self.at, self.order)
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.rank() == other.rank()
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank().cmp(&other.rank())
    }
}
