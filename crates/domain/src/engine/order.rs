//! Monitoring orders: who may give one, how it is replaced, and what ends it (`supervision.md` a.3).

use std::collections::BTreeSet;

use clock::Time;

use super::{
    Engine,
    refuse::{not_found, not_now, refusal},
    session::Reason,
    store::{Before, Durable, Lock},
};
use crate::{
    command::{FormError, MonitorForm, Refusal, RefusalKind, Reply, TargetUri},
    config::{ContactCenter, MonitorOperation, Role},
    ids::{DeviceId, OrderId, PhoneNumber, RequestId, UserId},
    record::{Audit, AuditEvent, Order, Record},
};

impl Engine {
    /// `ListenIn`, `Coach`, `BargeIn`. Every refusal is audited.
    pub(super) fn monitor(
        &mut self,
        request: RequestId,
        by: UserId,
        device: Option<DeviceId>,
        operation: MonitorOperation,
        form: Result<MonitorForm, FormError>,
        now: Time,
    ) -> Result<(), Refusal> {
        let asked = form.as_ref().ok().and_then(|it| self.number_asked_for(it));
        match self.judge(by, device, operation, form) {
            Ok(order) => self.arm(request, order, now),
            Err(refusal) => {
                let entry = Audit {
                    target_number: asked,
                    operation: Some(operation),
                    ..self.audit(AuditEvent::OrderRefused, by, device, None, now)
                };
                self.refuse_audited(request, entry, refusal);
            }
        }
        Ok(())
    }

    fn refuse_audited(&mut self, request: RequestId, entry: Audit, refusal: Refusal) {
        self.note(vec![Record::Audit(Audit { reason: Some(refusal.text.clone()), ..entry })]);
        self.reply(request, Err(refusal));
    }

    fn number_asked_for(&self, form: &MonitorForm) -> Option<PhoneNumber> {
        let by_uri = match form.target {
            Some(TargetUri::Device(device)) => self.people.number(device).cloned(),
            Some(TargetUri::Nothing) | None => None,
        };
        by_uri.or_else(|| form.phone_number.clone())
    }

    /// Looks a request over, in the order in which refusals are looked for.
    fn judge(
        &mut self,
        by: UserId,
        device: Option<DeviceId>,
        operation: MonitorOperation,
        form: Result<MonitorForm, FormError>,
    ) -> Result<Order, Refusal> {
        self.need_monitoring()?;
        if operation != MonitorOperation::ListenIn {
            return Err(refusal(
                RefusalKind::UnknownOperation,
                format!("{operation:?} is not offered by this server; ListenIn is."),
            ));
        }
        self.need_privilege(by, operation)?;
        let form = form?;
        if form.target.is_none() && form.phone_number.is_none() {
            return Err(refusal(
                RefusalKind::Missing,
                "A targetDeviceUri or a phoneNumber is missing: one of them has to say whom to monitor.",
            ));
        }
        let device = self.own_device(by, device)?;
        let target = self.find_target(by, device, &form)?;
        self.need_state(by, device, target)?;
        let standing = self.order_of(device).filter(|it| it.target == target).map(|it| it.id);
        let id = standing.unwrap_or_else(|| OrderId(self.draw()));
        let MonitorForm { scope, calls, .. } = form;
        Ok(Order { id, supervisor: by, device, target, operation, scope, calls, unanswered: 0 })
    }

    fn need_monitoring(&self) -> Result<(), Refusal> {
        self.need_voice()?;
        if self.center.has(ContactCenter::MONITORING) {
            return Ok(());
        }
        Err(refusal(
            RefusalKind::UnknownOperation,
            "There is no such operation; it comes with the feature api-supervisor-monitoring, which is not assigned.",
        ))
    }

    fn need_role(&self, by: UserId) -> Result<(), Refusal> {
        if self.people.person(by).is_some_and(|it| it.is(Role::Supervisor)) {
            return Ok(());
        }
        Err(refusal(RefusalKind::NotPermitted, "Monitoring needs the role ROLE_SUPERVISOR, which you do not have."))
    }

