//! A contact centre of four users, and a client of it.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use api_types::Links;
use axum::{Router, body::Body};
use base64::{Engine, prelude::BASE64_STANDARD};
use clock::Time;
use domain::{
    command::{Calls, Command, Reply, Scope},
    config::{ContactCenter, MonitorOperation, Role, Secret, TelephonyNetwork},
    ids::{CallId, DeviceId, UserId},
    view::{AgentState, CallState, CallType, CallView, Capability, Change, DeviceView, MonitoringView, UserView},
};
use http::{HeaderMap, Request, StatusCode};
use tower::ServiceExt;

use crate::{Api, Backend, CommandError, LoginSettings, Logins, Views, router};

/// How long a session lives unused.
pub(super) const IDLE: Duration = Duration::from_secs(1800);

pub(super) const ADMIN: UserId = UserId(0xA);
pub(super) const LEAD: UserId = UserId(0xB);
pub(super) const AGENT: UserId = UserId(0xC);
pub(super) const SELLER: UserId = UserId(0xD);

pub(super) const LEADS_DEVICE: DeviceId = DeviceId(0xB1);
pub(super) const AGENTS_DEVICE: DeviceId = DeviceId(0xC1);
pub(super) const SELLERS_DEVICE: DeviceId = DeviceId(0xD1);

pub(super) const CALL: CallId = CallId(0x7);

/// Answers as it is told, and notes what it was asked.
#[derive(Default)]
pub(super) struct Fake {
    pub(super) asked: Mutex<Vec<Command>>,
    pub(super) answers: Mutex<VecDeque<Result<Reply, CommandError>>>,
    pub(super) down: Mutex<bool>,
}

impl Fake {
    fn health(&self) -> Result<(), &'static str> {
        if *self.down.lock().unwrap() { Err("The fake is down") } else { Ok(()) }
    }
}

impl Backend for Arc<Fake> {
    async fn command(&self, command: Command) -> Result<Reply, CommandError> {
        self.asked.lock().unwrap().push(command);
        self.answers.lock().unwrap().pop_front().unwrap_or(Ok(Reply::Done))
    }

    fn now(&self) -> Time {
        Time::from_unix_ms(100_000)
    }

    fn live(&self) -> Result<(), &'static str> {
        self.health()
    }

    fn ready(&self) -> Result<(), &'static str> {
        self.health()
    }
}

pub(super) struct World {
    pub(super) router: Router,
    pub(super) views: Arc<Views>,
    pub(super) backend: Arc<Fake>,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|it| it.to_str().unwrap())
    }

    /// Status and body.
    pub(super) fn short(&self) -> (u16, &str) {
        (self.status.as_u16(), &self.body)
    }
}

impl World {
    pub(super) fn new() -> Self {
        Self::with(&LoginSettings { public_url: "http://cc:8080".into(), csrf: true, session_timeout: IDLE })
    }

    pub(super) fn with(settings: &LoginSettings) -> Self {
        let views = Arc::new(Views::default());
        populate(&views);
        let backend = Arc::new(Fake::default());
        let api = Api {
            backend: backend.clone(),
            views: views.clone(),
            logins: Arc::new(Logins::start(views.clone(), settings).unwrap()),
            links: Links::new(&settings.public_url),
        };
        Self { router: router(api), views, backend }
    }

    pub(super) async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        Answer { status: parts.status, headers: parts.headers, body: String::from_utf8(bytes.to_vec()).unwrap() }
    }

    /// A GET with a user's credentials.
    pub(super) async fn get(&self, name: &str, path: &str) -> Answer {
        self.send("GET", &format!("/api/v2{path}"), &[("authorization", &basic(name))], "").await
    }

    /// A POST with a user's credentials and nothing else.
    pub(super) async fn post(&self, name: &str, path: &str, body: &str) -> Answer {
        self.send("POST", &format!("/api/v2{path}"), &[("authorization", &basic(name))], body).await
    }

    pub(super) fn features(&self, features: &[&str]) {
        let features = features.iter().map(|&it| it.into()).collect();
        self.views.apply(Change::ContactCenter(Arc::new(ContactCenter { features, ..ContactCenter::default() })));
    }
}

