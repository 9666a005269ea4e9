//! The words of the scripts: how a line is read and how what came of it is said.

use super::world::{World, cast};
use crate::{command::*, config::*, engine::Counts, event::*, ids::*, leg::*, record::Audit, view::*};

pub(super) fn user_name(number: &str) -> &'static str {
    match number {
        "5001" => "ada",
        "5002" => "bob",
        "5004" => "dan",
        "5005" => "sam",
        "5006" => "sue",
        other => panic!("nobody sits at {other}"),
    }
}

impl World {
    /// Plays the middle column of a line; answers with what should stand in the last.
    pub(super) fn play(&mut self, what: &str) -> String {
        let mut out = self.take_late();
        out.extend(self.act(what));
        let out = out.join(", ");
        self.note(what, &out);
        out
    }

    fn act(&mut self, what: &str) -> Vec<String> {
        let words: Vec<&str> = what.split(' ').collect();
        match words[..] {
            ["wait"] => Vec::new(),
            ["restart"] => {
                self.restart();
                Vec::new()
            }
            ["storage", how] => self.storage_word(how),
            ["media", "waits"] => self.set_media(false),
            ["media", "works"] => self.set_media(true),
            ["audit"] => vec![self.audit()],
            ["disk", "orders"] => vec![self.disk.orders().len().to_string()],
            ["rest"] => vec![what_is_left(self.engine.counts())],
            ["hears", name] => vec![self.hears(name)],
            ["told", number] => vec![self.told(number)],
            ["shows", number] => vec![device(self.device(number), self)],
            ["can", number] => vec![self.calls_of(number).into_iter().map(can).collect::<Vec<_>>().join("; ")],
            ["capabilities", number] => vec![format!("{:?}", self.device(number).capabilities)],
            ["calls", number] => vec![self.calls_of(number).into_iter().map(call).collect::<Vec<_>>().join("; ")],
            [name, "dials", dialled] => {
                let number: Option<PhoneNumber> = name.trim_end_matches('\'').parse().ok();
                let ours = cast().devices.iter().any(|it| Some(&it.phone_number) == number.as_ref());
                let origin = match number.filter(|_| ours) {
                    Some(number) => Origin::Device(number),
                    None => Origin::Trunk { name: "carrier".into(), caller: name.trim_end_matches('\'').into() },
                };
                self.dials(name, origin, dialled)
            }
            [name, "is", "stuck"] => {
                self.set_stuck(name);
                Vec::new()
            }
            ["acks", "are", "slow"] => {
                self.set_slow_ack();
                Vec::new()
            }
            [name, "registers"] => self.event(Event::Registered(name.parse().unwrap())),
            [name, "unregisters"] => self.event(Event::Unregistered(name.parse().unwrap())),
            [name, ref rest @ ..] => match leg_event(rest) {
                Some(event) => self.leg_event(name, event),
                None => self.ask(name, rest),
            },
            [] => panic!("an empty line"),
        }
    }

    fn storage_word(&mut self, how: &str) -> Vec<String> {
        match how {
            "waits" => self.set_storage(None),
            "fails" => self.set_storage(Some(Outcome::Failed)),
            "works" => self.set_storage(Some(Outcome::Committed)),
            "commits" => return self.storage(Outcome::Committed),
            "refuses" => return self.storage(Outcome::Failed),
            other => panic!("storage {other}?"),
        }
        Vec::new()
    }

    /// A user at a device asks for something.
    fn ask(&mut self, number: &str, words: &[&str]) -> Vec<String> {
        let by = self.user_of(number);
        let device = Some(self.device(number).id);
        let operation = |operation| UserRequest::Device { device, operation };
        let request = match words {
            ["logs", "in"] => UserRequest::StartSession(Ok(StartSession { channels: vec!["voice".into()] })),
            ["logs", "out"] => UserRequest::EndSession,
            ["ready"] => UserRequest::SetAgentState(AgentRequest::Ready),
            ["not", "ready"] => UserRequest::SetAgentState(AgentRequest::NotReady),
            ["after", "call", "work"] => UserRequest::SetAgentState(AgentRequest::AfterCallWork),
            ["aux", "work"] => UserRequest::SetAgentState(AgentRequest::AuxWork),
            ["cancels"] => operation(DeviceOperation::CancelMonitoring),
            ["dnd", "on"] => operation(DeviceOperation::DoNotDisturb(Switch::On)),
            ["dnd", "off"] => operation(DeviceOperation::DoNotDisturb(Switch::Off)),
            ["forwards", "off"] => operation(DeviceOperation::ForwardOff),
            ["forwards", "to", to] => operation(DeviceOperation::ForwardOn(Ok(to.parse().unwrap()))),
            ["wants", to] => operation(DeviceOperation::Dial(Ok(to.parse().unwrap()))),
            ["listens", "to", rest @ ..] => self.listen(device, MonitorOperation::ListenIn, rest),
            ["coaches", rest @ ..] => self.listen(device, MonitorOperation::Coach, rest),
            ["ends", "the", "call"] => self.call_operation(number, CallOperation::Hangup),
            ["picks", "up"] => self.call_operation(number, CallOperation::Answer),
            ["parks"] => self.call_operation(number, CallOperation::Hold),
            ["unparks"] => self.call_operation(number, CallOperation::Retrieve),
            other => panic!("{other:?}?"),
        };
        self.command(Command::User { by, request })
    }

