//! What users may ask for: log-ins, agent states, do-not-disturb, forwarding.

use clock::Time;

use super::{
    Engine,
    refuse::{not_found, not_now, refusal},
    store::{Durable, Lock},
};
use crate::{
    command::{AgentRequest, Command, DeviceOperation, Refusal, RefusalKind, Reply, StartSession, Switch, UserRequest},
    config::ContactCenter,
    ids::{DeviceId, RequestId, UserId},
    record::{Comfort, LogIn, Record},
    view::{AgentState, Notice},
};

impl Engine {
    /// Lets a command wait for an earlier one on the same object, or runs it.
    pub(super) fn take(&mut self, request: RequestId, command: Command, now: Time) -> Result<(), Refusal> {
        let command = match lock(&command) {
            Some(lock) => self.wait_for(lock, request, command)?,
            None => Some(command),
        };
        command.map_or(Ok(()), |command| self.run(request, command, now))
    }

    pub(super) fn run(&mut self, request: RequestId, command: Command, now: Time) -> Result<(), Refusal> {
        let (by, asked) = match command {
            Command::Provision(wanted) => return self.provision(request, wanted),
            Command::User { by, request: asked } => (by, asked),
        };
        if self.people.person(by).is_none() {
            return Err(not_found("This user no longer exists; log in as another."));
        }
        // A monitoring request looks at the features itself: its refusals are audited.
        if !is_monitoring(&asked) {
            self.need_voice()?;
        }
        match asked {
            UserRequest::StartSession(form) => self.start_session(request, by, &form?),
            UserRequest::EndSession => self.end_session(request, by),
            UserRequest::SetAgentState(state) => self.set_agent_state(request, by, state, now),
            UserRequest::Device { device, operation } => self.on_device(request, by, device, operation, now),
            UserRequest::Call { call, operation } => self.on_call(request, by, call, operation, now),
        }
    }

    pub(super) fn need_voice(&self) -> Result<(), Refusal> {
        if self.center.has(ContactCenter::VOICE) {
            return Ok(());
        }
        Err(refusal(
            RefusalKind::UnknownOperation,
            "There is no such operation; it comes with the feature api-voice, which is not assigned.",
        ))
    }

    fn on_device(
        &mut self,
        request: RequestId,
        by: UserId,
        device: Option<DeviceId>,
        operation: DeviceOperation,
        now: Time,
    ) -> Result<(), Refusal> {
        match operation {
            DeviceOperation::Monitor(operation, form) => self.monitor(request, by, device, operation, form, now),
            DeviceOperation::CancelMonitoring => self.cancel_monitoring(request, by, device, now),
            DeviceOperation::DoNotDisturb(switch) => {
                self.comfort(request, by, device, |it| it.do_not_disturb = switch == Switch::On)
            }
            DeviceOperation::ForwardOn(number) => {
                let number = number?;
                self.comfort(request, by, device, |it| it.forward_to = Some(number))
            }
            DeviceOperation::ForwardOff => self.comfort(request, by, device, |it| it.forward_to = None),
            DeviceOperation::Dial(number) => self.dial(request, by, device, &number?, now),
        }
    }

    /// Asking again while a session is open changes nothing and is answered alike: a desktop may have been reloaded.
    fn start_session(&mut self, request: RequestId, by: UserId, form: &StartSession) -> Result<(), Refusal> {
        if !form.channels.iter().any(|it| it == "voice") {
            return Err(refusal(
                RefusalKind::OutOfRange,
                "channels must name voice, the only channel that can be had here.",
            ));
        }
        let reply = channels(&form.channels);
        if self.people.person(by).is_some_and(|it| it.log_in.is_some()) {
            self.reply(request, Ok(reply));
            return Ok(());
        }
        let device = self.people.home(by).ok_or_else(|| {
            not_now("You have no default place with a device; an administrator has to give you one first.")
        })?;
        let Some(phone) = self.people.phone_mut(device) else {
            return Err(not_found("The device of your default place no longer exists."));
        };
        if phone.user.or(phone.reserved).is_some_and(|it| it != by) {
            return Err(refusal(
                RefusalKind::InUse,
                format!("Device {} is in use by another user until that user logs out.", phone.device.phone_number),
            ));
        }
        phone.reserved = Some(by);
        let log_in = LogIn { user: by, device, state: AgentState::NotReady };
        let records = vec![Record::LogIn(log_in)];
        self.store_command(request, Lock::User(by), records, Durable::LogIn(log_in), reply);
        Ok(())
    }

    fn end_session(&mut self, request: RequestId, by: UserId) -> Result<(), Refusal> {
        self.open_log_in(by)?;
        self.store_command(request, Lock::User(by), vec![Record::LogOut(by)], Durable::LogOut(by), Reply::Done);
        Ok(())
    }

    fn set_agent_state(
        &mut self,
        request: RequestId,
        by: UserId,
        wanted: AgentRequest,
        now: Time,
    ) -> Result<(), Refusal> {
        let log_in = self.open_log_in(by)?;
        let state = match wanted {
            AgentRequest::Ready => AgentState::Ready,
            AgentRequest::NotReady => AgentState::NotReady,
            AgentRequest::AfterCallWork => AgentState::AfterCallWork,
            AgentRequest::AuxWork => AgentState::AuxWork,
        };
        if log_in.state == state {
            // Ready is what ends after-call work early.
            self.wrap_up_ends(by, now);
            self.reply(request, Ok(Reply::Done));
            return Ok(());
        }
        let log_in = LogIn { state, ..log_in };
        let records = vec![Record::LogIn(log_in)];
        self.store_command(request, Lock::User(by), records, Durable::AgentState(log_in), Reply::Done);
        Ok(())
    }

