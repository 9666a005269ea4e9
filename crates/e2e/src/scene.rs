//! A server with the people of the tests, and what they do most often.

use std::{
    sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    SOON,
    phone::Phone,
    probe::{Probe, Source},
    server::{Server, Setup},
    tones::Recording,
};

/// The number from which the customer calls over the trunk.
pub const CUSTOMER: &str = "0301234567";

/// The tones by which the three are told apart.
pub const CUSTOMER_TONE: u32 = 440;
/// See [`CUSTOMER_TONE`].
pub const AGENT_TONE: u32 = 1000;
/// See [`CUSTOMER_TONE`].
pub const SUPERVISOR_TONE: u32 = 1700;

/// The machine, shared with other tests of this process for as long as the guard lives.
pub fn light() -> RwLockReadGuard<'static, ()> {
    MACHINE.read().unwrap_or_else(PoisonError::into_inner)
}

/// The machine for one test alone, because it needs most of it.
pub fn heavy() -> RwLockWriteGuard<'static, ()> {
    MACHINE.write().unwrap_or_else(PoisonError::into_inner)
}

static MACHINE: RwLock<()> = RwLock::new(());

/// A running server and its people.
pub struct Scene {
    /// The server.
    pub server: Server,
    _machine: RwLockReadGuard<'static, ()>,
}

impl Scene {
    /// Starts the server; nobody is logged in and no phone registered.
    #[must_use]
    pub fn new(setup: &Setup) -> Self {
        let machine = light();
        Self { server: Server::start(setup), _machine: machine }
    }

    /// Starts it and logs these users in to the voice channel.
    #[must_use]
    pub fn with(setup: &Setup, users: &[&str]) -> Self {
        let scene = Self::new(setup);
        users.iter().for_each(|it| scene.log_in(it));
        scene
    }

    /// The probe of the agent at 5001, registered.
    #[must_use]
    pub fn agent(&self) -> Probe {
        Probe::device(&self.server, "5001", Source::Tone(AGENT_TONE))
    }

    /// The probe of the supervisor at 5005, registered.
    #[must_use]
    pub fn supervisor(&self) -> Probe {
        Probe::device(&self.server, "5005", Source::Tone(SUPERVISOR_TONE))
    }

    /// The probe of the customer behind the trunk.
    #[must_use]
    pub fn customer(&self) -> Probe {
        Probe::trunk(&self.server, CUSTOMER, Source::Tone(CUSTOMER_TONE))
    }

    /// `StartContactCenterSession`.
    #[track_caller]
    pub fn log_in(&self, user: &str) {
        let body = json!({"operationName": "StartContactCenterSession", "channels": ["voice"]});
        self.server.rest(user).operate("/me", &body);
    }

    /// `EndContactCenterSession`.
    #[track_caller]
    pub fn log_out(&self, user: &str) {
        self.server.rest(user).operate("/me", &json!({"operationName": "EndContactCenterSession"}));
    }

    /// The user's own device as `GET /me/devices` shows it.
    #[track_caller]
    #[must_use]
    pub fn device(&self, user: &str) -> Value {
        self.server.rest(user).fetch("/me/devices?fields=*", "devices")[0].clone()
    }

    /// `/me/devices/{id}` with the id of the user's own device.
    #[track_caller]
    #[must_use]
    pub fn device_path(&self, user: &str) -> String {
        format!("/me/devices/{}", self.device(user)["id"].as_str().expect("a device has an id"))
    }

    /// The URI by which `user` names the device with that number.
    #[track_caller]
    #[must_use]
    pub fn uri(&self, user: &str, number: &str) -> String {
        let uris = self.server.rest(user).fetch(&format!("/devices?phoneNumber={number}"), "uris");
        uris[0].as_str().unwrap_or_else(|| panic!("{user} does not find {number}: {uris}")).to_owned()
    }

    /// `ListenIn` on the device with that number; `more` is added to the body.
    #[track_caller]
    pub fn listen_in(&self, user: &str, number: &str, more: &Value) {
        let body = self.listen_in_body(user, number, more);
        self.server.rest(user).operate(&self.device_path(user), &body);
    }

    /// The body of that request.
    #[track_caller]
    #[must_use]
    pub fn listen_in_body(&self, user: &str, number: &str, more: &Value) -> Value {
        let mut body = json!({"operationName": "ListenIn", "targetDeviceUri": self.uri(user, number)});
        if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
            body.extend(more.clone());
        }
        body
    }

    /// `CancelSupervisorMonitoring`.
    #[track_caller]
    pub fn cancel_monitoring(&self, user: &str) {
        let body = json!({"operationName": "CancelSupervisorMonitoring"});
        self.server.rest(user).operate(&self.device_path(user), &body);
    }

    /// The user's monitoring order as `GET /me/devices` shows it.
    #[track_caller]
    #[must_use]
    pub fn order(&self, user: &str) -> Option<Value> {
        self.device(user).get("supervisorMonitoringState").cloned()
    }

    /// The user's calls as `GET /me/calls` shows them.
    #[track_caller]
    #[must_use]
    pub fn calls(&self, user: &str) -> Vec<Value> {
        self.server.rest(user).fetch("/me/calls?fields=*", "calls").as_array().cloned().unwrap_or_default()
    }

    /// Waits until something that this asks for is so.
    ///
    /// # Panics
    /// If it is not so soon.
    #[track_caller]
    pub fn until(&self, what: &str, so: impl Fn(&Self) -> bool) {
        let until = Instant::now() + SOON;
        while !so(self) {
            assert!(Instant::now() < until, "in vain: {what}");
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// A call that `caller` makes to `number`, where `callee` answers by itself.
pub fn connect(caller: &mut dyn Phone, callee: &mut dyn Phone, number: &str) {
    caller.dial(number);
    callee.wait_established();
    caller.wait_established();
}

/// What all of them hear, at the same time, for so many seconds.
#[must_use]
pub fn listen(seconds: f32, phones: &mut [&mut dyn Phone]) -> Vec<Recording> {
    // What was on its way when it began is not what is asked for.
    thread::sleep(Duration::from_millis(300));
    phones.iter_mut().for_each(|it| it.start_recording());
    thread::sleep(Duration::from_secs_f32(seconds));
    phones.iter_mut().map(|it| it.stop_recording()).collect()
}
