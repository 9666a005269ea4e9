//! What users may ask of their calls. What would be refused is not listed among a call's capabilities, and the other way
//! round: one place decides both.

use clock::Time;

use super::{
    Engine,
    call::{Call, Party, PartyState, Phase},
    hold::Hold,
    refuse::{not_found, not_now},
    session::{Reason, Session, State},
};
use crate::{
    command::{CallOperation, Refusal, Reply},
    ids::{CallId, DeviceId, LegId, RequestId, SessionId, UserId},
    leg::Cause,
    view::Capability,
};

/// What a device is to a call.
#[derive(Clone, Copy)]
enum Place {
    Party(LegId),
    Session(SessionId),
}

impl Engine {
    /// An operation on a call: every device of the user's that is on it does as asked, if it can.
    pub(super) fn on_call(
        &mut self,
        request: RequestId,
        by: UserId,
        call: Option<CallId>,
        operation: CallOperation,
        now: Time,
    ) -> Result<(), Refusal> {
        let nothing = || not_found("You have no such call; GET /api/v2/me/calls lists those you have.");
        let call = call.ok_or_else(nothing)?;
        let mut result = Err(nothing());
        for device in self.people.devices_of(by) {
            if let Some(place) = self.place(call, device) {
                let done = self.operate(call, place, operation, now);
                result = if result.is_ok() { result } else { done };
            }
        }
        result?;
        self.reply(request, Ok(Reply::Done));
        Ok(())
    }

    fn place(&self, id: CallId, device: DeviceId) -> Option<Place> {
        let phone = self.people.phone(device)?;
        let leg = phone.legs.iter().find(|(_, it)| **it == id).map(|(leg, _)| Place::Party(*leg));
        let session = phone.session.filter(|it| self.sessions.get(it).is_some_and(|it| it.call == id));
        leg.or(session.map(Place::Session))
    }

    fn operate(&mut self, id: CallId, place: Place, operation: CallOperation, now: Time) -> Result<(), Refusal> {
        let capability = match operation {
            CallOperation::Hangup => Capability::Hangup,
            CallOperation::Hold => Capability::Hold,
            CallOperation::Retrieve => Capability::Retrieve,
        };
        if !self.can(id, place).contains(&capability) {
            return Err(self.why_not(id, place, operation));
        }
        match operation {
            CallOperation::Hangup => self.leave(id, place, now),
            CallOperation::Hold => self.set_hold(id, place, Some(now)),
            CallOperation::Retrieve => self.set_hold(id, place, None),
        }
        Ok(())
    }

    fn can(&self, id: CallId, place: Place) -> Vec<Capability> {
        let Some(call) = self.calls.get(&id) else { return Vec::new() };
        match place {
            Place::Party(leg) => call.parties.get(&leg).map(|it| call.party_can(it)).unwrap_or_default(),
            Place::Session(session) => self.sessions.get(&session).map(|it| call.session_can(it)).unwrap_or_default(),
        }
    }

    fn why_not(&self, id: CallId, place: Place, operation: CallOperation) -> Refusal {
        let hold = self.hold(id, place);
        not_now(match operation {
            CallOperation::Hold if hold.is_on() => "The call is on hold already.",
            CallOperation::Hold => "Only a call that is established can be put on hold.",
            CallOperation::Retrieve if hold.by_phone.is_some() => {
                "Your phone holds the call, so it is your phone that has to take it back."
            }
            CallOperation::Retrieve => "The call is not on hold.",
            CallOperation::Hangup => "The call is over.",
        })
    }

    fn leave(&mut self, id: CallId, place: Place, now: Time) {
        match place {
            Place::Party(leg) => self.party_leaves(id, leg, Cause::HungUp, now),
            Place::Session(session) => self.session_ends(session, Reason::Left, now),
        }
    }

    fn hold(&self, id: CallId, place: Place) -> Hold {
        let hold = match place {
            Place::Party(leg) => self.party(id, leg).map(|it| it.hold),
            Place::Session(session) => self.sessions.get(&session).map(|it| it.hold),
        };
        hold.unwrap_or_default()
    }

    /// Nothing is said to any phone: hold by the API is a change of who hears whom.
    fn set_hold(&mut self, id: CallId, place: Place, since: Option<Time>) {
        let hold = match place {
            Place::Party(leg) => self.calls.get_mut(&id).and_then(|it| it.parties.get_mut(&leg)).map(|it| &mut it.hold),
            Place::Session(session) => self.sessions.get_mut(&session).map(|it| &mut it.hold),
        };
        if let Some(hold) = hold {
            hold.by_api = since;
        }
        self.outbox.calls.insert(id);
    }
}

impl Call {
    /// What a party's user can do, in the order shown.
    pub(super) fn party_can(&self, party: &Party) -> Vec<Capability> {
        let talks = self.phase == Phase::Talking && party.state == PartyState::Up;
        hold_can(talks, party.hold).into_iter().chain([Capability::Hangup]).collect()
    }

    /// What a supervisor can do, in the order shown.
    pub(super) fn session_can(&self, session: &Session) -> Vec<Capability> {
        let hears = self.hears.get(&session.leg).is_some_and(|it| !it.is_empty());
        let takes_part = session.state == State::Active && (hears || session.hold.is_on());
        hold_can(takes_part, session.hold).into_iter().chain([Capability::Hangup]).collect()
    }
}

fn hold_can(takes_part: bool, hold: Hold) -> Option<Capability> {
    match hold {
        _ if !takes_part => None,
        Hold { by_api: Some(_), .. } => Some(Capability::Retrieve),
        Hold { by_phone: Some(_), .. } => None,
        Hold { .. } => Some(Capability::Hold),
    }
}
