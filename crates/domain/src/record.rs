//! What is written down: the state that survives a restart, and the audit trail.

use clock::Time;

use crate::{
    command::{Calls, Scope},
    config::{ContactCenter, Device, DialRule, MonitorOperation, Queue, Trunk, User},
    ids::{CallId, DeviceId, OrderId, PhoneNumber, SessionId, UserId},
    view::AgentState,
};

/// One durable change. The records of one `Store` action are committed together or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// The contact centre as it is now.
    ContactCenter(ContactCenter),
    /// A device as it is now.
    Device(Device),
    /// A user as it is now.
    User(User),
    /// A queue as it is now.
    Queue(Queue),
    /// A trunk as it is now.
    Trunk(Trunk),
    /// All dial rules as they are now.
    DialRules(Vec<DialRule>),
    /// A user is logged in to the voice channel, in this state.
    LogIn(LogIn),
    /// A user is logged out.
    LogOut(UserId),
    /// A device's do-not-disturb and forwarding as they are now.
    Comfort(Comfort),
    /// An order stands, as it is now.
    Order(Order),
    /// An order is gone.
    OrderGone(OrderId),
    /// A session was begun: kept open until its end is recorded.
    SessionBegun(SessionId),
    /// A session has ended.
    SessionEnded(SessionId),
    /// An entry of the audit trail.
    Audit(Audit),
    /// A registration as it is now.
    Registration(Registration),
    /// A registration is gone.
    RegistrationGone {
        /// The device's number.
        number: PhoneNumber,
        /// Its contact URI.
        contact: String,
    },
}

/// A log-in to the voice channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogIn {
    /// Who.
    pub user: UserId,
    /// At which device.
    pub device: DeviceId,
    /// The state, never [`AgentState::Offline`].
    pub state: AgentState,
}

/// Do-not-disturb and forwarding of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comfort {
    /// Of which device.
    pub device: DeviceId,
    /// Whether calls to it are refused as busy.
    pub do_not_disturb: bool,
    /// Where its calls go instead.
    pub forward_to: Option<PhoneNumber>,
}

/// A monitoring order: one supervisor's device watches one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Its id.
    pub id: OrderId,
    /// Whose order it is.
    pub supervisor: UserId,
    /// The supervisor's device.
    pub device: DeviceId,
    /// The device watched.
    pub target: DeviceId,
    /// Who can hear the supervisor.
    pub operation: MonitorOperation,
    /// How far a session follows the call.
    pub scope: Scope,
    /// For how many calls.
    pub calls: Calls,
    /// Sessions in a row that the supervisor's phone did not answer (V-04).
    pub unanswered: u8,
}

/// A registration, saved so that phones need not register again after a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// The device's number.
    pub number: PhoneNumber,
    /// The contact URI.
    pub contact: String,
    /// The address that it came from, `ip:port`.
    pub source: String,
    /// The Call-ID of the REGISTER.
    pub call_id: String,
    /// Its CSeq.
    pub cseq: u32,
    /// When it lapses.
    pub expires: Time,
    /// The phone's `User-Agent`; may be empty.
    pub agent: String,
    /// The contact's `q` in thousandths.
    pub preference: u16,
    /// The phone's `+sip.instance`; may be empty.
    pub instance: String,
    /// Which of the phone's flows this is (RFC 5626 s4.2); 0 for phones that know nothing of flows.
    pub reg_id: u32,
    /// The proxies on the way to the phone, the nearest to us first (RFC 3327).
    pub path: Vec<String>,
}

/// An entry of the audit trail: who did what to whom, when, and why it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// When.
    pub at: Time,
    /// What.
    pub what: AuditEvent,
    /// The supervisor.
    pub supervisor: UserId,
    /// The supervisor's user name, which outlives the account.
    pub supervisor_name: String,
    /// The supervisor's number, where it is known.
    pub supervisor_number: Option<PhoneNumber>,
    /// The number watched or asked for, where it is known.
    pub target_number: Option<PhoneNumber>,
    /// The agent watched, by user name, where there is one.
    pub target_name: Option<String>,
    /// The call, for sessions.
    pub call: Option<CallId>,
    /// The order, if there is one.
    pub order: Option<OrderId>,
    /// The session, if there is one.
    pub session: Option<SessionId>,
    /// The operation asked for or in force.
    pub operation: Option<MonitorOperation>,
    /// Why: the reason of an end, the sentence of a refusal.
    pub reason: Option<String>,
}

/// What an audit entry tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AuditEvent {
    /// An order was accepted.
    OrderArmed,
    /// An order was replaced in place.
    OrderChanged,
    /// A request was refused.
    OrderRefused,
    /// An order ended; the reason says why.
    OrderEnded,
    /// A supervisor's phone is being called for a session.
    SessionOffered,
    /// The supervisor hears the call from now on.
    SessionActive,
    /// The session ended; the reason says why.
    SessionEnded,
}
