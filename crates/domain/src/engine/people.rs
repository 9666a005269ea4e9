//! Users, their devices, and what is set up around them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use clock::Time;

use crate::{
    config::{Device, DialRule, Queue, Role, Trunk, User},
    event::Directory,
    ids::{CallId, DeviceId, LegId, OrderId, PhoneNumber, SessionId, UserId},
    record::{Comfort, LogIn},
    view::{AgentState, DeviceView, UserView},
};

/// All that is set up, with the indexes by which it is found.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct People {
    users: BTreeMap<UserId, Person>,
    user_names: BTreeMap<String, UserId>,
    phones: BTreeMap<DeviceId, Phone>,
    numbers: BTreeMap<PhoneNumber, DeviceId>,
    /// Whose default place a number is.
    homes: BTreeMap<PhoneNumber, BTreeSet<UserId>>,
    pub(super) queues: BTreeMap<PhoneNumber, Queue>,
    pub(super) trunks: BTreeMap<String, Trunk>,
    pub(super) dial_rules: Vec<DialRule>,
}

/// A user as it lives.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Person {
    pub(super) user: User,
    pub(super) log_in: Option<LogIn>,
    /// Since when it waits for a call from a queue, if it does: it became Ready, or its last call ended.
    pub(super) idle_since: Time,
    /// Until when a Ready agent is in after-call work. A restart ends that: only what was asked for is on disk.
    pub(super) wrap_up: Option<Time>,
    /// Messages sent so far.
    pub(super) told: u64,
    pub(super) published: Option<Arc<UserView>>,
}

impl Person {
    pub(super) fn state(&self) -> AgentState {
        match self.log_in.map_or(AgentState::Offline, |it| it.state) {
            AgentState::Ready if self.wrap_up.is_some() => AgentState::AfterCallWork,
            state => state,
        }
    }

    pub(super) fn is(&self, role: Role) -> bool {
        self.user.roles.contains(&role)
    }

    /// The name shown to those called.
    pub(super) fn display(&self) -> String {
        let name = format!("{} {}", self.user.first_name, self.user.last_name);
        name.trim().to_owned()
    }
}

/// A device as it lives.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Phone {
    pub(super) device: Device,
    pub(super) registered: bool,
    pub(super) do_not_disturb: bool,
    pub(super) forward_to: Option<PhoneNumber>,
    /// Who is logged in at it.
    pub(super) user: Option<UserId>,
    /// Whose log-in at it is being written.
    pub(super) reserved: Option<UserId>,
    /// Its legs as a party of calls.
    pub(super) legs: BTreeMap<LegId, CallId>,
    /// The session that it listens in.
    pub(super) session: Option<SessionId>,
    /// The order given from it.
    pub(super) order: Option<OrderId>,
    /// The orders that watch it.
    pub(super) watched_by: BTreeSet<OrderId>,
    /// The devices whose orders to watch it are being written.
    pub(super) being_armed: BTreeSet<DeviceId>,
    pub(super) published: Option<Arc<DeviceView>>,
}

impl Phone {
    fn new(device: Device) -> Self {
        Self {
            device,
            registered: false,
            do_not_disturb: false,
            forward_to: None,
            user: None,
            reserved: None,
            legs: BTreeMap::new(),
            session: None,
            order: None,
            watched_by: BTreeSet::new(),
            being_armed: BTreeSet::new(),
            published: None,
        }
    }

    pub(super) fn comfort(&self) -> Comfort {
        Comfort { device: self.device.id, do_not_disturb: self.do_not_disturb, forward_to: self.forward_to.clone() }
    }

    /// Whether a call of its own or a session keeps it busy (V-01).
    pub(super) fn is_busy(&self) -> bool {
        !self.legs.is_empty() || self.session.is_some()
    }
}

impl People {
    pub(super) fn person(&self, id: UserId) -> Option<&Person> {
        self.users.get(&id)
    }

    pub(super) fn person_mut(&mut self, id: UserId) -> Option<&mut Person> {
        self.users.get_mut(&id)
    }

    pub(super) fn phone(&self, id: DeviceId) -> Option<&Phone> {
        self.phones.get(&id)
    }

    pub(super) fn phone_mut(&mut self, id: DeviceId) -> Option<&mut Phone> {
        self.phones.get_mut(&id)
    }

    pub(super) fn by_number(&self, number: &PhoneNumber) -> Option<DeviceId> {
        self.numbers.get(number).copied()
    }