    /// On the first of the user's calls.
    fn call_operation(&self, number: &str, operation: CallOperation) -> UserRequest {
        UserRequest::Call { call: self.calls_of(number).first().map(|it| it.call), operation }
    }

    /// `5001`, `number 5001`, `5001 and 5002`, with `next` and `agent` behind it.
    fn listen(&self, device: Option<DeviceId>, operation: MonitorOperation, words: &[&str]) -> UserRequest {
        let uri = |number: &str| Some(TargetUri::Device(self.device(number).id));
        let (target, phone_number) = match words {
            ["number", number, ..] => (None, number.parse().ok()),
            [number, "and", other, ..] => (uri(number), other.parse().ok()),
            ["nothing", ..] => (Some(TargetUri::Nothing), None),
            ["nobody", ..] => (None, None),
            [number, ..] => (uri(number), None),
            [] => panic!("listens to whom?"),
        };
        let scope = if words.contains(&"agent") { Scope::Agent } else { Scope::Call };
        let calls = if words.contains(&"next") { Calls::Next } else { Calls::All };
        let form = MonitorForm { target, phone_number, scope, calls };
        UserRequest::Device { device, operation: DeviceOperation::Monitor(operation, Ok(form)) }
    }

    pub(super) fn notice(&self, notice: &Notice) -> String {
        match notice {
            Notice::Device(it) => device(it, self),
            Notice::Call(CallNotice::StatusChange, it) => call(it),
            Notice::Call(CallNotice::ParticipantsUpdated, it) => format!("parties: {}", call(it)),
            Notice::Channel(state) => format!("voice {state:?}"),
            Notice::Failed(refusal) => format!("failed {:?}", refusal.kind),
        }
    }
}

/// What lives and should not, when no call is going on.
fn what_is_left(counts: Counts) -> String {
    let counts = Counts { orders: 0, ..counts };
    if counts == Counts::default() { String::new() } else { format!("{counts:?}") }
}

fn leg_event(words: &[&str]) -> Option<LegEvent> {
    Some(match words {
        ["rings"] => LegEvent::Ringing,
        ["plays"] => LegEvent::EarlyMedia,
        ["takes", "orders"] => LegEvent::Answerable,
        ["takes", "none"] => LegEvent::PickUpRefused,
        ["answers"] => LegEvent::Answered,
        ["confirms"] => LegEvent::Confirmed,
        ["holds"] => LegEvent::Held,
        ["retrieves"] => LegEvent::Retrieved,
        ["hangs", "up"] => LegEvent::Ended(Cause::HungUp),
        ["gives", "up"] => LegEvent::Ended(Cause::Cancelled),
        ["is", "busy"] => LegEvent::Ended(Cause::Busy),
        ["declines"] => LegEvent::Ended(Cause::Declined),
        ["fails"] => LegEvent::Ended(Cause::Unavailable),
        ["does", "not", "answer"] => LegEvent::Ended(Cause::NoAnswer),
        ["redirects"] => LegEvent::Ended(Cause::Redirected),
        ["vanishes"] => LegEvent::Ended(Cause::Gone),
        _ => return None,
    })
}

pub(super) fn target(target: &Target) -> String {
    match target {
        Target::Device(number) => number.to_string(),
        Target::Trunk { number, .. } => number.clone(),
    }
}

pub(super) fn order(order: &LegOrder) -> String {
    match order {
        LegOrder::Ring => "ring".into(),
        LegOrder::Progress { .. } => "progress".into(),
        LegOrder::Answer { .. } => "answer".into(),
        LegOrder::PickUp => "pick up".into(),
        LegOrder::End(Cause::HungUp) => "bye".into(),
        LegOrder::End(Cause::Cancelled) => "cancel".into(),
        LegOrder::End(cause) => format!("{cause:?} to"),
        LegOrder::Dial { .. } => "dial".into(),
    }
}

pub(super) fn reply(result: &Result<Reply, Refusal>) -> String {
    match result {
        Ok(Reply::Done) => "ok".into(),
        Ok(Reply::Partial(_)) => "partly".into(),
        Err(refusal) => format!("no: {:?}", refusal.kind),
    }
}

fn device(it: &DeviceView, _: &World) -> String {
    let mut text = format!("{:?}", it.agent_state);
    if it.do_not_disturb {
        text += " dnd";
    }
    if let Some(to) = &it.forward_to {
        text += &format!(" forwards to {to}");
    }
    if let Some(it) = &it.monitoring {
        assert!(it.target.is_some() && it.switch_name == "SIP_Switch");
        text += &format!(" {:?} {} {:?} {:?}", it.operation, it.phone_number, it.calls, it.scope);
    }
    text
}

fn call(it: &CallView) -> String {
    let mut text = format!("{:?} {:?}", it.call_type, it.state);
    text += &format!(" with {}", it.participants.join(" "));
    if it.supervisor_listening_in {
        text += " listened to";
    }
    if it.monitoring.is_some() {
        text += if it.muted { " muted" } else { " heard" };
    }
    text
}

/// What its user can do with a call.
fn can(it: &CallView) -> String {
    it.capabilities.iter().map(|it| format!("{it:?}")).collect::<Vec<_>>().join(" ")
}

pub(super) fn audit(it: &Audit) -> String {
    let reason = it.reason.as_deref().filter(|it| !it.contains(' ')).map(|it| format!(" {it}"));
    format!("{:?}{}", it.what, reason.unwrap_or_default())
}
