//! Which call a supervisor joins, and when (`supervision.md`, E-02 to E-04, V-01).

use clock::Time;

use super::{
    Engine,
    call::PartyState,
    hold::Hold,
    people::Phone,
    refuse::not_now,
    session::{Reason, Session, State},
    store::Pending,
};
use crate::{
    command::{Calls, Refusal},
    ids::{CallId, DeviceId, LegId, OrderId, SessionId},
    leg::{Alert, LegOrder, Target},
    record::{Audit, AuditEvent, Order, Record},
    view::Notice,
};

impl Engine {
    /// A call of the target's has been answered (E-02, E-03).
    pub(super) fn join_next(&mut self, order: OrderId, call: CallId, now: Time) {
        let Some(order) = self.orders.get(&order).cloned() else { return };
        if let Some(target) = self.eligible(&order, call) {
            self.join(&order, call, target, now);
        }
    }

    /// An order has been given or given again: what goes on at its target is joined, where that is allowed, by
    /// the leg that the supervisor may have up already.
    pub(super) fn take_up(&mut self, id: OrderId, now: Time) {
        let Some(order) = self.orders.get(&id).cloned() else { return };
        let session = self.people.phone(order.device).and_then(|it| it.session);
        let running = session.and_then(|it| self.sessions.get(&it)).map(|it| (it.id, it.target));
        match (running, self.call_in_progress(&order)) {
            (Some((session, target)), _) if target == order.target => self.adopt(session, &order),
            (Some((session, _)), Some((call, target))) if self.may_join(&order).is_ok() => {
                self.repoint(session, &order, call, target, now);
            }
            (Some((session, _)), _) => self.session_ends(session, Reason::Replaced, now),
            (None, Some((call, target))) => {
                // An explicit request counts for a call that was left or missed before.
                if let Some(call) = self.calls.get_mut(&call) {
                    call.tried.remove(&id);
                    call.missed.remove(&id);
                }
                self.join(&order, call, target, now);
            }
            (None, None) => {}
        }
    }

    /// The session in progress is the new request's from now on.
    fn adopt(&mut self, session: SessionId, order: &Order) {
        let Some(session) = self.sessions.get_mut(&session) else { return };
        session.order = order.id;
        session.operation = order.operation;
        self.outbox.calls.insert(session.call);
        if let Some(call) = self.calls.get_mut(&session.call) {
            call.tried.insert(order.id);
        }
    }

    /// A supervisor's phone has become free: a call that it missed may still go on (V-01).
    pub(super) fn join_late(&mut self, device: DeviceId, now: Time) {
        let Some(order) = self.order_of(device).cloned() else { return };
        if !self.settings.supervision.intrusion || self.people.phone(device).is_none_or(Phone::is_busy) {
            return;
        }
        let missed = |call: &CallId| self.calls.get(call).is_some_and(|it| it.missed.contains(&order.id));
        if let Some((call, target)) = self.best_call(&order, missed) {
            self.join(&order, call, target, now);
        }
    }

    fn call_in_progress(&self, order: &Order) -> Option<(CallId, LegId)> {
        let intrusion = self.settings.supervision.intrusion;
        intrusion.then(|| self.best_call(order, |_| true)).flatten()
    }

    /// Of the target's calls, the one not on hold, else the most recently held.
    fn best_call(&self, order: &Order, wanted: impl Fn(&CallId) -> bool) -> Option<(CallId, LegId)> {
        let phone = self.people.phone(order.target)?;
        let calls = phone.legs.values().filter(|it| wanted(it));
        let eligible = calls.filter_map(|call| Some((*call, self.eligible(order, *call)?)));
        eligible.max_by_key(|(call, leg)| {
            let party = self.calls.get(call).and_then(|it| it.parties.get(leg));
            party.map(|it| (!it.hold.is_on(), it.hold.since(), it.since))
        })
    }

    /// The target's leg on a call that this order may have a session of.
    fn eligible(&self, order: &Order, id: CallId) -> Option<LegId> {
        let call = self.calls.get(&id)?;
        let (leg, party) = call.party_of(order.target)?;
        let internal = !call.is_external() && !self.settings.supervision.monitor_internal_calls;
        let takes_part = call.party_of(order.device).is_some();
        let established = call.is_established() && party.state == PartyState::Up;
        (established && !internal && !takes_part).then_some(leg)
    }