/// The header value of a user whose password is the name.
pub(super) fn basic(name: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{name}:{name}")))
}

fn populate(views: &Views) {
    let roles = |supervisor: bool| if supervisor { vec![Role::Agent, Role::Supervisor] } else { vec![Role::Agent] };
    let users = [
        user(ADMIN, "admin", &[Role::Admin], &[], &[], &[]),
        user(LEAD, "lead", &roles(true), &[LEADS_DEVICE], &["lead"], &["support"]),
        user(AGENT, "agent", &roles(false), &[AGENTS_DEVICE], &["support"], &[]),
        user(SELLER, "seller", &roles(false), &[SELLERS_DEVICE], &["sales"], &["support"]),
    ];
    users.into_iter().for_each(|it| views.apply(Change::User(Arc::new(it))));
    let devices = [
        device(LEADS_DEVICE, LEAD, "5005", "lead"),
        device(AGENTS_DEVICE, AGENT, "5001", "support"),
        device(SELLERS_DEVICE, SELLER, "+495002", "sales"),
    ];
    devices.into_iter().for_each(|it| views.apply(Change::Device(Arc::new(it))));
    views.apply(Change::Call(Arc::new(call())));
}

fn user(id: UserId, name: &str, roles: &[Role], devices: &[DeviceId], teams: &[&str], supervises: &[&str]) -> UserView {
    let owned = |list: &[&str]| list.iter().map(|&it| it.to_owned()).collect();
    UserView {
        id,
        user_name: name.into(),
        password_hash: cheap(name),
        first_name: "First".into(),
        last_name: "Last".into(),
        roles: roles.iter().copied().collect(),
        devices: devices.to_vec(),
        teams: owned(teams),
        supervises: owned(supervises),
        agent_state: AgentState::NotReady,
    }
}

/// A hash that is as cheap as can be.
fn cheap(password: &str) -> Secret<String> {
    use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version, password_hash::phc::PasswordHash};
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(8, 1, 1, None).unwrap());
    let hash: PasswordHash = argon.hash_password(password.as_bytes()).unwrap();
    Secret(hash.to_string())
}

pub(super) fn device(id: DeviceId, owner: UserId, number: &str, team: &str) -> DeviceView {
    DeviceView {
        id,
        owner: Some(owner),
        teams: [team.to_owned()].into(),
        active: true,
        agent_state: AgentState::NotReady,
        phone_number: number.parse().unwrap(),
        telephony_network: TelephonyNetwork::Private,
        do_not_disturb: false,
        forward_to: None,
        capabilities: vec![Capability::ForwardCallsOn, Capability::DoNotDisturbOn],
        monitoring: (id == LEADS_DEVICE).then(|| MonitoringView {
            operation: MonitorOperation::ListenIn,
            calls: Calls::All,
            scope: Scope::Call,
            target: Some(AGENTS_DEVICE),
            phone_number: "5001".parse().unwrap(),
            switch_name: "SIP_Switch".into(),
        }),
    }
}

/// The agent's view of a call.
pub(super) fn call() -> CallView {
    CallView {
        call: CALL,
        device: AGENTS_DEVICE,
        phone_number: "5001".parse().unwrap(),
        owner: Some(AGENT),
        state: CallState::Established,
        call_type: CallType::Inbound,
        participants: vec!["0301234".into()],
        dnis: "5001".into(),
        ani: Some("0301234".into()),
        capabilities: vec![Capability::Hold, Capability::Hangup],
        since: Time::from_unix_ms(58_000),
        until: None,
        muted: false,
        supervisor_listening_in: true,
        monitoring: None,
    }
}
