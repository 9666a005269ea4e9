//! Storage as the world has it: what was committed survives a restart.

use domain::{
    event::Saved,
    record::{AuditEvent, Record, Registration},
};

#[derive(Default)]
pub(crate) struct Disk {
    saved: Saved,
}

impl Disk {
    pub(crate) fn saved(&self) -> Saved {
        self.saved.clone()
    }

    pub(crate) fn write(&mut self, record: Record) {
        let saved = &mut self.saved;
        match record {
            Record::ContactCenter(it) => saved.contact_center = Some(it),
            Record::Device(it) => put(&mut saved.devices, it, |it| it.id),
            Record::User(it) => put(&mut saved.users, it, |it| it.id),
            Record::Queue(it) => put(&mut saved.queues, it, |it| it.phone_number.clone()),
            Record::Trunk(it) => put(&mut saved.trunks, it, |it| it.name.clone()),
            Record::DialRules(it) => saved.dial_rules = it,
            Record::LogIn(it) => put(&mut saved.log_ins, it, |it| it.user),
            Record::LogOut(user) => saved.log_ins.retain(|it| it.user != user),
            Record::Comfort(it) => put(&mut saved.comforts, it, |it| it.device),
            Record::Order(it) => put(&mut saved.orders, it, |it| it.id),
            Record::OrderGone(id) => saved.orders.retain(|it| it.id != id),
            Record::SessionEnded(id) => saved.open_sessions.retain(|it| it.session != Some(id)),
            Record::Audit(it) if it.what == AuditEvent::SessionOffered => saved.open_sessions.push(it),
            Record::Audit(_) | Record::SessionBegun(_) => {}
            Record::Registration(it) => self.register(it),
            Record::RegistrationGone { number, contact } => {
                saved.registrations.retain(|it| (&it.number, &it.contact) != (&number, &contact));
            }
        }
    }

    pub(crate) fn register(&mut self, it: Registration) {
        put(&mut self.saved.registrations, it, |it| (it.number.clone(), it.contact.clone()));
    }

    /// What should be empty, or agree with the engine, when the world has come to rest.
    pub(crate) fn open(&self) -> (usize, usize) {
        (self.saved.open_sessions.len(), self.saved.orders.len())
    }
}

fn put<T, K: PartialEq>(all: &mut Vec<T>, new: T, key: impl Fn(&T) -> K) {
    let id = key(&new);
    all.retain(|it| key(it) != id);
    all.push(new);
}
