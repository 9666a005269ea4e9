//! Calls between two parties: routing, ringing, talking, holding, ending. Listeners touch none of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use clock::Time;

use super::{
    Engine, Timer,
    hold::Hold,
    people::Person,
    queue::{Served, Visit},
};
use crate::{
    ids::{CallId, DeviceId, LegId, OrderId, PhoneNumber, SessionId},
    leg::{Alert, Cause, LegEvent, LegOrder, OfferDirection, Origin, Target},
    matrix::{Matrix, Presence, Treatment},
    view::CallView,
};

/// A call, from its first leg to the end of its last.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Call {
    pub(super) phase: Phase,
    /// The number dialled, as dialled.
    pub(super) dialled: String,
    /// Its time in a queue, as long as it waits in one.
    pub(super) visit: Option<Visit>,
    /// Who has taken it out of a queue.
    pub(super) served: Option<Served>,
    /// Who is on it: legs that have not been told to end.
    pub(super) parties: BTreeMap<LegId, Party>,
    /// Supervisors' legs.
    pub(super) listeners: BTreeMap<LegId, SessionId>,
    /// Sessions that have ended while they heard, each with the matrix version that took its hearing away.
    pub(super) leaving: BTreeMap<SessionId, Option<u64>>,
    /// Legs told to end whose end is awaited.
    pub(super) closing: BTreeSet<LegId>,
    /// Orders that have had their session of this call, or have failed to: none is offered again (V-02, V-05).
    pub(super) tried: BTreeSet<OrderId>,
    /// Orders whose supervisor was busy: offered if the phone becomes free (V-01).
    pub(super) missed: BTreeSet<OrderId>,
    /// The last matrix sent, and its version.
    pub(super) hears: Matrix,
    pub(super) plays: BTreeMap<LegId, Treatment>,
    pub(super) version: u64,
    /// What each device was last shown.
    pub(super) views: BTreeMap<DeviceId, Arc<CallView>>,
}

/// How far a call has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The phone of whoever wants to call is being called.
    Summoning { caller: LegId, until: Time },
    /// The callee is being called.
    Ringing { caller: LegId, callee: LegId, until: Time },
    /// The caller waits in a queue, whether or not a phone rings for it. The call's `visit` says more.
    Queued { caller: LegId },
    /// The callee has answered.
    Talking,
    /// Nobody talks any more; legs are being ended.
    Over,
}

/// A party of a call.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Party {
    pub(super) who: Who,
    pub(super) state: PartyState,
    /// Whether its phone, which rings, can be told to answer.
    pub(super) answerable: bool,
    /// Whether it is on hold.
    pub(super) hold: Hold,
    /// When it came.
    pub(super) since: Time,
}

/// Who a party is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Who {
    /// A device of ours.
    Device(DeviceId),
    /// Somebody behind a trunk, by number.
    Outside(String),
}

/// Where a call goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// To a device of ours.
    Device(DeviceId),
    /// Into a queue.
    Queue(PhoneNumber),
    /// Outside, to the number as the trunk should see it.
    Trunk { trunk: String, number: String },
}

impl Way {
    /// How long it may ring there.
    pub(super) fn patience(&self) -> Duration {
        match self {
            Self::Device(_) | Self::Queue(_) => NO_ANSWER,
            Self::Trunk { .. } => NO_ANSWER_OUTSIDE,
        }
    }
}

/// How far a party has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PartyState {
    /// It wants to call, and its phone is being called so that it can.
    Summoned,
    /// It calls and waits for an answer.
    Calling,
    /// It is being called; nothing has come back yet.
    Dialled,
    /// Its phone rings.
    Ringing,
    /// It plays something before it answers.
    Early,
    /// It has been sent the answer to its call, and its ACK may have come; it waits in a queue.
    Waiting { confirmed: bool },
    /// It has been sent the answer to its call.
    Answering,
    /// It talks.
    Up,
}

impl Party {
    /// The device, if it is one of ours.
    pub(super) fn device(&self) -> Option<DeviceId> {
        match self.who {
            Who::Device(device) => Some(device),
            Who::Outside(_) => None,
        }
    }

