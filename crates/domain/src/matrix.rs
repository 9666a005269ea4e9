//! Who hears whom on a call: the one place where hearing is decided (`supervision.md` a.2, E-05, V-06).

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    config::MonitorOperation,
    ids::{LegId, PhoneNumber},
};

/// For each leg of a call, the legs that it hears.
pub type Matrix = BTreeMap<LegId, BTreeSet<LegId>>;

/// How far a party takes part in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Presence {
    /// It is being called, has put the call on hold or is going: it hears nothing and nobody hears it.
    Away,
    /// It calls and has not been answered: it hears what plays before the answer, and nobody hears it.
    Waiting,
    /// It plays something before it answers: those waiting hear it, and it hears nothing.
    Early,
    /// It talks and listens.
    Talking,
    /// It has been answered and waits in a queue: it hears the queue's treatment, and nobody hears it.
    Queued,
}

/// What a party is played that comes from no leg.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Treatment {
    /// The music of a queue, by the queue's number.
    Music(PhoneNumber),
    /// That it rings at the other end, where no phone plays that by itself.
    Ringback,
}

/// Who is played the music of this queue: those who wait in it, and no supervisor (E-05).
#[must_use]
pub fn treated(parties: &BTreeMap<LegId, Presence>, queue: &PhoneNumber) -> BTreeMap<LegId, Treatment> {
    with(Presence::Queued, parties).map(|it| (it, Treatment::Music(queue.clone()))).collect()
}

/// A supervisor on a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listener {
    /// The supervisor's leg.
    pub leg: LegId,
    /// The leg of the party watched: the only one that a coach speaks to.
    pub target: LegId,
    /// Who can hear the supervisor.
    pub operation: MonitorOperation,
    /// Whether the supervisor has joined, is allowed to hear, and has not put us on hold (V-06).
    pub present: bool,
}

/// Whether a party that everybody else has put on hold stays audible to a supervisor (E-05).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeldParty {
    /// It does.
    Audible,
    /// It does not.
    Silent,
}

/// The hearing matrix of a call: a row for every leg, empty where it hears nothing.
///
/// Invariant: in ListenIn no row holds the supervisor's leg. A cell away from a supervisor is made by `spoken_to`
/// alone, which has nobody to give for ListenIn.
#[must_use]
pub fn hearing(parties: &BTreeMap<LegId, Presence>, listeners: &[Listener], held: HeldParty) -> Matrix {
    let mut rows: Matrix =
        parties.iter().map(|(leg, presence)| (*leg, party_hears(*leg, *presence, parties))).collect();
    for listener in listeners {
        rows.insert(listener.leg, listener_hears(*listener, parties, held));
        for leg in spoken_to(*listener, parties) {
            rows.entry(leg).or_default().insert(listener.leg);
        }
    }
    debug_assert!(silent_supervisors_are_unheard(&rows, listeners), "a silent supervisor is heard: {rows:?}");
    rows
}

fn party_hears(leg: LegId, presence: Presence, parties: &BTreeMap<LegId, Presence>) -> BTreeSet<LegId> {
    let source = match presence {
        Presence::Talking => Presence::Talking,
        Presence::Waiting => Presence::Early,
        Presence::Early | Presence::Away | Presence::Queued => return BTreeSet::new(),
    };
    with(source, parties).filter(|it| *it != leg).collect()
}

/// A supervisor hears those who talk; the microphone of a party that holds, and its music, never (E-05).
fn listener_hears(listener: Listener, parties: &BTreeMap<LegId, Presence>, held: HeldParty) -> BTreeSet<LegId> {
    let talking: BTreeSet<LegId> = with(Presence::Talking, parties).collect();
    // Whoever talks with nobody has been put on hold by the others.
    let hushed = talking.len() == 1 && held == HeldParty::Silent;
    if listener.present && !hushed { talking } else { BTreeSet::new() }
}

/// To whom a supervisor speaks.
fn spoken_to(listener: Listener, parties: &BTreeMap<LegId, Presence>) -> BTreeSet<LegId> {
    let talking = with(Presence::Talking, parties);
    match listener.operation {
        _ if !listener.present => BTreeSet::new(),
        MonitorOperation::ListenIn => BTreeSet::new(),
        MonitorOperation::Coach => talking.filter(|it| *it == listener.target).collect(),
        MonitorOperation::BargeIn => talking.collect(),
    }
}

fn with(wanted: Presence, parties: &BTreeMap<LegId, Presence>) -> impl Iterator<Item = LegId> {
    parties.iter().filter(move |(_, it)| **it == wanted).map(|(leg, _)| *leg)
}

fn silent_supervisors_are_unheard(rows: &Matrix, listeners: &[Listener]) -> bool {
    let silent = listeners.iter().filter(|it| it.operation == MonitorOperation::ListenIn);
    silent.map(|it| it.leg).all(|leg| rows.values().all(|row| !row.contains(&leg)))
}

#[cfg(test)]
mod tests;