    fn need_privilege(&self, by: UserId, operation: MonitorOperation) -> Result<(), Refusal> {
        self.need_role(by)?;
        if self.people.person(by).is_some_and(|it| it.user.monitor.contains(&operation)) {
            return Ok(());
        }
        Err(refusal(
            RefusalKind::NotPermitted,
            format!("Your account lacks the privilege for {operation:?}; an administrator can give it."),
        ))
    }

    /// The device watched, by URI or by number.
    fn find_target(&self, by: UserId, own: DeviceId, form: &MonitorForm) -> Result<DeviceId, Refusal> {
        let unknown = || not_found("There is no such device among those of the teams that you supervise.");
        let named = match form.target {
            Some(TargetUri::Nothing) => return Err(unknown()),
            Some(TargetUri::Device(device)) => Some(device),
            None => None,
        };
        let numbered = form.phone_number.as_ref().and_then(|it| self.people.by_number(it));
        if let (None, None, Some(number)) = (named, numbered, &form.phone_number) {
            return Err(self.refuse_queue(by, number).unwrap_or_else(unknown));
        }
        let target = named.or(numbered).ok_or_else(unknown)?;
        if target == own {
            return Err(refusal(
                RefusalKind::Forbidden,
                "A device cannot monitor itself; name the device of somebody else.",
            ));
        }
        if !self.may_watch(by, target) {
            return Err(unknown());
        }
        if form.phone_number.is_some() && numbered != Some(target) {
            return Err(refusal(
                RefusalKind::OutOfRange,
                "targetDeviceUri and phoneNumber name different devices; leave one out or let them agree.",
            ));
        }
        Ok(target)
    }

    fn refuse_queue(&self, by: UserId, number: &PhoneNumber) -> Option<Refusal> {
        let queue = self.people.queues.get(number)?;
        let supervised = &self.people.person(by)?.user.supervises;
        let known = !queue.teams.is_disjoint(supervised);
        known.then(|| not_now(format!("{number} is a queue; queues cannot be monitored yet, devices can.")))
    }

    /// Whether the device's owner works in a team that this user supervises.
    fn may_watch(&self, by: UserId, target: DeviceId) -> bool {
        let owner = self.people.owner(target).and_then(|it| self.people.person(it));
        let (Some(owner), Some(supervisor)) = (owner, self.people.person(by)) else { return false };
        !owner.user.teams.is_disjoint(&supervisor.user.supervises)
    }

    /// Whether a supervisor may hear this target now: asked with the request and again at each join (R-22, C-10).
    pub(super) fn need_permission(
        &self,
        by: UserId,
        target: DeviceId,
        operation: MonitorOperation,
    ) -> Result<(), Refusal> {
        self.need_monitoring()?;
        self.need_privilege(by, operation)?;
        if self.may_watch(by, target) {
            return Ok(());
        }
        Err(refusal(RefusalKind::NotPermitted, "The target no longer belongs to a team that you supervise."))
    }

    fn need_state(&self, by: UserId, device: DeviceId, target: DeviceId) -> Result<(), Refusal> {
        self.need_log_ins(by, device, target)?;
        if !self.people.phone(device).is_some_and(|it| it.registered) {
            return Err(not_now("Your phone is not registered, so there is nowhere to deliver the call; register it."));
        }
        let most = self.settings.supervision.max_supervisors_per_target;
        if self.watchers(target, device) >= most {
            return Err(refusal(
                RefusalKind::InUse,
                format!("The target is already monitored, and at most {most} may at a time; try later."),
            ));
        }
        Ok(())
    }

    fn need_log_ins(&self, by: UserId, device: DeviceId, target: DeviceId) -> Result<(), Refusal> {
        let at = self.people.person(by).and_then(|it| it.log_in).map(|it| it.device);
        if at != Some(device) {
            return Err(not_now("You have no contact-centre session here; start one with StartContactCenterSession."));
        }
        if self.people.phone(target).is_none_or(|it| it.user.is_none()) {
            return Err(not_now("The target is not logged in; monitoring is possible once it is."));
        }
        Ok(())
    }

    /// How many other devices watch a target, or are about to.
    fn watchers(&self, target: DeviceId, but: DeviceId) -> usize {
        let Some(phone) = self.people.phone(target) else { return 0 };
        let standing = phone.watched_by.iter().filter_map(|it| self.orders.get(it)).map(|it| it.device);
        let all: BTreeSet<DeviceId> = standing.chain(phone.being_armed.iter().copied()).collect();
        all.into_iter().filter(|it| *it != but).count()
    }

