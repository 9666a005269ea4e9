//! `Dial`: the agent's own phone is called first and asked to answer by itself, then whoever was dialled.

use std::time::Duration;

use clock::Time;

use super::{
    Engine, Timer,
    call::{Call, Party, PartyState, Phase, Way, Who},
    refuse::{not_found, not_now, refusal},
};
use crate::{
    command::{Refusal, RefusalKind, Reply},
    ids::{CallId, DeviceId, LegId, PhoneNumber, RequestId, UserId},
    leg::{Alert, Cause, LegOrder, OfferDirection, Target},
    view::Notice,
};

impl Engine {
    /// Whether the number can be reached just now shows when it is called; what fails then comes as an `ErrorMessage`.
    pub(super) fn dial(
        &mut self,
        request: RequestId,
        by: UserId,
        device: Option<DeviceId>,
        number: &PhoneNumber,
        now: Time,
    ) -> Result<(), Refusal> {
        let device = self.own_device(by, device)?;
        let caller = Who::Device(device);
        let way = self.route(&caller, Some(number));
        if way == Err(Cause::NotFound) {
            return Err(not_found(format!("{number} is no number of ours, and no dial rule leads outside with it.")));
        }
        if self.people.by_number(number) == Some(device) {
            return Err(refusal(RefusalKind::Forbidden, "A device cannot call itself; dial another number."));
        }
        self.need_free_phone(device)?;
        let display = match way {
            Ok(Way::Device(callee)) => self.display_of(&Who::Device(callee)),
            _ => String::new(),
        };
        self.summon(device, number, display, now);
        self.reply(request, Ok(Reply::Done));
        Ok(())
    }

    fn need_free_phone(&self, device: DeviceId) -> Result<(), Refusal> {
        let phone = self.people.phone(device).filter(|it| it.registered);
        let phone = phone.ok_or_else(|| not_now("Your phone is not registered, so it cannot call; register it."))?;
        let holds = |(leg, call): (&LegId, &CallId)| self.party(*call, *leg).is_some_and(|it| it.hold.is_on());
        let listens = phone.session.and_then(|it| self.sessions.get(&it)).is_some_and(|it| !it.hold.is_on());
        if listens || !phone.legs.iter().all(holds) {
            return Err(not_now("Your phone has a call already; put it on hold or end it first."));
        }
        Ok(())
    }

    /// Calls the phone of whoever wants to call. It shows whom it is about to talk to.
    fn summon(&mut self, device: DeviceId, number: &PhoneNumber, display: String, now: Time) {
        let Some(phone) = self.people.phone(device) else { return };
        let to = Target::Device(phone.device.phone_number.clone());
        let alert = if phone.device.auto_answer == Some(false) { Alert::Ring } else { Alert::AutoAnswer };
        let (id, leg) = (CallId(self.draw()), self.draw_leg());
        let until = now + SUMMONED_MAX;
        self.calls.insert(id, Call::new(number.to_string()));
        self.enter_party(id, leg, Who::Device(device), PartyState::Summoned, now);
        if let Some(call) = self.calls.get_mut(&id) {
            call.phase = Phase::Summoning { caller: leg, until };
        }
        self.timers.insert((until, Timer::NoAnswer(id)));
        let (from, direction) = (number.to_string(), OfferDirection::SendRecv);
        self.order_leg(id, leg, LegOrder::Dial { to, from, display, like: None, alert, direction });
    }

    /// The phone has answered: now whoever was dialled is called, as if the phone had dialled.
    pub(super) fn summoned(&mut self, id: CallId, leg: LegId, now: Time) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Phase::Summoning { until, .. } = call.phase else { return };
        let number: Option<PhoneNumber> = call.dialled.parse().ok();
        let Some(caller) = call.parties.get(&leg).map(|it| it.who.clone()) else { return };
        self.timers.remove(&(until, Timer::NoAnswer(id)));
        match self.route(&caller, number.as_ref()) {
            Ok(way) => self.set_up(id, leg, caller, way, now),
            Err(cause) => {
                self.enter_party(id, leg, caller, PartyState::Calling, now);
                self.dial_fails(id, leg, cause);
                self.party_leaves(id, leg, Cause::HungUp, now);
            }
        }
    }

    /// The phone of whoever wanted to call cannot be had, and its user is told why.
    pub(super) fn summons_failed(&mut self, id: CallId, leg: LegId, cause: Cause) {
        let why = match cause {
            Cause::NoAnswer => "Your phone did not answer, so nobody was called.",
            Cause::Busy => "Your phone is busy, so nobody was called.",
            Cause::Declined => "Your phone declined, so nobody was called.",
            _ => "Your phone could not be reached, so nobody was called.",
        };
        self.tell_failure(id, leg, not_now(why));
    }

    /// Whoever was dialled cannot be had: where no tone can say so to the caller, a message does.
    pub(super) fn dial_fails(&mut self, id: CallId, caller: LegId, cause: Cause) {
        let Some(dialled) = self.calls.get(&id).map(|it| it.dialled.clone()) else { return };
        let refusal = match cause {
            Cause::NotFound => not_found(format!("{dialled} does not exist.")),
            Cause::Forbidden => refusal(RefusalKind::Forbidden, format!("{dialled} may not be called.")),
            Cause::Busy => not_now(format!("{dialled} is busy.")),
            Cause::Declined => not_now(format!("{dialled} has declined.")),
            Cause::NoAnswer => not_now(format!("{dialled} does not answer.")),
            Cause::NotAcceptable => not_now(format!("{dialled} has no codec in common with your phone.")),
            _ => not_now(format!("{dialled} cannot be reached.")),
        };
        self.tell_failure(id, caller, refusal);
    }

    fn tell_failure(&mut self, id: CallId, leg: LegId, refusal: Refusal) {
        let user = self.party(id, leg).and_then(Party::device).and_then(|it| self.people.owner(it));
        self.outbox.notices.extend(user.map(|it| (it, Notice::Failed(refusal))));
    }
}

/// How long the phone of whoever wants to call may ring.
const SUMMONED_MAX: Duration = Duration::from_secs(30);