    fn open_log_in(&self, by: UserId) -> Result<LogIn, Refusal> {
        let log_in = self.people.person(by).and_then(|it| it.log_in);
        log_in.ok_or_else(|| not_now("You have no contact-centre session; start one with StartContactCenterSession."))
    }

    fn comfort(
        &mut self,
        request: RequestId,
        by: UserId,
        device: Option<DeviceId>,
        change: impl FnOnce(&mut Comfort),
    ) -> Result<(), Refusal> {
        let device = self.own_device(by, device)?;
        let Some(phone) = self.people.phone(device) else { return Err(no_such_device()) };
        let mut comfort = phone.comfort();
        change(&mut comfort);
        if comfort.forward_to.as_ref() == Some(&phone.device.phone_number) {
            return Err(refusal(
                RefusalKind::OutOfRange,
                "A device's calls cannot be forwarded to the device itself; name another number.",
            ));
        }
        if comfort == phone.comfort() {
            self.reply(request, Ok(Reply::Done));
            return Ok(());
        }
        let records = vec![Record::Comfort(comfort.clone())];
        self.store_command(request, Lock::Device(device), records, Durable::Comfort(comfort), Reply::Done);
        Ok(())
    }

    /// The device in the URL, if it is the user's own.
    pub(super) fn own_device(&self, by: UserId, device: Option<DeviceId>) -> Result<DeviceId, Refusal> {
        let device = device.filter(|it| self.people.devices_of(by).contains(it));
        device.ok_or_else(no_such_device)
    }

    pub(super) fn make_log_in(&mut self, log_in: LogIn) {
        self.unreserve(log_in.device);
        self.people.log_in(log_in);
        self.agent_changed(log_in.user, Some(log_in.device));
    }

    pub(super) fn unreserve(&mut self, device: DeviceId) {
        if let Some(phone) = self.people.phone_mut(device) {
            phone.reserved = None;
        }
    }

    pub(super) fn make_agent_state(&mut self, log_in: LogIn, now: Time) {
        self.people.log_in(log_in);
        self.stop_wrap_up(log_in.user, now);
        if log_in.state != AgentState::Ready {
            self.withdraw_offers(log_in.user, log_in.device, now);
        } else if let Some(person) = self.people.person_mut(log_in.user) {
            person.idle_since = now;
        }
        self.agent_changed(log_in.user, Some(log_in.device));
    }

    /// Orders of a user's and on a user end with the log-in (E-17 to E-19).
    pub(super) fn make_log_out(&mut self, user: UserId, now: Time) {
        self.stop_wrap_up(user, now);
        let device = self.people.log_out(user);
        if let Some(device) = device {
            self.withdraw_offers(user, device, now);
            self.supervisor_logged_out(device, now);
            self.target_logged_out(device, now);
        }
        self.agent_changed(user, device);
    }

    pub(super) fn agent_changed(&mut self, user: UserId, device: Option<DeviceId>) {
        self.outbox.distribute = true;
        self.outbox.users.insert(user);
        self.outbox.devices.extend(device);
        if let Some(person) = self.people.person(user) {
            self.outbox.notices.push((user, Notice::Channel(person.state())));
        }
    }

    pub(super) fn make_comfort(&mut self, comfort: Comfort) {
        self.outbox.devices.insert(comfort.device);
        self.outbox.distribute = true;
        self.people.set_comfort(comfort);
    }
}

fn no_such_device() -> Refusal {
    not_found("You have no such device; GET /api/v2/me/devices lists those you have.")
}

fn is_monitoring(request: &UserRequest) -> bool {
    let UserRequest::Device { operation, .. } = request else { return false };
    matches!(operation, DeviceOperation::Monitor(..) | DeviceOperation::CancelMonitoring)
}

/// What each channel asked for is answered with: voice can be had, others cannot.
fn channels(asked: &[String]) -> Reply {
    let answer = |it: &String| {
        let missing =
            refusal(RefusalKind::UnknownOperation, format!("The channel {it} cannot be had here; only voice can."));
        (it.clone(), (it != "voice").then_some(missing))
    };
    let answers: Vec<_> = asked.iter().map(answer).collect();
    if answers.iter().all(|(_, refused)| refused.is_none()) { Reply::Done } else { Reply::Partial(answers) }
}

/// Which object a durable command is about; calls wait for nothing.
fn lock(command: &Command) -> Option<Lock> {
    match command {
        Command::Provision(_) => Some(Lock::Operator),
        Command::User { request: UserRequest::Call { .. }, .. } => None,
        Command::User { request: UserRequest::Device { device: Some(device), operation }, by } => match operation {
            DeviceOperation::Monitor(..) | DeviceOperation::CancelMonitoring => Some(Lock::User(*by)),
            DeviceOperation::DoNotDisturb(_) | DeviceOperation::ForwardOn(_) | DeviceOperation::ForwardOff => {
                Some(Lock::Device(*device))
            }
            DeviceOperation::Dial(_) => None,
        },
        Command::User { by, .. } => Some(Lock::User(*by)),
    }
}
