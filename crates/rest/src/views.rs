//! What readers see: the newest view of every object, swapped in as the engine publishes it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use domain::{
    config::{ContactCenter, Role},
    ids::{CallId, DeviceId, PhoneNumber, UserId},
    view::{CallState, CallView, Change, DeviceView, UserView},
};

/// The newest view of every object. Reading holds a lock for a look-up and hands out an `Arc`.
#[derive(Debug, Default)]
pub struct Views {
    tables: RwLock<Tables>,
}

#[derive(Debug, Default)]
struct Tables {
    contact_center: Arc<ContactCenter>,
    users: BTreeMap<UserId, Arc<UserView>>,
    user_names: BTreeMap<String, UserId>,
    devices: BTreeMap<DeviceId, Arc<DeviceView>>,
    numbers: BTreeMap<PhoneNumber, DeviceId>,
    calls: BTreeMap<(CallId, DeviceId), Arc<CallView>>,
    calls_of: BTreeMap<UserId, BTreeSet<(CallId, DeviceId)>>,
    queues: BTreeSet<PhoneNumber>,
}

impl Views {
    /// Takes in a change that the engine published.
    pub fn apply(&self, change: Change) {
        let mut tables = self.write();
        match change {
            Change::ContactCenter(it) => tables.contact_center = it,
            Change::User(it) => tables.user(it),
            Change::Device(it) => tables.device(it),
            Change::Call(it) => tables.call(it),
            Change::CallGone(call, device) => tables.call_gone((call, device)),
            Change::Queue(number) => {
                tables.queues.insert(number);
            }
        }
    }

    /// The contact centre; its defaults before the engine published one.
    #[must_use]
    pub fn contact_center(&self) -> Arc<ContactCenter> {
        self.read().contact_center.clone()
    }

    /// A user by id.
    #[must_use]
    pub fn user(&self, id: UserId) -> Option<Arc<UserView>> {
        self.read().users.get(&id).cloned()
    }

    /// A user by the name to log in with.
    #[must_use]
    pub fn user_named(&self, name: &str) -> Option<Arc<UserView>> {
        let tables = self.read();
        tables.users.get(tables.user_names.get(name)?).cloned()
    }

    /// Some user, if there is any.
    pub(crate) fn any_user(&self) -> Option<Arc<UserView>> {
        self.read().users.values().next().cloned()
    }

    /// All users.
    #[must_use]
    pub fn users(&self) -> Vec<Arc<UserView>> {
        self.read().users.values().cloned().collect()
    }

    /// A device by id.
    #[must_use]
    pub fn device(&self, id: DeviceId) -> Option<Arc<DeviceView>> {
        self.read().devices.get(&id).cloned()
    }

    /// A device by number.
    #[must_use]
    pub fn device_numbered(&self, number: &PhoneNumber) -> Option<Arc<DeviceView>> {
        let tables = self.read();
        tables.devices.get(tables.numbers.get(number)?).cloned()
    }

    /// All devices.
    #[must_use]
    pub fn devices(&self) -> Vec<Arc<DeviceView>> {
        self.read().devices.values().cloned().collect()
    }

    /// A user's devices, the default place first.
    #[must_use]
    pub fn devices_of(&self, user: &UserView) -> Vec<Arc<DeviceView>> {
        let tables = self.read();
        user.devices.iter().filter_map(|it| tables.devices.get(it).cloned()).collect()
    }

    /// A user's live calls: those released are no longer there, even while they are still published.
    #[must_use]
    pub fn calls_of(&self, user: UserId) -> Vec<Arc<CallView>> {
        let tables = self.read();
        let keys = tables.calls_of.get(&user).into_iter().flatten();
        let calls = keys.filter_map(|it| tables.calls.get(it));
        calls.filter(|it| it.state != CallState::Released).cloned().collect()
    }

    /// Whether a number is a queue's.
    #[must_use]
    pub fn is_queue(&self, number: &PhoneNumber) -> bool {
        self.read().queues.contains(number)
    }

    // Nothing panics while it holds the lock, so there is no half-made change behind a poisoned one.
    fn read(&self) -> RwLockReadGuard<'_, Tables> {
        self.tables.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Tables> {
        self.tables.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    fn user(&mut self, it: Arc<UserView>) {
        if let Some(old) = self.users.get(&it.id) {
            self.user_names.remove(&old.user_name);
        }
        self.user_names.insert(it.user_name.clone(), it.id);
        self.users.insert(it.id, it);
    }

    fn device(&mut self, it: Arc<DeviceView>) {
        if let Some(old) = self.devices.get(&it.id) {
            self.numbers.remove(&old.phone_number);
        }
        self.numbers.insert(it.phone_number.clone(), it.id);
        self.devices.insert(it.id, it);
    }

    fn call(&mut self, it: Arc<CallView>) {
        let key = (it.call, it.device);
        self.call_gone(key);
        if let Some(owner) = it.owner {
            self.calls_of.entry(owner).or_default().insert(key);
        }
        self.calls.insert(key, it);
    }

    fn call_gone(&mut self, key: (CallId, DeviceId)) {
        let Some(owner) = self.calls.remove(&key).and_then(|it| it.owner) else {
            return;
        };
        if let Some(keys) = self.calls_of.get_mut(&owner) {
            keys.remove(&key);
            if keys.is_empty() {
                self.calls_of.remove(&owner);
            }
        }
    }
}

/// Whether a user may know of a device: an administrator of all, a supervisor of those of the teams supervised,
/// everybody of one's own.
pub(crate) fn sees_device(user: &UserView, device: &DeviceView) -> bool {
    user.roles.contains(&Role::Admin)
        || device.owner == Some(user.id)
        || user.devices.contains(&device.id)
        || (user.roles.contains(&Role::Supervisor) && !user.supervises.is_disjoint(&device.teams))
}

/// Whether a user may know of another, by the same rule.
pub(crate) fn sees_user(user: &UserView, other: &UserView) -> bool {
    user.roles.contains(&Role::Admin)
        || user.id == other.id
        || (user.roles.contains(&Role::Supervisor) && !user.supervises.is_disjoint(&other.teams))
}
