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
    config::TelephonyNetwork,
    ids::{CallId, DeviceId, LegId, RequestId, SessionId, UserId},
    leg::{Cause, LegOrder},
    view::{Capability, Notice},
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
            CallOperation::Answer => Capability::Answer,
            CallOperation::Hold => Capability::Hold,
            CallOperation::Retrieve => Capability::Retrieve,
        };
        if !self.can(id, place).contains(&capability) {
            return Err(self.why_not(id, place, operation));
        }
        match operation {
            CallOperation::Hangup => self.leave(id, place, now),
            CallOperation::Answer => self.pick_up(id, place),
            CallOperation::Hold => self.set_hold(id, place, Some(now)),
            CallOperation::Retrieve => self.set_hold(id, place, None),
        }
        Ok(())
    }

    fn can(&self, id: CallId, place: Place) -> Vec<Capability> {
        let Some(call) = self.calls.get(&id) else { return Vec::new() };
        match place {
            Place::Party(leg) => call.parties.get(&leg).map(|it| self.party_can(call, it)).unwrap_or_default(),
            Place::Session(session) => {
                self.sessions.get(&session).map(|it| self.session_can(call, it)).unwrap_or_default()
            }
        }
    }

    fn why_not(&self, id: CallId, place: Place, operation: CallOperation) -> Refusal {
        let hold = self.hold(id, place);
        not_now(match operation {
            CallOperation::Answer if !self.rings(id, place) => "The call does not ring at your phone.",
            CallOperation::Answer => {
                "Your phone does not say that it can be told to answer (Allow-Events: talk); answer it by hand."
            }
            CallOperation::Hold if hold.is_on() => "The call is on hold already.",
            CallOperation::Hold => "Only a call that is established can be put on hold.",
            CallOperation::Retrieve if hold.by_phone.is_some() => {
                "Your phone holds the call, so it is your phone that has to take it back."
            }
            CallOperation::Retrieve => "The call is not on hold.",
            CallOperation::Hangup => "The call is over.",
        })
    }

    fn rings(&self, id: CallId, place: Place) -> bool {
        match place {
            Place::Party(leg) => {
                let state = self.party(id, leg).map(|it| it.state);
                matches!(state, Some(PartyState::Ringing | PartyState::Early))
            }
            Place::Session(session) => {
                matches!(self.sessions.get(&session).map(|it| it.state), Some(State::Offering { .. }))
            }
        }
    }

    fn pick_up(&mut self, id: CallId, place: Place) {
        let leg = match place {
            Place::Party(leg) => Some(leg),
            Place::Session(session) => self.sessions.get(&session).map(|it| it.leg),
        };
        leg.into_iter().for_each(|leg| self.order_leg(id, leg, LegOrder::PickUp));
    }

    /// The phone rings on, and its user is told.
    pub(super) fn pick_up_failed(&mut self, user: Option<UserId>) {
        let why = not_now("Your phone did not answer the call when it was told to; answer it by hand.");
        self.outbox.notices.extend(user.map(|it| (it, Notice::Failed(why))));
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

impl Engine {
    /// What a party's user can do, in the order shown.
    pub(super) fn party_can(&self, call: &Call, party: &Party) -> Vec<Capability> {
        let rings = matches!(party.state, PartyState::Ringing | PartyState::Early) && party.answerable;
        let answer = party.device().and_then(|it| self.answer_can(rings, it));
        let talks = call.phase == Phase::Talking && party.state == PartyState::Up;
        answer.into_iter().chain(hold_can(talks, party.hold)).chain([Capability::Hangup]).collect()
    }

    /// What a supervisor can do, in the order shown.
    pub(super) fn session_can(&self, call: &Call, session: &Session) -> Vec<Capability> {
        let rings = matches!(session.state, State::Offering { .. }) && session.answerable;
        let answer = self.answer_can(rings, session.device);
        let hears = call.hears.get(&session.leg).is_some_and(|it| !it.is_empty());
        let takes_part = session.state == State::Active && (hears || session.hold.is_on());
        answer.into_iter().chain(hold_can(takes_part, session.hold)).chain([Capability::Hangup]).collect()
    }

    /// A phone on the public network is nobody's to answer from here (`gws-api.md` 4).
    fn answer_can(&self, rings: bool, device: DeviceId) -> Option<Capability> {
        let phone = self.people.phone(device).filter(|_| rings)?;
        (phone.device.telephony_network == TelephonyNetwork::Private).then_some(Capability::Answer)
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
