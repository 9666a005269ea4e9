//! Who is in the world, and what they feel like doing.

use std::{collections::BTreeSet, time::Duration};

use domain::{
    command::{
        AgentRequest, CallOperation, Calls, Command, DeviceOperation, MonitorForm, Scope, StartSession, Switch,
        TargetUri, UserRequest,
    },
    config::{
        ContactCenter, Device, Ha1, MonitorOperation, Overflow, Provision, Queue, Role, Secret, TelephonyNetwork,
        Trunk, TrunkTransport, User,
    },
    ids::{CallId, DeviceId, PhoneNumber, UserId},
};
use rand_chacha::{ChaCha8Rng, rand_core::Rng};
use softphone::{Answering, Behaviour};

use crate::server::{DOMAIN, Server};

/// Agents, whom supervisors watch.
pub(crate) const AGENTS: [&str; 2] = ["5001", "5002"];
/// Supervisors.
pub(crate) const SUPERVISORS: [&str; 2] = ["5005", "5006"];
/// Phones of ours that nobody logs in to.
pub(crate) const OTHERS: [&str; 1] = ["5003"];
/// Second phones of numbers above: what is theirs begins as theirs does.
pub(crate) const SECONDS: [&str; 2] = ["5001b", "5003b"];
/// Callers behind the trunk.
pub(crate) const OUTSIDE: [&str; 2] = ["0151", "0152"];

/// The queue that the agents serve.
pub(crate) const QUEUE: &str = "8000";

