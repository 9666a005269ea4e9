//! The messages of one session, from their publication until their arrival is known.

use std::{collections::VecDeque, sync::Arc};

use crate::Settings;

/// Messages in the order of their publication: first those that were handed on and may yet turn out not to have
/// arrived, then those that wait.
///
/// They are numbered from 1 in each session, so "everything up to number n" says what a client has.
///
/// Invariant: what counts towards the bounds is all that waits, and what was taken back until it is known to have
/// arrived. So a client that never acknowledges holds no more than twice the bounds.
#[derive(Default)]
pub(super) struct Queue {
    messages: VecDeque<Arc<str>>,
    /// How many have left at the front; the number of the first that is here is one more.
    gone: u64,
    /// How many of those here are handed on.
    handed_on: usize,
    /// How many of those here were taken back at least once.
    taken_back: usize,
    /// The greatest number ever handed on.
    highest: u64,
    /// Bytes of what counts towards the bounds.
    bytes: usize,
}

impl Queue {
    /// Whether `more` may join. A queue where nothing counts takes one message of any length.
    pub(super) fn has_room(&self, more: &str, settings: &Settings) -> bool {
        let count = self.messages.len() - self.handed_on.saturating_sub(self.taken_back);
        count == 0 || (count < settings.max_queued_messages && self.bytes + more.len() <= settings.max_queued_bytes)
    }

    pub(super) fn push(&mut self, message: Arc<str>) {
        self.bytes += message.len();
        self.messages.push_back(message);
    }

    /// Whether there is something to hand on.
    pub(super) fn is_waiting(&self) -> bool {
        self.messages.len() > self.handed_on
    }

    /// Whether something was handed on of which nothing is known yet.
    pub(super) fn is_handed_on(&self) -> bool {
        self.handed_on > 0
    }

    /// The number of the last message handed on.
    pub(super) fn last_handed_on(&self) -> u64 {
        self.gone + self.handed_on as u64
    }

    /// Hands on everything that waits.
    pub(super) fn hand_on(&mut self, mut to: impl FnMut(&str)) {
        for (place, message) in self.messages.iter().enumerate().skip(self.handed_on) {
            if place >= self.taken_back {
                self.bytes -= message.len();
            }
            to(message);
        }
        self.handed_on = self.messages.len();
        self.highest = self.highest.max(self.last_handed_on());
    }

    /// What was handed on waits again, before everything else.
    pub(super) fn take_back(&mut self) {
        let again = self.messages.iter().take(self.handed_on).skip(self.taken_back);
        self.bytes += again.map(|it| it.len()).sum::<usize>();
        self.taken_back = self.taken_back.max(self.handed_on);
        self.handed_on = 0;
    }

    /// What was handed on needs no more care.
    pub(super) fn confirm(&mut self) {
        self.drop_first(self.handed_on);
    }

    /// The client has everything up to this number. It cannot have what it was never sent.
    pub(super) fn acknowledge(&mut self, number: u64) {
        let arrived = number.min(self.highest).saturating_sub(self.gone);
        self.drop_first(usize::try_from(arrived).unwrap_or(usize::MAX).min(self.messages.len()));
    }

    /// Whether the client once said that it had more than this.
    pub(super) fn has_passed(&self, number: u64) -> bool {
        number < self.gone
    }

    fn drop_first(&mut self, count: usize) {
        for (place, message) in self.messages.drain(..count).enumerate() {
            if place < self.taken_back || place >= self.handed_on {
                self.bytes -= message.len();
            }
        }
        self.gone += count as u64;
        self.handed_on = self.handed_on.saturating_sub(count);
        self.taken_back = self.taken_back.saturating_sub(count);
    }
}