    /// Offers a call to the supervisor, unless something stands in the way.
    fn join(&mut self, order: &Order, id: CallId, target: LegId, now: Time) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        if call.tried.contains(&order.id) {
            return;
        }
        let running = self.people.phone(order.device).and_then(|it| it.session).and_then(|it| self.sessions.get(&it));
        if order.calls == Calls::Next && running.is_some_and(|it| it.order == order.id) {
            return;
        }
        if let Err(refusal) = self.may_join(order) {
            call_mut(self, id, |call| call.tried.insert(order.id));
            self.session_fails(order, id, Reason::NotPermitted, refusal, now);
            return;
        }
        if self.people.phone(order.device).is_some_and(Phone::is_busy) {
            if call_mut(self, id, |call| call.missed.insert(order.id)) {
                let refusal = not_now("Your phone was busy when the monitored agent's call was answered.");
                self.session_fails(order, id, Reason::Busy, refusal, now);
            }
            return;
        }
        self.offer(order, id, target, now);
    }

    /// Rights are looked at again at each join (R-22, C-10).
    fn may_join(&self, order: &Order) -> Result<(), Refusal> {
        self.need_permission(order.supervisor, order.target, order.operation)
    }

    /// A session that could not even begin: audited, and the supervisor is told.
    fn session_fails(&mut self, order: &Order, call: CallId, why: Reason, refusal: Refusal, now: Time) {
        let entry = Audit {
            call: Some(call),
            order: Some(order.id),
            operation: Some(order.operation),
            reason: Some(why.to_string()),
            ..self.audit(AuditEvent::SessionEnded, order.supervisor, Some(order.device), Some(order.target), now)
        };
        self.note(vec![Record::Audit(entry)]);
        self.outbox.notices.push((order.supervisor, Notice::Failed(refusal)));
    }

    fn offer(&mut self, order: &Order, call: CallId, target: LegId, now: Time) {
        let Some(phone) = self.people.phone(order.device) else { return };
        let to = Target::Device(phone.device.phone_number.clone());
        let alert = if phone.device.auto_answer == Some(false) { Alert::Ring } else { Alert::AutoAnswer };
        let watched = self.people.number(order.target).map(ToString::to_string).unwrap_or_default();
        let until = now + self.settings.supervision.ring_timeout;
        let leg = self.draw_leg();
        let dial = LegOrder::Dial {
            to,
            display: format!("{:?} {watched}", order.operation),
            from: watched,
            like: Some(target),
            alert,
            direction: self.settings.supervision.listen_offer,
        };
        self.order_leg(call, leg, dial);
        self.begin(order, call, target, leg, State::Offering { until }, now);
    }

    /// Moves the supervisor's leg to another call: no hang-up, no ring, no second INVITE.
    fn repoint(&mut self, old: SessionId, order: &Order, call: CallId, target: LegId, now: Time) {
        let Some((leg, state, answerable, hold)) =
            self.sessions.get(&old).map(|it| (it.leg, it.state, it.answerable, it.hold))
        else {
            return;
        };
        self.session_gives_up_leg(old, now);
        let state = match state {
            State::Active | State::Leaving => State::Answered,
            state => state,
        };
        let session = self.begin(order, call, target, leg, state, now);
        if let Some(session) = self.sessions.get_mut(&session) {
            (session.answerable, session.hold) = (answerable, hold);
        }
    }

    fn begin(
        &mut self,
        order: &Order,
        call: CallId,
        target_leg: LegId,
        leg: LegId,
        state: State,
        now: Time,
    ) -> SessionId {
        let session = Session {
            id: SessionId(self.draw()),
            order: order.id,
            supervisor: order.supervisor,
            device: order.device,
            call,
            leg,
            target: order.target,
            target_leg,
            operation: order.operation,
            state,
            written: false,
            answerable: false,
            hold: Hold::default(),
            since: now,
        };
        let id = session.id;
        if let Some(phone) = self.people.phone_mut(order.device) {
            phone.session = Some(id);
        }
        self.legs.insert(leg, call);
        call_mut(self, call, |call| {
            call.listeners.insert(leg, id);
            call.missed.remove(&order.id);
            call.tried.insert(order.id)
        });
        if let State::Offering { until } = state {
            self.timers.insert((until, super::Timer::Offer(id)));
        }
        let entry = self.audit_session(AuditEvent::SessionOffered, &session, None, now);
        self.sessions.insert(id, session);
        self.outbox.calls.insert(call);
        self.store(vec![Record::SessionBegun(id), entry], Pending::Session(id));
        id
    }
}

fn call_mut(engine: &mut Engine, id: CallId, change: impl FnOnce(&mut super::call::Call) -> bool) -> bool {
    engine.calls.get_mut(&id).is_some_and(change)
}