    /// The trunk, and the number as it should see it, that the first fitting dial rule leads to. Rules that name a trunk
    /// which is not set up are passed over.
    pub(super) fn outside(&self, number: &PhoneNumber) -> Option<(String, String)> {
        let fits = |it: &DialRule| {
            let rest = number.as_str().strip_prefix(&it.prefix).filter(|it| !it.is_empty())?;
            self.trunks.contains_key(&it.trunk).then(|| (it.trunk.clone(), rest.to_owned()))
        };
        self.dial_rules.iter().find_map(fits)
    }

    pub(super) fn by_name(&self, user_name: &str) -> Option<UserId> {
        self.user_names.get(user_name).copied()
    }

    pub(super) fn user_ids(&self) -> impl Iterator<Item = UserId> {
        self.users.keys().copied()
    }

    pub(super) fn device_ids(&self) -> impl Iterator<Item = DeviceId> {
        self.phones.keys().copied()
    }

    /// The number of a device, if it exists.
    pub(super) fn number(&self, id: DeviceId) -> Option<&PhoneNumber> {
        self.phone(id).map(|it| &it.device.phone_number)
    }

    /// Whose a device is: whoever is logged in at it, else the first whose default place it is.
    pub(super) fn owner(&self, id: DeviceId) -> Option<UserId> {
        let phone = self.phone(id)?;
        let home = || self.homes.get(&phone.device.phone_number).and_then(|it| it.first().copied());
        phone.user.or_else(home)
    }

    /// A user's default place.
    pub(super) fn home(&self, id: UserId) -> Option<DeviceId> {
        self.person(id)?.user.device.as_ref().and_then(|it| self.by_number(it))
    }

    /// A user's devices: the default place first, then the one logged in at, where it is another.
    pub(super) fn devices_of(&self, id: UserId) -> Vec<DeviceId> {
        let mut devices: Vec<DeviceId> = self.home(id).into_iter().collect();
        let at = self.person(id).and_then(|it| it.log_in).map(|it| it.device);
        devices.extend(at.filter(|it| !devices.contains(it)));
        devices
    }

    /// Enters or changes a user. Its log-in stays.
    pub(super) fn put_user(&mut self, user: User) {
        let id = user.id;
        if let Some(old) = self.users.get(&id) {
            self.user_names.remove(&old.user.user_name);
            if let Some(homes) = old.user.device.as_ref().and_then(|it| self.homes.get_mut(it)) {
                homes.remove(&id);
            }
        }
        self.user_names.insert(user.user_name.clone(), id);
        if let Some(number) = &user.device {
            self.homes.entry(number.clone()).or_default().insert(id);
        }
        match self.users.get_mut(&id) {
            Some(person) => person.user = user,
            None => {
                let person = Person {
                    user,
                    log_in: None,
                    idle_since: Time::from_unix_ms(0),
                    wrap_up: None,
                    told: 0,
                    published: None,
                };
                self.users.insert(id, person);
            }
        }
    }

    /// Enters or changes a device. Its calls and orders stay.
    pub(super) fn put_device(&mut self, device: Device) {
        if let Some(old) = self.phones.get(&device.id) {
            self.numbers.remove(&old.device.phone_number);
        }
        self.numbers.insert(device.phone_number.clone(), device.id);
        match self.phones.get_mut(&device.id) {
            Some(phone) => phone.device = device,
            None => {
                self.phones.insert(device.id, Phone::new(device));
            }
        }
    }

    /// Does nothing for a device or user that has gone.
    pub(super) fn log_in(&mut self, log_in: LogIn) {
        let (Some(person), Some(phone)) = (self.users.get_mut(&log_in.user), self.phones.get_mut(&log_in.device))
        else {
            return;
        };
        person.log_in = Some(log_in);
        phone.user = Some(log_in.user);
    }

    /// Gives the device back; answers which one it was.
    pub(super) fn log_out(&mut self, user: UserId) -> Option<DeviceId> {
        let device = self.users.get_mut(&user)?.log_in.take()?.device;
        if let Some(phone) = self.phones.get_mut(&device) {
            phone.user = None;
        }
        Some(device)
    }

    pub(super) fn set_comfort(&mut self, comfort: Comfort) {
        if let Some(phone) = self.phones.get_mut(&comfort.device) {
            phone.do_not_disturb = comfort.do_not_disturb;
            phone.forward_to = comfort.forward_to;
        }
    }

    pub(super) fn directory(&self) -> Directory {
        let entry = |it: &Phone| (it.device.phone_number.clone(), it.device.ha1.clone());
        Directory {
            devices: self.phones.values().map(entry).collect(),
            trunks: self.trunks.values().cloned().collect(),
        }
    }
}
