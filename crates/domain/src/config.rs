//! The objects of a contact centre as an operator sets them up, and the settings of supervision.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use crate::{
    ids::{DeviceId, PhoneNumber, UserId},
    leg::OfferDirection,
};

/// A secret that no log shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret<T>(pub T);

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// How the engine behaves, from `undertone.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Settings {
    /// The `[supervision]` table.
    pub supervision: Supervision,
}

/// The `[supervision]` table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Supervision {
    /// Join a call already in progress.
    pub intrusion: bool,
    /// How many supervisors may watch one target.
    pub max_supervisors_per_target: usize,
    /// Orders for a queue's number (a.7).
    pub queue_monitoring: bool,
    /// How long a supervisor's phone may ring (V-04).
    pub ring_timeout: Duration,
    /// The direction in the SDP offered to a silent listener.
    pub listen_offer: OfferDirection,
    /// Whether calls without an outside party are monitored (E-04).
    pub monitor_internal_calls: bool,
    /// Which consult calls are monitored (E-07, E-08).
    pub monitor_consult_calls: ConsultCalls,
    /// Whether a held customer stays audible to the supervisor (E-05).
    pub monitor_party_on_hold: bool,
    /// Whether a cancel ends the session in progress (E-20).
    pub cancel_ends_session: bool,
    /// What the agent's desktop is told (a.8).
    pub tell_agent: TellAgent,
    /// Who hears a tone while somebody listens (a.8).
    pub tone: Tone,
    /// Operations beyond GWS v2.
    pub extensions: bool,
}

impl Default for Supervision {
    fn default() -> Self {
        Self {
            intrusion: true,
            max_supervisors_per_target: 1,
            queue_monitoring: true,
            ring_timeout: Duration::from_secs(20),
            listen_offer: OfferDirection::SendRecv,
            monitor_internal_calls: true,
            monitor_consult_calls: ConsultCalls::None,
            monitor_party_on_hold: true,
            cancel_ends_session: false,
            tell_agent: TellAgent::OnJoin,
            tone: Tone::None,
            extensions: true,
        }
    }
}

/// Which consult calls are monitored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsultCalls {
    /// None.
    None,
    /// Those that the target begins.
    Orig,
    /// Those that reach the target.
    Dest,
    /// Both.
    All,
}

/// When the agent's desktop is told that somebody listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TellAgent {
    /// Never.
    Never,
    /// As soon as an order stands.
    OnArm,
    /// While somebody is on the call.
    OnJoin,
}

/// Who hears a tone while somebody listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Nobody.
    None,
    /// The agent.
    Agent,
    /// The customer.
    Customer,
    /// Everybody but the supervisor.
    All,
}

/// What an account may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// `ROLE_AGENT`
    Agent,
    /// `ROLE_SUPERVISOR`
    Supervisor,
    /// `ROLE_ADMIN`
    Admin,
}

/// Who can hear the supervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MonitorOperation {
    /// Nobody.
    ListenIn,
    /// The target agent alone.
    Coach,
    /// Everybody on the call.
    BargeIn,
}

/// A device's network: a `Public` device cannot be answered by API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TelephonyNetwork {
    /// Behind the PBX.
    Private,
    /// The public network.
    Public,
}

/// The contact centre itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContactCenter {
    /// Its name.
    pub name: String,
    /// The switch that its numbers are on, as `switchName` shows it.
    pub switch_name: String,
    /// Ids of the features assigned, such as `api-voice`. The texts stand in `api-types`.
    pub features: BTreeSet<String>,
}

impl ContactCenter {
    /// The features assigned when an operator names none (`gws-api.md` 1.6).
    pub const DEFAULT_FEATURES: [&'static str; 9] = [
        "api-voice",
        "api-supervisor-recording",
        "api-provisioning-read",
        "api-provisioning-write",
        "ui-supervisor-provisioning-routing",
        "ui-supervisor-provisioning-skill",
        "ui-supervisor-provisioning-user",
        "ui-supervisor-recording",
        "ui-supervisor-reporting",
    ];
    /// The voice API.
    pub const VOICE: &'static str = "api-voice";
    /// Monitoring by supervisors.
    pub const MONITORING: &'static str = "api-supervisor-monitoring";

    /// Whether a feature is assigned.
    #[must_use]
    pub fn has(&self, feature: &str) -> bool {
        self.features.contains(feature)
    }
}

impl Default for ContactCenter {
    fn default() -> Self {
        Self {
            name: "Contact Center".into(),
            switch_name: "SIP_Switch".into(),
            features: Self::DEFAULT_FEATURES.map(Into::into).into(),
        }
    }
}

