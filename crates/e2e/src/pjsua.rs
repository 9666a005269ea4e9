//! A PJSIP phone, driven through `phones/pjsua_phone.py`.

use std::{process::Command, thread, time::Duration};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    SOON,
    phone::{Phone, Policy},
    ports::{free_port, free_ports},
    process::LineProcess,
    server::Server,
    tones::Recording,
    tools, wav,
};

/// The phone.
pub struct Pjsua {
    process: LineProcess,
    server: String,
    folder: TempDir,
    recordings: u32,
}

impl Pjsua {
    /// A device of the server, registered.
    ///
    /// # Panics
    /// If the server does not take the registration.
    #[must_use]
    pub fn device(server: &Server, number: &str, tone: u32, policy: Policy) -> Self {
        Self::registered(server, number, tone, policy, &json!({}))
    }

    /// The same with more settings of `pjsua_phone.py`.
    ///
    /// # Panics
    /// If the server does not take the registration.
    #[must_use]
    pub fn device_with(server: &Server, number: &str, tone: u32, policy: Policy, more: &Value) -> Self {
        Self::registered(server, number, tone, policy, more)
    }

    /// The same over TCP.
    ///
    /// # Panics
    /// If the server does not take the registration.
    #[must_use]
    pub fn device_over_tcp(server: &Server, number: &str, tone: u32, policy: Policy) -> Self {
        Self::registered(server, number, tone, policy, &json!({"tcp": true}))
    }

    fn registered(server: &Server, number: &str, tone: u32, policy: Policy, more: &Value) -> Self {
        let password = Server::secret(number);
        let phone = Self::launch(&server.sip.to_string(), number, Some(&password), free_port(), tone, policy, more);
        let registered = phone.wait("registration", |it| it["event"] == "registration");
        assert_eq!((&registered["code"], &registered["active"]), (&json!(200), &json!(true)), "{number}: {registered}");
        phone
    }

    /// The far end of the server's trunk, where `number` calls from.
    #[must_use]
    pub fn trunk(server: &Server, number: &str, tone: u32, policy: Policy) -> Self {
        Self::start(&server.sip.to_string(), number, None, server.trunk_port, tone, policy)
    }

    /// Any phone: `server` is where it registers, if it has a password, and calls.
    #[must_use]
    pub fn start(server: &str, user: &str, password: Option<&str>, sip_port: u16, tone: u32, policy: Policy) -> Self {
        Self::launch(server, user, password, sip_port, tone, policy, &json!({}))
    }

    fn launch(
        server: &str,
        user: &str,
        password: Option<&str>,
        sip_port: u16,
        tone: u32,
        policy: Policy,
        more: &Value,
    ) -> Self {
        let mut settings = json!({
            "sip_port": sip_port,
            "rtp_port": free_ports(20),
            "user": user,
            "password": password,
            "server": server,
            "tone": tone,
            "answer": policy_text(policy),
        });
        if let (Some(settings), Some(more)) = (settings.as_object_mut(), more.as_object()) {
            settings.extend(more.clone());
        }
        let mut command = Command::new(tools::tool("venv").join("bin/python"));
        command.arg(tools::own_file("phones/pjsua_phone.py")).arg(settings.to_string());
        let process = LineProcess::start(&format!("pjsua {user}"), &mut command);
        let folder = tempfile::tempdir().expect("the system has a folder for temporary files");
        let server = if more["tcp"] == true { format!("{server};transport=tcp") } else { server.to_owned() };
        let phone = Self { process, server, folder, recordings: 0 };
        phone.wait("started", |it| it["event"] == "started");
        phone
    }

    /// Puts the call on hold by a re-INVITE and waits until that is agreed.
    pub fn hold(&mut self) {
        self.order(&json!({"order": "hold"}));
        self.wait("hold", |it| it["event"] == "media" && it["status"] == 2);
    }

    /// Takes it back, as [`Self::hold`].
    pub fn retrieve(&mut self) {
        self.forget("media");
        self.order(&json!({"order": "retrieve"}));
        self.wait("retrieve", |it| it["event"] == "media" && it["direction"] == "sendrecv");
    }

    /// Presses keys (RFC 4733).
    pub fn press(&mut self, digits: &str) {
        self.order(&json!({"order": "dtmf", "digits": digits}));
    }

