//! The driver's side of the event log: what passes is copied as it is, at some tens of nanoseconds a message, and handed
//! on a few times a second. Nothing is read, formatted or waited for here.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::mpsc::{SyncSender, TrySendError},
    time::Duration,
};

use clock::Time;
use domain::{
    ids::{CallId, LegId},
    leg::{LegAction, LegEvent},
    matrix::Treatment,
};
use legs::{Input, Output};
use sip_proto::Flow;

use crate::figures;

/// What passes, until it is handed on.
#[derive(Default)]
pub(crate) struct Tape {
    /// `None` where nobody wants to know.
    ledger: Option<SyncSender<Reel>>,
    reel: Reel,
    now: Time,
    /// What is answered to the present input is nothing about calls.
    is_aside: bool,
}

/// A piece of tape.
#[derive(Debug, Default)]
pub(crate) struct Reel {
    /// What passed, in its order, and when.
    pub(crate) notes: Vec<(Time, Note)>,
    /// The octets of its messages, one after the other.
    pub(crate) bytes: Vec<u8>,
    /// How much is missing after it.
    pub(crate) lost: u64,
}

/// Something that passed. Lengths are of what stands in [`Reel::bytes`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Note {
    /// A message came in.
    In(Flow, usize),
    /// Octets came over a connection.
    Stream(SocketAddr, usize),
    /// A connection was opened.
    Connected(SocketAddr),
    /// A connection is gone.
    Disconnected(SocketAddr),
    /// A message went out.
    Out(Flow, usize),
    /// A leg told the engine something.
    Told(LegId, LegEvent),
    /// The engine wants something of a leg.
    Ordered(LegAction),
    /// The legs were told something else; what goes out after it follows from that.
    Else,
    /// Who hears whom from now on.
    Matrix { call: CallId, version: u64, hears: BTreeMap<LegId, BTreeSet<LegId>>, plays: BTreeMap<LegId, Treatment> },
    /// Media has put a matrix in force.
    Applied { call: CallId, version: u64 },
    /// A call is over.
    Over(CallId),
}

impl Tape {
    /// A tape for somebody.
    pub(crate) fn new(ledger: SyncSender<Reel>) -> Self {
        Self { ledger: Some(ledger), ..Self::default() }
    }

    /// The legs are about to be told this.
    pub(crate) fn before(&mut self, input: &Input<'_>, now: Time) {
        if self.ledger.is_none() {
            return;
        }
        self.now = now;
        self.is_aside = false;
        match *input {
            // Phones register all day long, and floods are mostly of these.
            Input::Datagram { bytes, .. } if bytes.starts_with(b"REGISTER ") || !is_message(bytes) => {
                self.is_aside = true;
                self.otherwise();
            }
            Input::Datagram { bytes, source } => self.copy(bytes, |length| Note::In(Flow::udp(source), length)),
            Input::Stream { bytes, source } => self.copy(bytes, |length| Note::Stream(source, length)),
            Input::Connected(peer) => self.note(Note::Connected(peer)),
            Input::Disconnected(peer) => self.note(Note::Disconnected(peer)),
            Input::Order(ref action) => self.note(Note::Ordered(action.clone())),
            _ => self.otherwise(),
        }
    }

    /// The legs want this.
    pub(crate) fn after(&mut self, output: &Output) {
        if self.ledger.is_none() {
            return;
        }
        match output {
            Output::Transmit { bytes, .. } if self.is_aside && bytes.starts_with(b"SIP/2.0 ") => {}
            Output::Transmit { to, bytes } if is_message(bytes) => self.copy(bytes, |length| Note::Out(*to, length)),
            Output::Event(leg, event) => self.note(Note::Told(*leg, event.clone())),
            _ => {}
        }
    }

    /// Something of which the legs know nothing; made only if somebody wants to know.
    pub(crate) fn happened(&mut self, now: Time, note: impl FnOnce() -> Note) {
        if self.ledger.is_some() {
            self.now = now;
            self.note(note());
        }
    }

    /// When to call [`Self::hand_on`], if at all.
    pub(crate) fn due(&self) -> Option<Time> {
        self.reel.notes.first().map(|it| it.0 + WAIT)
    }

    /// Hands on what there is, once it is worth it; what cannot be taken now is kept as long as there is room.
    pub(crate) fn hand_on(&mut self, now: Time) {
        let Some(ledger) = &self.ledger else { return };
        if self.due().is_none_or(|it| it > now) && self.reel.bytes.len() < ENOUGH {
            return;
        }
        match ledger.try_send(std::mem::take(&mut self.reel)) {
            Ok(()) => {}
            Err(TrySendError::Full(reel)) => self.reel = reel,
            Err(TrySendError::Disconnected(_)) => self.ledger = None,
        }
    }

    /// Hands on the rest; nothing is taken down after it. Waits until there is room, since nobody waits for us any more.
    pub(crate) fn end(&mut self) {
        if let Some(ledger) = self.ledger.take() {
            // An error means that the log's thread has ended.
            drop(ledger.send(std::mem::take(&mut self.reel)));
        }
    }

    fn otherwise(&mut self) {
        if !matches!(self.reel.notes.last(), None | Some((_, Note::Else))) {
            self.note(Note::Else);
        }
    }

    fn note(&mut self, note: Note) {
        self.write(note, &[]);
    }

    fn copy(&mut self, bytes: &[u8], note: impl FnOnce(usize) -> Note) {
        let bytes = bytes.get(..MESSAGE_MAX).unwrap_or(bytes);
        self.write(note(bytes.len()), bytes);
    }

    /// After something was lost nothing is added, so that what is there has no hole.
    fn write(&mut self, note: Note, bytes: &[u8]) {
        let has_room = self.reel.lost == 0 && self.reel.bytes.len() < BYTES_MAX && self.reel.notes.len() < NOTES_MAX;
        if has_room {
            self.reel.notes.push((self.now, note));
            self.reel.bytes.extend_from_slice(bytes);
        } else {
            self.reel.lost += 1;
            figures::events_lost(1);
        }
    }
}

/// Keep-alives and what no SIP message begins with are not.
fn is_message(bytes: &[u8]) -> bool {
    bytes.len() > 16 && bytes.first().is_some_and(u8::is_ascii_uppercase)
}

/// How long a piece may wait: somebody who looks at a running call sees it within a second.
const WAIT: Duration = Duration::from_millis(200);
/// Octets after which it does not wait.
const ENOUGH: usize = 256 << 10;
/// The most of one message: its headers are in there.
const MESSAGE_MAX: usize = 8 << 10;
const BYTES_MAX: usize = 4 << 20;
const NOTES_MAX: usize = 32 << 10;

#[cfg(test)]
mod tests;