    pub(super) fn presence(&self) -> Presence {
        match self.state {
            _ if self.hold.is_on() => Presence::Away,
            PartyState::Calling => Presence::Waiting,
            PartyState::Waiting { .. } => Presence::Queued,
            PartyState::Summoned | PartyState::Dialled | PartyState::Ringing => Presence::Away,
            PartyState::Early => Presence::Early,
            // Its phone sends as soon as it has our 200, before the ACK is here.
            PartyState::Answering | PartyState::Up => Presence::Talking,
        }
    }
}

impl Call {
    pub(super) fn new(dialled: String) -> Self {
        Self {
            phase: Phase::Over,
            dialled,
            visit: None,
            served: None,
            parties: BTreeMap::new(),
            listeners: BTreeMap::new(),
            leaving: BTreeMap::new(),
            closing: BTreeSet::new(),
            tried: BTreeSet::new(),
            missed: BTreeSet::new(),
            hears: Matrix::new(),
            plays: BTreeMap::new(),
            version: 0,
            views: BTreeMap::new(),
        }
    }

    /// Whether nothing of it is left.
    pub(super) fn is_finished(&self) -> bool {
        self.phase == Phase::Over && self.closing.is_empty()
    }

    /// Whether somebody outside is on it (E-04).
    pub(super) fn is_external(&self) -> bool {
        self.parties.values().any(|it| it.device().is_none())
    }

    pub(super) fn party_of(&self, device: DeviceId) -> Option<(LegId, &Party)> {
        self.parties.iter().find(|(_, it)| it.device() == Some(device)).map(|(leg, it)| (*leg, it))
    }

    /// The caller whose phone plays no ringback by itself, since for that phone the call is answered: while it rings at
    /// the other end.
    pub(super) fn hears_ringback(&self) -> Option<LegId> {
        let Phase::Ringing { caller, callee, .. } = self.phase else { return None };
        let rings = self.parties.get(&callee).is_some_and(|it| it.state == PartyState::Ringing);
        let holds = self.parties.get(&caller).is_none_or(|it| it.hold.is_on());
        (rings && !holds && !caller.is_inbound()).then_some(caller)
    }

    /// Whether at least two talk, as opposed to ringing.
    pub(super) fn is_established(&self) -> bool {
        self.phase == Phase::Talking && self.parties.values().filter(|it| it.state == PartyState::Up).count() >= 2
    }
}

impl Engine {
    /// A peer calls.
    pub(super) fn offered(&mut self, leg: LegId, origin: Origin, dialled: String, now: Time) {
        let id = CallId(self.draw());
        self.legs.insert(leg, id);
        let (caller, number) = match origin {
            Origin::Device(number) => (self.people.by_number(&number).map(Who::Device), dialled.parse().ok()),
            Origin::Trunk { name, caller } => {
                let mapped = self.people.trunks.get(&name).and_then(|it| it.inbound.get(&dialled)).cloned();
                (Some(Who::Outside(caller)), mapped.or_else(|| dialled.parse().ok()))
            }
        };
        self.calls.insert(id, Call::new(dialled));
        let routed = caller.ok_or(Cause::Forbidden).and_then(|caller| {
            let way = self.route(&caller, number.as_ref())?;
            Ok((caller, way))
        });
        match routed {
            Ok((caller, way)) => self.set_up(id, leg, caller, way, now),
            Err(cause) => self.end_leg(id, leg, cause),
        }
    }