    /// Waits until it is sent these digits.
    pub fn wait_digits(&self, digits: &str) {
        for digit in digits.chars() {
            self.wait("digit", |it| it["event"] == "dtmf" && it["digit"] == digit.to_string());
        }
    }

    /// Answers the call with `code`: 183 begins early media.
    pub fn reply(&mut self, code: u16) {
        self.order(&json!({"order": "reply", "code": code}));
    }

    /// The INVITE of the next call that comes in.
    pub fn wait_incoming(&self) -> String {
        let event = self.wait("incoming call", |it| it["event"] == "incoming");
        event["message"].as_str().unwrap_or("").to_owned()
    }

    /// The status with which the next call that ends has ended.
    pub fn wait_end_status(&self) -> i64 {
        let event = self.wait("end of call", |it| it["event"] == "state" && it["state"] == "DISCONNECTED");
        event["code"].as_i64().unwrap_or(0)
    }

    /// Waits for one of its call's states.
    pub fn wait_state(&self, state: &str) -> Value {
        self.wait(state, |it| it["event"] == "state" && it["state"] == state)
    }

    /// Waits until its sound is connected, which may be before the call is.
    pub fn wait_media(&self) {
        self.wait("media", |it| it["event"] == "media" && it["status"] == 1);
    }

    /// The messages that it was sent inside calls whose first line begins so.
    #[must_use]
    pub fn messages(&self, first: &str) -> Vec<String> {
        let history = self.process.history().into_iter();
        let messages = history.filter_map(|it| it["message"].as_str().map(str::to_owned));
        messages.filter(|it| it.starts_with(first)).collect()
    }

    /// First lines of the SIP messages that it was sent inside calls, in order.
    #[must_use]
    pub fn received(&self) -> Vec<String> {
        let history = self.process.history().into_iter();
        let messages = history.filter(|it| it["event"] == "received" || it["event"] == "incoming");
        messages.filter_map(|it| it["message"].as_str()?.lines().next().map(str::to_owned)).collect()
    }

    /// The process ends without a word to anybody.
    pub fn vanish(&mut self) {
        self.process.kill();
    }

    fn order(&mut self, order: &Value) {
        self.process.order(order);
        let name = &order["order"];
        let done =
            self.wait("obedience", |it| (it["event"] == "done" && it["order"] == *name) || it["event"] == "failed");
        assert_eq!(done["event"], "done", "{order}: {done}");
    }

    fn wait(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        self.process.wait(what, SOON, wanted)
    }

    /// Passes over events of this kind that nobody has waited for.
    fn forget(&self, event: &str) {
        self.process.forget(|it| it["event"] == event);
    }
}

impl Phone for Pjsua {
    fn dial(&mut self, number: &str) {
        let to = format!("sip:{number}@{}", self.server);
        self.order(&json!({"order": "dial", "to": to}));
    }

    fn policy(&mut self, policy: Policy) {
        self.order(&json!({"order": "policy", "answer": policy_text(policy)}));
    }

    fn answer(&mut self) {
        self.reply(200);
    }

    fn wait_ringing(&mut self) {
        self.wait_incoming();
    }

    fn wait_established(&mut self) {
        self.wait_state("CONFIRMED");
    }

    fn wait_ended(&mut self) {
        self.wait_end_status();
    }

    fn hang_up(&mut self) {
        self.order(&json!({"order": "hangup"}));
    }

    fn start_recording(&mut self) {
        self.recordings += 1;
        let path = self.folder.path().join(format!("{}.wav", self.recordings));
        self.order(&json!({"order": "record", "path": path}));
    }

    fn stop_recording(&mut self) -> Recording {
        self.order(&json!({"order": "stop"}));
        let path = self.folder.path().join(format!("{}.wav", self.recordings));
        // The file is complete once Python has let go of the recorder, just after the answer.
        thread::sleep(Duration::from_millis(50));
        wav::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }
}

fn policy_text(policy: Policy) -> String {
    match policy {
        Policy::Answer => "auto".to_owned(),
        Policy::Ring => "ring".to_owned(),
        Policy::Refuse(code) => code.to_string(),
    }
}
