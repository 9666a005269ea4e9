//! Queues: a caller is answered, hears music, and waits for the agent who has been idle for longest.

use std::{collections::BTreeMap, time::Duration};

use clock::Time;

use super::{
    Engine, Timer,
    call::{PartyState, Phase, Way, Who},
    people::Person,
};
use crate::{
    config::{Queue, Role},
    ids::{CallId, DeviceId, LegId, PhoneNumber, UserId},
    leg::{Cause, LegOrder},
    record::{LogIn, Record},
    view::AgentState,
};

/// A call's time in a queue.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Visit {
    pub(super) queue: PhoneNumber,
    /// Its place among all that wait: the lower came earlier.
    place: u64,
    /// The phone that rings for it, if one does.
    offer: Option<Offer>,
    /// When it is to go elsewhere.
    overflow: Option<Time>,
    /// Whether that moment came while a phone rang for it.
    overdue: bool,
    /// Agents who are not asked again before these moments, because they were busy or declined.
    passed_over: BTreeMap<UserId, Time>,
}

/// A phone that rings for a call in a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Offer {
    leg: LegId,
    /// Whose it is; `None` where the call overflows to.
    agent: Option<UserId>,
    until: Time,
}

/// The agent who has taken a call out of a queue.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Served {
    agent: UserId,
    leg: LegId,
    wrap_up_time: Duration,
}

impl Engine {
    /// Answers a caller and lets it wait.
    pub(super) fn enter_queue(&mut self, id: CallId, leg: LegId, caller: Who, queue: PhoneNumber, now: Time) {
        // A phone that we have called for its user is up already.
        let confirmed = !leg.is_inbound();
        self.enter_party(id, leg, caller, PartyState::Waiting { confirmed }, now);
        let place = self.next_place();
        self.line.insert(place, id);
        if let Some(call) = self.calls.get_mut(&id) {
            call.phase = Phase::Queued { caller: leg };
            call.visit =
                Some(Visit { queue, place, offer: None, overflow: None, overdue: false, passed_over: BTreeMap::new() });
        }
        if !confirmed {
            self.order_leg(id, leg, LegOrder::Answer { like: None });
        }
        self.arm_overflow(id, now);
        self.outbox.distribute = true;
    }

    pub(super) fn has_room(&self, queue: &PhoneNumber) -> bool {
        let waiting = self.line.values().filter_map(|it| self.visit(*it)).filter(|it| it.queue == *queue).count();
        self.people.queues.get(queue).is_some_and(|it| waiting < it.max_waiting)
    }

    fn next_place(&mut self) -> u64 {
        self.last_place += 1;
        self.last_place
    }

    fn visit(&self, call: CallId) -> Option<&Visit> {
        self.calls.get(&call)?.visit.as_ref()
    }

    fn visit_mut(&mut self, call: CallId) -> Option<&mut Visit> {
        self.calls.get_mut(&call)?.visit.as_mut()
    }

    fn queue_of(&self, call: CallId) -> Option<&Queue> {
        self.people.queues.get(&self.visit(call)?.queue)
    }

    /// Brings those who wait and those who are idle together: the first come to the longest idle.
    pub(super) fn distribute(&mut self, now: Time) {
        let waits = |it: &CallId| self.visit(*it).is_some_and(|it| it.offer.is_none());
        let waiting: Vec<CallId> = self.line.values().copied().filter(waits).collect();
        if waiting.is_empty() {
            return;
        }
        let mut idle = self.idle_agents();
        for call in waiting {
            let Some(index) = idle.iter().position(|(_, agent, _)| self.may_serve(*agent, call, now)) else { continue };
            let (_, agent, device) = idle.remove(index);
            self.ring_agent(call, agent, device, now);
        }
    }

    /// Who could take a call now, the longest idle first. A phone that is busy, away, or passes its calls on is no
    /// place for a caller who has waited.
    fn idle_agents(&self) -> Vec<(Time, UserId, DeviceId)> {
        let can = |user: UserId| {
            let person = self.people.person(user).filter(|it| it.state() == AgentState::Ready && it.is(Role::Agent))?;
            let device = person.log_in?.device;
            let phone = self.people.phone(device)?;
            let free = phone.registered && !phone.do_not_disturb && phone.forward_to.is_none() && !phone.is_busy();
            free.then_some((person.idle_since, user, device))
        };
        let mut idle: Vec<_> = self.people.user_ids().filter_map(can).collect();
        idle.sort_unstable();
        idle
    }

    fn may_serve(&self, agent: UserId, call: CallId, now: Time) -> bool {
        let passed = self.visit(call).and_then(|it| it.passed_over.get(&agent)).is_some_and(|it| *it > now);
        let teams = self.people.person(agent).map(|it| &it.user.teams);
        !passed && teams.zip(self.queue_of(call)).is_some_and(|(teams, queue)| !teams.is_disjoint(&queue.teams))
    }