    /// Where a number leads, forwarding followed: to a device or a queue, else outside by the first dial rule that fits. What
    /// came from a trunk never leaves by one: others would telephone at our cost. A full queue is busy.
    pub(super) fn route(&self, caller: &Who, number: Option<&PhoneNumber>) -> Result<Way, Cause> {
        let mut number = number.ok_or(Cause::NotFound)?;
        let mut seen = BTreeSet::new();
        loop {
            let Some(device) = self.people.by_number(number) else {
                if self.people.queues.contains_key(number) {
                    return self.has_room(number).then(|| Way::Queue(number.clone())).ok_or(Cause::Busy);
                }
                let outside = self.people.outside(number).filter(|_| matches!(caller, Who::Device(_)));
                return outside.map(|(trunk, number)| Way::Trunk { trunk, number }).ok_or(Cause::NotFound);
            };
            let phone = self.people.phone(device).ok_or(Cause::NotFound)?;
            if *caller == Who::Device(device) {
                return Err(Cause::Busy);
            }
            let Some(next) = &phone.forward_to else {
                return if phone.do_not_disturb {
                    Err(Cause::Busy)
                } else if !phone.registered {
                    Err(Cause::Unavailable)
                } else {
                    Ok(Way::Device(device))
                };
            };
            if !seen.insert(device) || seen.len() > FORWARDS_MAX {
                return Err(Cause::Unavailable);
            }
            number = next;
        }
    }

    /// Calls whoever was dialled.
    pub(super) fn set_up(&mut self, id: CallId, leg: LegId, caller: Who, way: Way, now: Time) {
        if let Way::Queue(queue) = way {
            return self.enter_queue(id, leg, caller, queue, now);
        }
        let until = now + way.patience();
        self.enter_party(id, leg, caller.clone(), PartyState::Calling, now);
        let Some(out) = self.call_out(id, leg, &caller, way, now) else { return };
        if let Some(call) = self.calls.get_mut(&id) {
            call.phase = Phase::Ringing { caller: leg, callee: out, until };
        }
        self.timers.insert((until, Timer::NoAnswer(id)));
    }

    /// Calls somebody for a caller, and enters the callee as a party.
    pub(super) fn call_out(&mut self, id: CallId, like: LegId, caller: &Who, way: Way, now: Time) -> Option<LegId> {
        let from = self.number_of(caller);
        let (to, who, display) = match way {
            Way::Device(device) => {
                (Target::Device(self.people.number(device)?.clone()), Who::Device(device), self.display_of(caller))
            }
            // Whoever waits in a queue does not ring there.
            Way::Queue(_) => return None,
            // Names of our people are for our people.
            Way::Trunk { trunk, number } => {
                (Target::Trunk { name: trunk, number: number.clone() }, Who::Outside(number), String::new())
            }
        };
        let out = self.draw_leg();
        self.enter_party(id, out, who, PartyState::Dialled, now);
        let direction = OfferDirection::SendRecv;
        self.order_leg(id, out, LegOrder::Dial { to, from, display, like: Some(like), alert: Alert::Ring, direction });
        Some(out)
    }

    pub(super) fn party(&self, id: CallId, leg: LegId) -> Option<&Party> {
        self.calls.get(&id)?.parties.get(&leg)
    }

    /// Enters a party, or notes how far it has come.
    pub(super) fn enter_party(&mut self, id: CallId, leg: LegId, who: Who, state: PartyState, now: Time) {
        if let Some(party) = self.calls.get_mut(&id).and_then(|it| it.parties.get_mut(&leg)) {
            party.state = state;
            return;
        }
        let party = Party { who, state, answerable: false, hold: Hold::default(), since: now };
        if let Some(phone) = party.device().and_then(|it| self.people.phone_mut(it)) {
            phone.legs.insert(leg, id);
        }
        self.legs.insert(leg, id);
        self.outbox.calls.insert(id);
        if let Some(call) = self.calls.get_mut(&id) {
            call.parties.insert(leg, party);
        }
    }

    /// The number that a party is shown with.
    pub(super) fn number_of(&self, who: &Who) -> String {
        match who {
            Who::Device(device) => self.people.number(*device).map(ToString::to_string).unwrap_or_default(),
            Who::Outside(number) if number.is_empty() => "anonymous".into(),
            Who::Outside(number) => number.clone(),
        }
    }

    pub(super) fn display_of(&self, who: &Who) -> String {
        let owner = match who {
            Who::Device(device) => self.people.owner(*device),
            Who::Outside(_) => None,
        };
        owner.and_then(|it| self.people.person(it)).map(Person::display).unwrap_or_default()
    }