/// A device: a phone that registers here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its id.
    pub id: DeviceId,
    /// Its number, also its SIP user name.
    pub phone_number: PhoneNumber,
    /// The digest secrets, without which it cannot register.
    pub ha1: Option<Secret<Ha1>>,
    /// Its network.
    pub telephony_network: TelephonyNetwork,
    /// Whether it is asked to answer by itself where the server calls it of its own accord, as it does for a
    /// supervisor's session. `Some(false)`: never, it rings. Left out: for monitoring it is asked.
    pub auto_answer: Option<bool>,
}

/// H(A1) of a device for either algorithm (RFC 7616 s3.4.2): hashes of user name, realm and password.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Ha1 {
    /// For `MD5`.
    pub md5: [u8; 16],
    /// For `SHA-256`.
    pub sha256: [u8; 32],
}

/// A user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// The name to log in with.
    pub user_name: String,
    /// The Argon2 hash of the password, as a PHC string.
    pub password_hash: Secret<String>,
    /// First name.
    pub first_name: String,
    /// Last name.
    pub last_name: String,
    /// Roles.
    pub roles: BTreeSet<Role>,
    /// The default place.
    pub device: Option<PhoneNumber>,
    /// Teams the user works in.
    pub teams: BTreeSet<String>,
    /// Teams whose members the user may monitor.
    pub supervises: BTreeSet<String>,
    /// Which operations the user may use on them.
    pub monitor: BTreeSet<MonitorOperation>,
}

/// A queue (a routing point).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    /// Its number.
    pub phone_number: PhoneNumber,
    /// Its name.
    pub name: String,
    /// The teams that serve it.
    pub teams: BTreeSet<String>,
    /// The WAV file that those who wait are played; `None` for a melody of our own.
    pub music: Option<String>,
    /// How long an agent's phone may ring before the agent becomes NotReady and the next is tried.
    pub ring_timeout: Duration,
    /// Where those go who have waited for long enough.
    pub overflow: Option<Overflow>,
    /// How long an agent is in after-call work after a call from here; zero: not at all.
    pub wrap_up_time: Duration,
    /// How many may wait; a caller beyond them hears busy.
    pub max_waiting: usize,
}

impl Queue {
    /// A queue as it is where an operator names nothing but this.
    #[must_use]
    pub fn new(phone_number: PhoneNumber, name: String, teams: BTreeSet<String>) -> Self {
        Self {
            phone_number,
            name,
            teams,
            music: None,
            ring_timeout: Duration::from_secs(20),
            overflow: None,
            wrap_up_time: Duration::ZERO,
            max_waiting: 100,
        }
    }
}

/// Where callers go who have waited in a queue for long enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overflow {
    /// For how long.
    pub after: Duration,
    /// To which number.
    pub to: PhoneNumber,
}

/// How messages go to a trunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TrunkTransport {
    /// As its domain says (RFC 3263 s4.1), or over UDP.
    Any,
    /// Over UDP.
    Udp,
    /// Over TCP.
    Tcp,
}

/// Who we are to a trunk that asks for a name and a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The name.
    pub user_name: String,
    /// The password in clear, because the realm that it is hashed with is the trunk's to choose.
    pub password: Secret<String>,
    /// Whether we register there, so that it knows where to send calls.
    pub register: bool,
}

/// A trunk: a SIP peer known by address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trunk {
    /// Its name.
    pub name: String,
    /// `host` or `host:port`.
    pub address: String,
    /// How messages go there.
    pub transport: TrunkTransport,
    /// Who we are there; `None` where it knows us by our address.
    pub account: Option<Account>,
    /// What its callers dial, and our number for it. Numbers not named here are looked up as they are.
    pub inbound: BTreeMap<String, PhoneNumber>,
}

/// What devices may dial outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialRule {
    /// Stripped before the number goes out.
    pub prefix: String,
    /// The trunk's name.
    pub trunk: String,
}

/// Objects to be made as they stand here; all others are left alone. Ids are found by name or number, or drawn.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provision {
    /// The contact centre itself.
    pub contact_center: Option<ContactCenter>,
    /// Devices; their `id` is ignored.
    pub devices: Vec<Device>,
    /// Users; their `id` is ignored.
    pub users: Vec<User>,
    /// Queues.
    pub queues: Vec<Queue>,
    /// Trunks.
    pub trunks: Vec<Trunk>,
    /// All dial rules, in the order in which they are tried; `None` leaves them alone.
    pub dial_rules: Option<Vec<DialRule>>,
}