/// What somebody does.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    Dials(&'static str, &'static str),
    HangsUp(&'static str),
    Holds(&'static str),
    Retrieves(&'static str),
    /// Its power fails; it comes back as if new.
    Crashes(&'static str),
    Asks(&'static str, Wish),
    /// Asks this of a call of its own, if it has one.
    Controls(&'static str, CallOperation),
    /// The server is killed.
    Restart,
    Nothing,
}

/// What a user asks the server for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wish {
    LogIn,
    LogOut,
    Ready,
    Listen(&'static str, Calls),
    Cancel,
    /// `Dial`.
    Dial(&'static str),
    /// Something of this call.
    Operate(CallOperation, CallId),
    DoNotDisturb(Switch),
}

/// What is done next.
pub(crate) fn deed(chance: &mut ChaCha8Rng) -> Deed {
    let supervisor = pick(&SUPERVISORS, chance);
    match chance.next_u32() % 120 {
        0..=24 => Deed::Dials(pick(&callers(), chance), pick(&AGENTS, chance)),
        25..=26 => Deed::Dials(pick(&callers(), chance), QUEUE),
        27..=29 => Deed::Dials(pick(&AGENTS, chance), pick(&callees(), chance)),
        30..=31 => Deed::Dials(supervisor, pick(&callees(), chance)),
        32..=39 => Deed::HangsUp(pick(&everybody(), chance)),
        40..=41 => Deed::Asks(pick(&AGENTS, chance), Wish::Ready),
        42..=45 => Deed::HangsUp(supervisor),
        46..=53 => Deed::Holds(pick(&everybody(), chance)),
        54..=61 => Deed::Retrieves(pick(&everybody(), chance)),
        62..=84 => {
            let calls = if chance.next_u32().is_multiple_of(3) { Calls::Next } else { Calls::All };
            Deed::Asks(supervisor, Wish::Listen(pick(&AGENTS, chance), calls))
        }
        85..=89 => Deed::Asks(supervisor, Wish::Cancel),
        90..=91 => Deed::Asks(pick(&AGENTS, chance), Wish::LogOut),
        92 => Deed::Asks(supervisor, Wish::LogOut),
        93..=95 => Deed::Asks(pick(&seats(), chance), Wish::LogIn),
        96 => Deed::Asks(pick(&seats(), chance), Wish::Ready),
        97..=98 => Deed::Crashes(pick(&everybody(), chance)),
        99 if chance.next_u32().is_multiple_of(4) => Deed::Restart,
        100..=105 => Deed::Asks(pick(&seats(), chance), Wish::Dial(pick(&dialled(), chance))),
        106..=110 => Deed::Controls(pick(&seats(), chance), CallOperation::Hold),
        111..=115 => Deed::Controls(pick(&seats(), chance), CallOperation::Retrieve),
        116 => Deed::Controls(pick(&seats(), chance), CallOperation::Hangup),
        117 => Deed::Asks(pick(&seats(), chance), Wish::DoNotDisturb(Switch::On)),
        118 => Deed::Asks(pick(&seats(), chance), Wish::DoNotDisturb(Switch::Off)),
        _ => Deed::Nothing,
    }
}

/// Everybody with a seat to log in at.
pub(crate) fn seats() -> Vec<&'static str> {
    [AGENTS, SUPERVISORS].concat()
}

fn callers() -> Vec<&'static str> {
    [&OUTSIDE[..], &OUTSIDE[..], &OTHERS[..]].concat()
}

fn callees() -> Vec<&'static str> {
    [&AGENTS[..], &OTHERS[..], &SUPERVISORS[..]].concat()
}

/// What is dialled by the API.
fn dialled() -> Vec<&'static str> {
    [&callees()[..], &[QUEUE]].concat()
}

/// Every phone of the world.
pub(crate) fn everybody() -> Vec<&'static str> {
    [&AGENTS[..], &SUPERVISORS[..], &OTHERS[..], &OUTSIDE[..], &SECONDS[..]].concat()
}

/// The number of a phone.
pub(crate) fn number(phone: &str) -> &str {
    phone.trim_end_matches('b')
}

fn pick(of: &[&'static str], chance: &mut ChaCha8Rng) -> &'static str {
    let at = usize::try_from(chance.next_u32()).unwrap_or(0) % of.len().max(1);
    of.get(at).copied().unwrap_or("5001")
}

/// How a phone treats its calls in this world.
pub(crate) fn behaviour(number: &str, chance: &mut ChaCha8Rng) -> Behaviour {
    let after = Duration::from_millis(u64::from(chance.next_u32() % 3000));
    let sound = Behaviour::answering(after);
    let odd = chance.next_u32() % 20;
    let supervisor = SUPERVISORS.contains(&number);
    let mut behaviour = match odd {
        0 => Behaviour::with(Answering::Busy),
        1 => Behaviour::with(Answering::Decline),
        2 => Behaviour::with(Answering::Silent),
        3 => Behaviour::with(Answering::Never),
        4 | 5 => Behaviour::answering(Duration::ZERO),
        _ => sound,
    };
    behaviour.auto_answer = supervisor && odd > 7;
    behaviour
}

/// A wish as a command, if whom it names exists.
pub(crate) fn command(number: &str, wish: Wish, server: &Server) -> Option<Command> {
    let by = server.users.get(number)?.id;
    let device = Some(server.devices.get(number)?.id);
    let operation = |operation| UserRequest::Device { device, operation };
    let request = match wish {
        Wish::LogIn => UserRequest::StartSession(Ok(StartSession { channels: vec!["voice".into()] })),
        Wish::LogOut => UserRequest::EndSession,
        Wish::Ready => UserRequest::SetAgentState(AgentRequest::Ready),
        Wish::Cancel => operation(DeviceOperation::CancelMonitoring),
        Wish::Dial(whom) => operation(DeviceOperation::Dial(Ok(whom.parse().ok()?))),
        Wish::DoNotDisturb(switch) => operation(DeviceOperation::DoNotDisturb(switch)),
        Wish::Operate(operation, call) => UserRequest::Call { call: Some(call), operation },
        Wish::Listen(target, calls) => {
            let target = Some(TargetUri::Device(server.devices.get(target)?.id));
            let form = MonitorForm { target, phone_number: None, scope: Scope::Call, calls };
            operation(DeviceOperation::Monitor(MonitorOperation::ListenIn, Ok(form)))
        }
    };
    Some(Command::User { by, request })
}

/// The contact centre of the world.
pub(crate) fn provision() -> Provision {
    let device = |number: &str| {
        let ha1 = sip_proto::digest::Ha1::of(number, DOMAIN, &password(number));
        Some(Device {
            id: DeviceId(0),
            phone_number: number.parse().ok()?,
            ha1: Some(Secret(Ha1 { md5: ha1.md5, sha256: ha1.sha256 })),
            telephony_network: TelephonyNetwork::Private,
            auto_answer: None,
        })
    };
    let user = |number: &&str| User {
        id: UserId(0),
        user_name: (*number).into(),
        password_hash: Secret(String::new()),
        first_name: "User".into(),
        last_name: (*number).into(),
        roles: [Role::Agent, Role::Supervisor].into(),
        device: number.parse().ok(),
        teams: ["support".to_owned()].into(),
        supervises: ["support".to_owned()].into(),
        monitor: [MonitorOperation::ListenIn].into(),
    };
    let mut features: BTreeSet<String> = ContactCenter::DEFAULT_FEATURES.map(Into::into).into();
    features.insert(ContactCenter::MONITORING.into());
    let trunk = Trunk {
        name: "carrier".into(),
        address: "10.0.9.9".into(),
        transport: TrunkTransport::Udp,
        account: None,
        inbound: std::collections::BTreeMap::new(),
    };
    Provision {
        contact_center: Some(ContactCenter { features, ..ContactCenter::default() }),
        devices: everybody()
            .into_iter()
            .filter(|it| !OUTSIDE.contains(it) && !SECONDS.contains(it))
            .filter_map(device)
            .collect(),
        users: seats().iter().map(user).collect(),
        queues: QUEUE.parse().ok().map(queue).into_iter().collect(),
        trunks: vec![trunk],
        ..Provision::default()
    }
}

/// Hasty, so that much happens.
fn queue(number: PhoneNumber) -> Queue {
    let overflow = "5003".parse().ok().map(|to| Overflow { after: Duration::from_secs(9), to });
    let plain = Queue::new(number, "support".into(), ["support".to_owned()].into());
    Queue { ring_timeout: Duration::from_secs(2), overflow, wrap_up_time: Duration::from_secs(1), ..plain }
}

/// The SIP password of a device.
pub(crate) fn password(number: &str) -> String {
    format!("secret-{number}")
}
