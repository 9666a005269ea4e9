//! Objects that the operator makes or changes.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    Engine,
    store::{Durable, Lock},
};
use crate::{
    command::{Refusal, Reply},
    config::{Device, Provision, Queue, User},
    event::Action,
    ids::{PhoneNumber, RequestId, UserId},
    record::Record,
    view::Change,
};

impl Engine {
    /// Writes down what differs from what there is; objects that are not named stay as they are.
    pub(super) fn provision(&mut self, request: RequestId, wanted: Provision) -> Result<(), Refusal> {
        let mut records = Vec::new();
        let center = wanted.contact_center.filter(|it| *it != self.center);
        records.extend(center.map(Record::ContactCenter));
        let mut drawn = BTreeMap::new();
        for device in wanted.devices {
            records.extend(self.device_record(device, &mut drawn));
        }
        let mut drawn = BTreeMap::new();
        for user in wanted.users {
            records.extend(self.user_record(user, &mut drawn));
        }
        let queues = wanted.queues.into_iter().filter(|it| self.people.queues.get(&it.phone_number) != Some(it));
        records.extend(queues.map(Record::Queue));
        let trunks = wanted.trunks.into_iter().filter(|it| self.people.trunks.get(&it.name) != Some(it));
        records.extend(trunks.map(Record::Trunk));
        let rules = wanted.dial_rules.filter(|it| *it != self.people.dial_rules);
        records.extend(rules.map(Record::DialRules));
        if records.is_empty() {
            self.reply(request, Ok(Reply::Done));
        } else {
            let change = Durable::Provision(records.clone());
            self.store_command(request, Lock::Operator, records, change, Reply::Done);
        }
        Ok(())
    }

    fn device_record(
        &mut self,
        device: Device,
        drawn: &mut BTreeMap<PhoneNumber, crate::ids::DeviceId>,
    ) -> Option<Record> {
        let known = self.people.by_number(&device.phone_number).or(drawn.get(&device.phone_number).copied());
        let id = known.unwrap_or_else(|| self.draw_device_id());
        drawn.insert(device.phone_number.clone(), id);
        let device = Device { id, ..device };
        let same = self.people.phone(id).is_some_and(|it| it.device == device);
        (!same).then_some(Record::Device(device))
    }

    fn user_record(&mut self, user: User, drawn: &mut BTreeMap<String, UserId>) -> Option<Record> {
        let known = self.people.by_name(&user.user_name).or(drawn.get(&user.user_name).copied());
        let id = known.unwrap_or_else(|| UserId(self.draw()));
        drawn.insert(user.user_name.clone(), id);
        let user = User { id, ..user };
        let same = self.people.person(id).is_some_and(|it| it.user == user);
        (!same).then_some(Record::User(user))
    }

    pub(super) fn make_provision(&mut self, records: Vec<Record>) {
        for record in records {
            match record {
                Record::ContactCenter(center) => self.center = center,
                Record::Device(device) => self.people.put_device(device),
                Record::User(user) => self.people.put_user(user),
                Record::Queue(queue) => self.put_queue(queue),
                Record::Trunk(trunk) => {
                    self.people.trunks.insert(trunk.name.clone(), trunk);
                }
                Record::DialRules(rules) => self.people.dial_rules = rules,
                _ => {}
            }
        }
        self.all_may_have_changed();
    }

    pub(super) fn put_queue(&mut self, queue: Queue) {
        let number = queue.phone_number.clone();
        self.outbox.acts.push(Action::Publish(Change::Queue(number.clone())));
        self.outbox.acts.push(Action::Music { queue: number.clone(), file: queue.music.clone() });
        self.people.queues.insert(number, queue);
    }

    /// After a change of what is set up, everything is compared with what readers have.
    pub(super) fn all_may_have_changed(&mut self) {
        let center = Arc::new(self.center.clone());
        self.outbox.acts.push(Action::Publish(Change::ContactCenter(center)));
        self.outbox.directory = true;
        self.outbox.distribute = true;
        self.outbox.users.extend(self.people.user_ids());
        self.outbox.devices.extend(self.people.device_ids());
    }
}