    /// Something happens on a party's leg.
    pub(super) fn on_party(&mut self, id: CallId, leg: LegId, event: &LegEvent, now: Time) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some(party) = call.parties.get_mut(&leg) else { return };
        self.outbox.calls.insert(id);
        match (party.state, event) {
            (PartyState::Summoned, LegEvent::Answered) => self.summoned(id, leg, now),
            (PartyState::Dialled, LegEvent::Ringing) => {
                party.state = PartyState::Ringing;
                self.tell_caller(id, LegOrder::Ring);
            }
            (PartyState::Dialled | PartyState::Ringing, LegEvent::EarlyMedia) => {
                party.state = PartyState::Early;
                self.tell_caller(id, LegOrder::Progress { like: leg });
            }
            (PartyState::Dialled | PartyState::Ringing | PartyState::Early, LegEvent::Answered) => {
                party.state = PartyState::Up;
                party.since = now;
                self.answered(id, leg, now);
            }
            (PartyState::Waiting { .. }, LegEvent::Confirmed) => {
                party.state = PartyState::Waiting { confirmed: true };
                party.since = now;
            }
            (PartyState::Answering, LegEvent::Confirmed) => {
                party.state = PartyState::Up;
                party.since = now;
                self.established(id, now);
            }
            (_, LegEvent::Answerable) => party.answerable = true,
            (PartyState::Ringing | PartyState::Early, LegEvent::PickUpRefused) => {
                party.answerable = false;
                let user = party.device().and_then(|it| self.people.owner(it));
                self.pick_up_failed(user);
            }
            (_, LegEvent::Held) => party.hold.set_by_phone(true, now),
            (_, LegEvent::Retrieved) => party.hold.set_by_phone(false, now),
            (state, LegEvent::Ended(cause)) => {
                if state == PartyState::Summoned {
                    self.summons_failed(id, leg, *cause);
                }
                self.party_is_gone(id, leg, now);
                self.leg_is_gone(id, leg);
                self.parties_left(id, leg, *cause, now);
            }
            // Late and repeated events are normal on a network.
            _ => {}
        }
    }

    /// To a caller whose phone we have called, for whom the call is answered already, there is nothing to tell.
    fn tell_caller(&mut self, id: CallId, order: LegOrder) {
        if let Some(Phase::Ringing { caller, .. }) = self.calls.get(&id).map(|it| it.phase)
            && caller.is_inbound()
        {
            self.order_leg(id, caller, order);
        }
    }

    /// The callee has answered: the caller is, too.
    fn answered(&mut self, id: CallId, callee: LegId, now: Time) {
        if self.calls.get(&id).is_some_and(|it| matches!(it.phase, Phase::Queued { .. })) {
            return self.queue_answers(id, now);
        }
        self.tell_caller(id, LegOrder::Answer { like: Some(callee) });
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Phase::Ringing { caller, until, .. } = call.phase else { return };
        call.phase = Phase::Talking;
        self.timers.remove(&(until, Timer::NoAnswer(id)));
        let Some(party) = call.parties.get_mut(&caller) else { return };
        if caller.is_inbound() {
            party.state = PartyState::Answering;
        } else {
            (party.state, party.since) = (PartyState::Up, now);
            self.established(id, now);
        }
    }

    /// Both sides are up: from now on supervisors may come in (E-02, E-03).
    pub(super) fn established(&mut self, id: CallId, now: Time) {
        let Some(call) = self.calls.get(&id) else { return };
        let devices: Vec<DeviceId> = call.parties.values().filter_map(Party::device).collect();
        for device in devices {
            let orders = self.people.phone(device).map(|it| it.watched_by.clone()).unwrap_or_default();
            orders.into_iter().for_each(|order| self.join_next(order, id, now));
        }
    }

    /// Takes a party off its call and ends its leg.
    pub(super) fn party_leaves(&mut self, id: CallId, leg: LegId, cause: Cause, now: Time) {
        // To a caller, hanging up before the answer is giving up; to a phone that rings, it is declining.
        let before_answer = self.calls.get(&id).is_some_and(|it| match it.phase {
            Phase::Summoning { .. } | Phase::Ringing { .. } => true,
            Phase::Queued { caller } => caller != leg,
            Phase::Talking | Phase::Over => false,
        });
        // The phone of a caller whom we have called is up already.
        let is_up = !leg.is_inbound() && self.party(id, leg).is_some_and(|it| it.state == PartyState::Calling);
        let own = match cause {
            Cause::HungUp if before_answer && !is_up => Cause::Cancelled,
            cause => cause,
        };
        self.party_is_gone(id, leg, now);
        self.end_leg(id, leg, own);
        let told = match cause {
            Cause::HungUp if before_answer => Cause::Declined,
            cause => cause,
        };
        self.parties_left(id, leg, told, now);
    }

    fn party_is_gone(&mut self, id: CallId, leg: LegId, now: Time) {
        self.outbox.calls.insert(id);
        let Some(party) = self.calls.get_mut(&id).and_then(|it| it.parties.remove(&leg)) else { return };
        let Some(device) = party.device() else { return };
        self.outbox.distribute = true;
        let user = self.people.phone(device).and_then(|it| it.user).filter(|_| party.state == PartyState::Up);
        if let Some(person) = user.and_then(|it| self.people.person_mut(it)) {
            person.idle_since = now;
        }
        self.after_call(id, leg, now);
        if let Some(phone) = self.people.phone_mut(device) {
            phone.legs.remove(&leg);
        }
        self.outbox.freed.insert(device);
    }

    /// A party has left: with fewer than two, the call is over, whatever any listener does (C-01, C-02, E-14, E-15).
    fn parties_left(&mut self, id: CallId, left: LegId, cause: Cause, now: Time) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        if let Phase::Queued { caller } = call.phase {
            if caller != left {
                return self.queue_offer_fails(id, cause, now);
            }
            self.leave_line(id);
        }
        let Some(call) = self.calls.get_mut(&id) else { return };
        if call.parties.len() > 1 || call.phase == Phase::Over {
            return;
        }
        let phase = std::mem::replace(&mut call.phase, Phase::Over);
        let cause = match phase {
            Phase::Ringing { caller, .. } if caller == left => Cause::Cancelled,
            Phase::Queued { .. } => Cause::Cancelled,
            Phase::Ringing { .. } => to_the_caller(cause),
            Phase::Summoning { .. } | Phase::Talking | Phase::Over => Cause::HungUp,
        };
        if let Phase::Summoning { until, .. } | Phase::Ringing { until, .. } = phase {
            self.timers.remove(&(until, Timer::NoAnswer(id)));
        }
        if let Phase::Ringing { caller, .. } = phase
            && caller != left
            && !caller.is_inbound()
        {
            self.dial_fails(id, caller, cause);
        }
        let Some(call) = self.calls.get_mut(&id) else { return };
        let others: Vec<LegId> = call.parties.keys().copied().collect();
        let sessions: Vec<SessionId> = call.listeners.values().copied().collect();
        for leg in others {
            self.party_is_gone(id, leg, now);
            self.end_leg(id, leg, cause);
        }
        for session in sessions {
            self.session_ends(session, super::session::Reason::CallEnded, now);
        }
    }
}

/// How a callee's end is told to the caller.
fn to_the_caller(cause: Cause) -> Cause {
    match cause {
        // Redirections are not followed, and a phone that vanished while ringing is one that cannot be reached.
        Cause::Redirected | Cause::Gone | Cause::HungUp | Cause::Cancelled => Cause::Unavailable,
        cause => cause,
    }
}

/// How long a phone may ring before its caller is told that nobody answers.
const NO_ANSWER: Duration = Duration::from_secs(60);
/// The same outside, where networks ring for longer: what RFC 3261 s16.6 gives a proxy at least.
const NO_ANSWER_OUTSIDE: Duration = Duration::from_secs(180);
/// How many times a call is forwarded at most.
const FORWARDS_MAX: usize = 5;