    fn ring_agent(&mut self, call: CallId, agent: UserId, device: DeviceId, now: Time) {
        let Some(until) = self.queue_of(call).map(|it| now + it.ring_timeout) else { return };
        self.ring(call, Some(agent), Way::Device(device), until, now);
    }

    /// Lets a phone ring; the caller goes on to hear music until it is answered.
    fn ring(&mut self, id: CallId, agent: Option<UserId>, way: Way, until: Time, now: Time) {
        let Some((caller, who)) = self.queued_caller(id) else { return };
        let Some(leg) = self.call_out(id, caller, &who, way, now) else { return };
        self.timers.insert((until, Timer::NoAnswer(id)));
        if let Some(visit) = self.visit_mut(id) {
            visit.offer = Some(Offer { leg, agent, until });
        }
    }

    fn queued_caller(&self, id: CallId) -> Option<(LegId, Who)> {
        let call = self.calls.get(&id)?;
        let Phase::Queued { caller } = call.phase else { return None };
        Some((caller, call.parties.get(&caller)?.who.clone()))
    }

    /// The phone that rang has answered: the wait is over.
    pub(super) fn queue_answers(&mut self, id: CallId, now: Time) {
        let wrap_up_time = self.queue_of(id).map_or(Duration::ZERO, |it| it.wrap_up_time);
        let offer = self.visit(id).and_then(|it| it.offer);
        self.leave_line(id);
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Phase::Queued { caller } = call.phase else { return };
        call.phase = Phase::Talking;
        call.served = offer.and_then(|it| it.agent.map(|agent| (agent, it.leg))).map(|(agent, leg)| Served {
            agent,
            leg,
            wrap_up_time,
        });
        if let Some(party) = call.parties.get_mut(&caller) {
            let confirmed = party.state == PartyState::Waiting { confirmed: true };
            party.state = if confirmed { PartyState::Up } else { PartyState::Answering };
        }
        self.established(id, now);
    }

    /// The phone that rang will not answer: the caller keeps its place, and the next agent is tried.
    pub(super) fn queue_offer_fails(&mut self, id: CallId, cause: Cause, now: Time) {
        let Some(visit) = self.visit_mut(id) else { return };
        let Some(Offer { agent, until, .. }) = visit.offer.take() else { return };
        let overdue = std::mem::take(&mut visit.overdue);
        self.timers.remove(&(until, Timer::NoAnswer(id)));
        self.outbox.distribute = true;
        match (agent, cause) {
            // Where it overflows to cannot take it: it waits on, for agents too, and is sent there again later.
            (None, _) => self.arm_overflow(id, now),
            // An agent who does not answer is not there, whatever the state says.
            (Some(agent), Cause::NoAnswer) => self.agent_is_absent(agent),
            // Withdrawn because the agent has gone.
            (Some(_), Cause::Cancelled) => {}
            (Some(agent), _) => self.pass_over(id, agent, now),
        }
        if overdue {
            self.overflow(id, now);
        }
    }

    fn pass_over(&mut self, id: CallId, agent: UserId, now: Time) {
        let until = now + PASSED_OVER;
        let Some(visit) = self.visit_mut(id) else { return };
        if let Some(before) = visit.passed_over.insert(agent, until) {
            self.timers.remove(&(before, Timer::AskAgain(id, agent)));
        }
        self.timers.insert((until, Timer::AskAgain(id, agent)));
    }

    /// Becomes NotReady, at once and on disk.
    fn agent_is_absent(&mut self, agent: UserId) {
        let Some(log_in) = self.people.person(agent).and_then(|it| it.log_in) else { return };
        let log_in = LogIn { state: AgentState::NotReady, ..log_in };
        // A change of the same log-in that is being written comes later than this one, and takes the agent off as well.
        if !self.log_in_is_changing(agent) {
            self.note(vec![Record::LogIn(log_in)]);
        }
        self.people.log_in(log_in);
        self.agent_changed(agent, Some(log_in.device));
    }

    /// An agent has gone, or is not ready any more: what rings for a queue stops ringing.
    pub(super) fn withdraw_offers(&mut self, agent: UserId, device: DeviceId, now: Time) {
        let legs = self.people.phone(device).map(|it| it.legs.clone()).unwrap_or_default();
        for (leg, call) in legs {
            let offer = self.visit(call).and_then(|it| it.offer);
            if offer.is_some_and(|it| it.leg == leg && it.agent == Some(agent)) {
                self.party_leaves(call, leg, Cause::Cancelled, now);
            }
        }
    }

