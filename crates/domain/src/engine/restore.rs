//! Taking up again what storage held when the server started (E-23).

use clock::Time;

use super::{Engine, session::Reason};
use crate::{
    event::{Action, Saved},
    record::{Audit, AuditEvent, Order, Record},
};

impl Engine {
    /// Enters what storage held: log-ins and orders stand again, sessions found open are closed as `server_restart`,
    /// everything is published, and nobody is sent a message. An order whose supervisor or target is no longer logged in
    /// ends.
    pub fn restore(&mut self, saved: Saved, now: Time) -> Vec<Action> {
        if let Some(center) = saved.contact_center {
            self.center = center;
        }
        saved.devices.into_iter().for_each(|it| self.people.put_device(it));
        saved.users.into_iter().for_each(|it| self.people.put_user(it));
        saved.comforts.into_iter().for_each(|it| self.people.set_comfort(it));
        saved.queues.into_iter().for_each(|it| self.put_queue(it));
        self.people.trunks.extend(saved.trunks.into_iter().map(|it| (it.name.clone(), it)));
        self.people.dial_rules = saved.dial_rules;
        for registration in saved.registrations.iter().filter(|it| it.expires > now) {
            let device = self.people.by_number(&registration.number);
            if let Some(phone) = device.and_then(|it| self.people.phone_mut(it)) {
                phone.registered = true;
            }
        }
        saved.log_ins.into_iter().for_each(|it| self.people.log_in(it));
        saved.orders.into_iter().for_each(|it| self.order_stands_again(it, now));
        saved.open_sessions.into_iter().for_each(|it| self.session_was_cut_off(it, now));
        self.all_may_have_changed();
        self.outbox.hushed = true;
        self.flush(now)
    }

    fn order_stands_again(&mut self, order: Order, now: Time) {
        let at = self.people.person(order.supervisor).and_then(|it| it.log_in).map(|it| it.device);
        let logged_in = |it: &super::people::Phone| it.user.is_some();
        let why = if at != Some(order.device) {
            Reason::SupervisorLoggedOut
        } else if !self.people.phone(order.target).is_some_and(logged_in) {
            Reason::TargetLoggedOut
        } else if self.order_of(order.device).is_some() {
            Reason::Replaced
        } else {
            return self.enter_order(order);
        };
        let entry = self.audit_order(AuditEvent::OrderEnded, &order, Some(why), now);
        self.note(vec![Record::OrderGone(order.id), entry]);
    }

    fn session_was_cut_off(&mut self, begun: Audit, now: Time) {
        let ended =
            Audit { at: now, what: AuditEvent::SessionEnded, reason: Some(Reason::ServerRestart.to_string()), ..begun };
        let records = ended.session.map(Record::SessionEnded).into_iter();
        self.note(records.chain([Record::Audit(ended.clone())]).collect());
    }
}