    pub(super) fn order_of(&self, device: DeviceId) -> Option<&Order> {
        self.orders.get(&self.people.phone(device)?.order?)
    }

    /// Writes an order down; it stands, shows and works once it is written.
    fn arm(&mut self, request: RequestId, order: Order, now: Time) {
        let old = self.order_of(order.device).cloned();
        let same = old.as_ref().is_some_and(|it| it.id == order.id);
        let mut records = Vec::new();
        if let Some(old) = old.filter(|_| !same) {
            records.push(Record::OrderGone(old.id));
            records.push(self.audit_order(AuditEvent::OrderEnded, &old, Some(Reason::Replaced), now));
        }
        records.push(Record::Order(order.clone()));
        let what = if same { AuditEvent::OrderChanged } else { AuditEvent::OrderArmed };
        records.push(self.audit_order(what, &order, None, now));
        if let Some(target) = self.people.phone_mut(order.target) {
            target.being_armed.insert(order.device);
        }
        let before = if same { Before::Same } else { Before::Other };
        let lock = Lock::User(order.supervisor);
        self.store_command(request, lock, records, Durable::Arm(order, before), Reply::Done);
    }

    pub(super) fn no_longer_being_armed(&mut self, order: &Order) {
        if let Some(target) = self.people.phone_mut(order.target) {
            target.being_armed.remove(&order.device);
        }
    }

    /// The order is written: it stands, unless somebody has logged out meanwhile.
    pub(super) fn make_order(&mut self, order: Order, before: Before, now: Time) -> Result<(), Refusal> {
        self.no_longer_being_armed(&order);
        if let Err(refusal) = self.need_log_ins(order.supervisor, order.device, order.target) {
            let old = self.people.phone(order.device).and_then(|it| it.order);
            old.into_iter().for_each(|it| self.forget_order(it));
            self.note_order_end(&order, Reason::LoggedOutMeanwhile, now);
            return Err(refusal);
        }
        let (id, device) = (order.id, order.device);
        let old = self.people.phone(device).and_then(|it| it.order);
        let ended = old.is_none() && before == Before::Same;
        if ended || self.overtaken.remove(&id) {
            // What it changes has been written since, as it was or as gone, and the last record counts.
            self.note(vec![Record::Order(order.clone())]);
        }
        old.into_iter().filter(|it| *it != id).for_each(|it| self.forget_order(it));
        self.enter_order(order);
        self.outbox.again.insert(device);
        self.take_up(id, now);
        Ok(())
    }

    /// An order as it is now, for the disk.
    pub(super) fn order_record(&mut self, order: Order) -> Record {
        if self.queued.contains_key(&Lock::User(order.supervisor)) {
            self.overtaken.insert(order.id);
        }
        Record::Order(order)
    }

    pub(super) fn enter_order(&mut self, order: Order) {
        if let Some(phone) = self.people.phone_mut(order.device) {
            phone.order = Some(order.id);
        }
        if let Some(target) = self.people.phone_mut(order.target) {
            target.watched_by.insert(order.id);
        }
        self.order_shows(&order);
        self.orders.insert(order.id, order);
    }

    /// The order stands no longer; the session in progress is another matter.
    fn forget_order(&mut self, id: OrderId) {
        let Some(order) = self.orders.remove(&id) else { return };
        if self.overtaken.remove(&id) {
            self.note(vec![Record::OrderGone(id)]);
        }
        if let Some(phone) = self.people.phone_mut(order.device) {
            phone.order = phone.order.filter(|it| *it != id);
        }
        if let Some(target) = self.people.phone_mut(order.target) {
            target.watched_by.remove(&id);
        }
        self.order_shows(&order);
    }

    /// An order shows on its device, and to the target where the policy is to tell as soon as it stands (a.8).
    fn order_shows(&mut self, order: &Order) {
        self.outbox.devices.insert(order.device);
        if let Some(target) = self.people.phone(order.target) {
            self.outbox.calls.extend(target.legs.values());
        }
    }