    /// Nobody answers the phone that rings for this call, if one does.
    pub(super) fn queue_offer_lapses(&mut self, id: CallId, now: Time) {
        if let Some(offer) = self.visit(id).and_then(|it| it.offer) {
            self.party_leaves(id, offer.leg, Cause::NoAnswer, now);
        }
    }

    fn arm_overflow(&mut self, id: CallId, now: Time) {
        let after = self.queue_of(id).and_then(|it| it.overflow.as_ref()).map(|it| it.after.max(OVERFLOW_MIN));
        let at = after.map(|it| now + it);
        self.timers.extend(at.map(|it| (it, Timer::Overflow(id))));
        if let Some(visit) = self.visit_mut(id) {
            visit.overflow = at;
        }
    }

    /// A call has waited for long enough. A phone that rings for it just now may still be answered.
    pub(super) fn overflow(&mut self, id: CallId, now: Time) {
        let Some(visit) = self.visit_mut(id) else { return };
        visit.overflow = None;
        if visit.offer.is_some() {
            visit.overdue = true;
            return;
        }
        let Some(to) = self.queue_of(id).and_then(|it| it.overflow.as_ref()).map(|it| it.to.clone()) else { return };
        let Some((_, caller)) = self.queued_caller(id) else { return };
        match self.route(&caller, Some(&to)) {
            Ok(Way::Queue(queue)) => self.change_queue(id, queue, now),
            Err(_) => self.arm_overflow(id, now),
            Ok(way) => {
                let until = now + way.patience();
                self.ring(id, None, way, until, now);
            }
        }
    }

    /// Goes to the end of another queue.
    fn change_queue(&mut self, id: CallId, queue: PhoneNumber, now: Time) {
        let next = self.next_place();
        self.forget_passed_over(id);
        let Some(visit) = self.visit_mut(id) else { return };
        let old = std::mem::replace(&mut visit.place, next);
        visit.queue = queue;
        self.line.remove(&old);
        self.line.insert(next, id);
        self.arm_overflow(id, now);
        self.outbox.calls.insert(id);
        self.outbox.distribute = true;
    }

    /// The wait is over, however it ended.
    pub(super) fn leave_line(&mut self, id: CallId) {
        self.forget_passed_over(id);
        let Some(visit) = self.calls.get_mut(&id).and_then(|it| it.visit.take()) else { return };
        self.line.remove(&visit.place);
        if let Some(at) = visit.overflow {
            self.timers.remove(&(at, Timer::Overflow(id)));
        }
        if let Some(offer) = visit.offer {
            self.timers.remove(&(offer.until, Timer::NoAnswer(id)));
        }
    }

    fn forget_passed_over(&mut self, id: CallId) {
        let passed = self.visit_mut(id).map(|it| std::mem::take(&mut it.passed_over)).unwrap_or_default();
        for (agent, until) in passed {
            self.timers.remove(&(until, Timer::AskAgain(id, agent)));
        }
    }

    /// A leg has left its call: if it was an agent's on a call from a queue, after-call work begins.
    pub(super) fn after_call(&mut self, id: CallId, leg: LegId, now: Time) {
        let served = self.calls.get_mut(&id).and_then(|it| it.served.take_if(|it| it.leg == leg));
        let Some(Served { agent, wrap_up_time, .. }) = served else { return };
        let Some(person) = self.people.person_mut(agent) else { return };
        if wrap_up_time.is_zero() || person.state() != AgentState::Ready {
            return;
        }
        let until = now + wrap_up_time;
        person.wrap_up = Some(until);
        let device = person.log_in.map(|it| it.device);
        self.timers.insert((until, Timer::WrapUp(agent)));
        self.agent_changed(agent, device);
    }

    /// After-call work is over: the agent is what it was before the call. False if there was none.
    pub(super) fn wrap_up_ends(&mut self, agent: UserId, now: Time) -> bool {
        let Some(device) = self.stop_wrap_up(agent, now) else { return false };
        self.agent_changed(agent, Some(device));
        true
    }

    /// The same, told to nobody. Answers with the device of an agent who was in after-call work.
    pub(super) fn stop_wrap_up(&mut self, agent: UserId, now: Time) -> Option<DeviceId> {
        let person: &mut Person = self.people.person_mut(agent)?;
        let until = person.wrap_up.take()?;
        person.idle_since = now;
        let device = person.log_in.map(|it| it.device);
        self.timers.remove(&(until, Timer::WrapUp(agent)));
        device
    }
}

/// For how long an agent who was busy or declined is not asked again for the same call.
const PASSED_OVER: Duration = Duration::from_secs(30);
/// A call waits at least this long before it overflows, so that two queues never pass it to and fro in a circle.
const OVERFLOW_MIN: Duration = Duration::from_secs(1);
