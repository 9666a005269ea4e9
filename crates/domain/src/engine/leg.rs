//! Where a leg's event goes: to the party, to the supervisor's session, or nowhere.

use clock::Time;

use super::{Engine, call::Phase, session::State};
use crate::{
    ids::{CallId, LegId, SessionId},
    leg::{Cause, LegEvent, LegOrder},
};

/// What a leg is to its call.
#[derive(Clone, Copy)]
enum Seat {
    Party,
    Listener(SessionId),
    /// It has been told to end; only its end is still awaited.
    Closing,
}

impl Engine {
    pub(super) fn on_leg(&mut self, leg: LegId, event: LegEvent, now: Time) {
        if let LegEvent::Offered { origin, dialled } = event {
            if !self.legs.contains_key(&leg) {
                self.offered(leg, origin, dialled, now);
            }
            return;
        }
        let Some((call, seat)) = self.seat(leg) else { return };
        match (seat, event) {
            (Seat::Party, event) => self.on_party(call, leg, &event, now),
            (Seat::Listener(session), event) => self.on_listener(session, call, leg, &event, now),
            (Seat::Closing, LegEvent::Ended(_)) => self.leg_is_gone(call, leg),
            // What crosses our order to end it: the leg sees to it that the phone hangs up too (E-16).
            (Seat::Closing, _) => {}
        }
    }

    fn seat(&self, leg: LegId) -> Option<(CallId, Seat)> {
        let id = *self.legs.get(&leg)?;
        let call = self.calls.get(&id)?;
        let seat = if call.parties.contains_key(&leg) {
            Seat::Party
        } else if let Some(session) = call.listeners.get(&leg) {
            Seat::Listener(*session)
        } else {
            Seat::Closing
        };
        Some((id, seat))
    }

    fn on_listener(&mut self, session: SessionId, call: CallId, leg: LegId, event: &LegEvent, now: Time) {
        match event {
            LegEvent::Answered => self.supervisor_answers(session, now),
            LegEvent::Answerable => self.supervisor_can_answer(session, true),
            LegEvent::PickUpRefused => {
                self.supervisor_can_answer(session, false);
                let supervisor = self.sessions.get(&session).map(|it| it.supervisor);
                self.pick_up_failed(supervisor);
            }
            LegEvent::Held => self.supervisor_holds(session, true, now),
            LegEvent::Retrieved => self.supervisor_holds(session, false, now),
            LegEvent::Ended(cause) => {
                if let Some(call) = self.calls.get_mut(&call) {
                    call.listeners.remove(&leg);
                }
                self.leg_is_gone(call, leg);
                self.supervisor_is_gone(session, *cause, now);
            }
            LegEvent::Offered { .. } | LegEvent::Ringing | LegEvent::EarlyMedia | LegEvent::Confirmed => {}
        }
    }

    /// Ends a leg of a call; its last event is awaited.
    pub(super) fn end_leg(&mut self, call: CallId, leg: LegId, cause: Cause) {
        if let Some(call) = self.calls.get_mut(&call) {
            call.closing.insert(leg);
        }
        self.outbox.calls.insert(call);
        self.order_leg(call, leg, LegOrder::End(cause));
    }

    pub(super) fn leg_is_gone(&mut self, call: CallId, leg: LegId) {
        self.legs.remove(&leg);
        self.outbox.calls.insert(call);
        if let Some(call) = self.calls.get_mut(&call) {
            call.closing.remove(&leg);
        }
    }

    /// Sessions that have ended, on a call that goes on, are shown until the worker has taken their hearing away.
    pub(super) fn on_applied(&mut self, id: CallId, version: u64) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let done = |it: &Option<u64>| it.is_some_and(|it| it <= version);
        let gone: Vec<SessionId> = call.leaving.iter().filter(|(_, it)| done(it)).map(|(id, _)| *id).collect();
        for session in gone {
            call.leaving.remove(&session);
            self.sessions.remove(&session);
            self.outbox.calls.insert(id);
        }
    }

    /// A party of a call that has not been answered in time.
    pub(super) fn nobody_answers(&mut self, id: CallId, now: Time) {
        let Some(call) = self.calls.get(&id) else { return };
        match call.phase {
            Phase::Summoning { caller, .. } => {
                self.summons_failed(id, caller, Cause::NoAnswer);
                self.party_leaves(id, caller, Cause::NoAnswer, now);
            }
            Phase::Ringing { callee, .. } => self.party_leaves(id, callee, Cause::NoAnswer, now),
            Phase::Queued { .. } | Phase::Talking | Phase::Over => self.queue_offer_lapses(id, now),
        }
    }

    /// A supervisor's phone that has rung for long enough (V-04).
    pub(super) fn offer_lapses(&mut self, session: SessionId, now: Time) {
        if let Some(State::Offering { .. }) = self.sessions.get(&session).map(|it| it.state) {
            self.session_ends(session, super::session::Reason::NoAnswer, now);
        }
    }
}