    /// Ends an order that stands.
    pub(super) fn order_ends(&mut self, id: OrderId, why: Reason, now: Time) {
        let Some(order) = self.orders.get(&id).cloned() else { return };
        self.note_order_end(&order, why, now);
        self.forget_order(id);
    }

    fn note_order_end(&mut self, order: &Order, why: Reason, now: Time) {
        let entry = self.audit_order(AuditEvent::OrderEnded, order, Some(why), now);
        self.note(vec![Record::OrderGone(order.id), entry]);
    }

    /// `CancelSupervisorMonitoring`. A refusal is audited as well.
    pub(super) fn cancel_monitoring(
        &mut self,
        request: RequestId,
        by: UserId,
        device: Option<DeviceId>,
        now: Time,
    ) -> Result<(), Refusal> {
        match self.judge_cancel(by, device) {
            Ok(order) => {
                let entry = self.audit_order(AuditEvent::OrderEnded, &order, Some(Reason::Cancelled), now);
                let records = vec![Record::OrderGone(order.id), entry];
                self.store_command(request, Lock::User(by), records, Durable::Disarm(order.id), Reply::Done);
            }
            Err(refusal) => {
                let entry = self.audit(AuditEvent::OrderRefused, by, device, None, now);
                self.refuse_audited(request, entry, refusal);
            }
        }
        Ok(())
    }

    fn judge_cancel(&self, by: UserId, device: Option<DeviceId>) -> Result<Order, Refusal> {
        self.need_monitoring()?;
        self.need_role(by)?;
        let device = self.own_device(by, device)?;
        let order = self.order_of(device).filter(|it| it.supervisor == by).cloned();
        order.ok_or_else(|| not_now("There is no monitoring to cancel; ListenIn begins one."))
    }

    /// The cancel is written. The session in progress goes on unless the settings say otherwise (E-20).
    pub(super) fn make_cancel(&mut self, id: OrderId, now: Time) {
        let device = self.orders.get(&id).map(|it| it.device);
        self.forget_order(id);
        let session = device.and_then(|it| self.people.phone(it)).and_then(|it| it.session);
        if let Some(session) = session
            && self.settings.supervision.cancel_ends_session
        {
            self.session_ends(session, Reason::Cancelled, now);
        }
    }

    /// Nobody is left who may listen: order and session end (E-19).
    pub(super) fn supervisor_logged_out(&mut self, device: DeviceId, now: Time) {
        let Some(phone) = self.people.phone(device) else { return };
        let (order, session) = (phone.order, phone.session);
        order.into_iter().for_each(|it| self.order_ends(it, Reason::SupervisorLoggedOut, now));
        session.into_iter().for_each(|it| self.session_ends(it, Reason::SupervisorLoggedOut, now));
    }

    /// Orders on the target end; a session runs on, as a log-out is no call event (E-17, E-18).
    pub(super) fn target_logged_out(&mut self, device: DeviceId, now: Time) {
        let orders = self.people.phone(device).map(|it| it.watched_by.clone()).unwrap_or_default();
        orders.into_iter().for_each(|it| self.order_ends(it, Reason::TargetLoggedOut, now));
    }

    /// An entry of the audit trail with all that is known of the two sides.
    pub(super) fn audit(
        &self,
        what: AuditEvent,
        supervisor: UserId,
        device: Option<DeviceId>,
        target: Option<DeviceId>,
        at: Time,
    ) -> Audit {
        let name = |user: UserId| self.people.person(user).map(|it| it.user.user_name.clone());
        let number = |device: DeviceId| self.people.number(device).cloned();
        Audit {
            at,
            what,
            supervisor,
            supervisor_name: name(supervisor).unwrap_or_default(),
            supervisor_number: device.and_then(number),
            target_number: target.and_then(number),
            target_name: target.and_then(|it| self.people.owner(it)).and_then(name),
            call: None,
            order: None,
            session: None,
            operation: None,
            reason: None,
        }
    }

    pub(super) fn audit_order(&self, what: AuditEvent, order: &Order, why: Option<Reason>, at: Time) -> Record {
        Record::Audit(Audit {
            order: Some(order.id),
            operation: Some(order.operation),
            reason: why.map(|it| it.to_string()),
            ..self.audit(what, order.supervisor, Some(order.device), Some(order.target), at)
        })
    }
}
