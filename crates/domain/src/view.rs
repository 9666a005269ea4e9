//! What readers see: one immutable object for each user, device and call, published anew whenever it changes.

use std::{collections::BTreeSet, sync::Arc};

use clock::Time;

use crate::{
    command::{Calls, Scope},
    config::{ContactCenter, MonitorOperation, Role, Secret, TelephonyNetwork},
    ids::{CallId, DeviceId, PhoneNumber, UserId},
};

/// An object that is new, or differs from what was published before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The contact centre.
    ContactCenter(Arc<ContactCenter>),
    /// A user.
    User(Arc<UserView>),
    /// A device.
    Device(Arc<DeviceView>),
    /// A device's view of a live call.
    Call(Arc<CallView>),
    /// A device's view of a call is over.
    CallGone(CallId, DeviceId),
    /// A number that a caller may look up without it being a device: a queue.
    Queue(PhoneNumber),
}

/// A user as readers see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserView {
    /// Its id.
    pub id: UserId,
    /// The name to log in with.
    pub user_name: String,
    /// For the log-in check alone.
    pub password_hash: Secret<String>,
    /// First name.
    pub first_name: String,
    /// Last name.
    pub last_name: String,
    /// Roles.
    pub roles: BTreeSet<Role>,
    /// Devices of the user: the default place first.
    pub devices: Vec<DeviceId>,
    /// Teams the user works in.
    pub teams: BTreeSet<String>,
    /// Teams whose members the user may monitor.
    pub supervises: BTreeSet<String>,
    /// Whether a contact-centre session is open, and the state on the voice channel.
    pub agent_state: AgentState,
}

/// An agent's state on the voice channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AgentState {
    /// No contact-centre session.
    Offline,
    /// Logged in, not to be given calls from queues.
    NotReady,
    /// Logged in and waiting for calls.
    Ready,
    /// Busy with what a call has left to do; not to be given calls from queues.
    AfterCallWork,
    /// Busy with something else; not to be given calls from queues.
    AuxWork,
}

/// A device as its owner sees it, in REST and in CometD alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceView {
    /// Its id.
    pub id: DeviceId,
    /// Whose default place it is.
    pub owner: Option<UserId>,
    /// Teams of the owner: who may look it up depends on them.
    pub teams: BTreeSet<String>,
    /// `deviceState`: active while its owner has a contact-centre session.
    pub active: bool,
    /// The owner's state on the voice channel.
    pub agent_state: AgentState,
    /// Its number.
    pub phone_number: PhoneNumber,
    /// Its network.
    pub telephony_network: TelephonyNetwork,
    /// Whether calls to it are refused as busy.
    pub do_not_disturb: bool,
    /// Where its calls go instead.
    pub forward_to: Option<PhoneNumber>,
    /// What its owner can do with it now, in the order shown.
    pub capabilities: Vec<Capability>,
    /// The owner's monitoring order, if one stands.
    pub monitoring: Option<MonitoringView>,
}

/// `supervisorMonitoringState` of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MonitoringView {
    /// `state`
    pub operation: MonitorOperation,
    /// `mode`
    pub calls: Calls,
    /// `scope`
    pub scope: Scope,
    /// `targetDeviceUri`; none for a queue.
    pub target: Option<DeviceId>,
    /// The monitored number.
    pub phone_number: PhoneNumber,
    /// The switch it is on.
    pub switch_name: String,
}

/// The name of an operation that is possible now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Capability {
    /// `ForwardCallsOn`
    ForwardCallsOn,
    /// `ForwardCallsOff`
    ForwardCallsOff,
    /// `DoNotDisturbOn`
    DoNotDisturbOn,
    /// `DoNotDisturbOff`
    DoNotDisturbOff,
    /// `ListenIn`
    ListenIn,
    /// `CancelSupervisorMonitoring`
    CancelSupervisorMonitoring,
    /// `Answer`
    Answer,
    /// `Hold`
    Hold,
    /// `Retrieve`
    Retrieve,
    /// `Hangup`
    Hangup,
}

/// One device's view of a call, in REST and in CometD alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallView {
    /// The call.
    pub call: CallId,
    /// The device that the view belongs to.
    pub device: DeviceId,
    /// The device's number.
    pub phone_number: PhoneNumber,
    /// Who may see it: the device's owner, if it has one.
    pub owner: Option<UserId>,
    /// Its state for this device.
    pub state: CallState,
    /// Its type for this device.
    pub call_type: CallType,
    /// Numbers of the others on it, this device and silent supervisors left out.
    pub participants: Vec<String>,
    /// The number dialled.
    pub dnis: String,
    /// The caller's number, on calls that come in.
    pub ani: Option<String>,
    /// What the owner can do now, in the order shown.
    pub capabilities: Vec<Capability>,
    /// When the device joined it; `duration` counts from here.
    pub since: Time,
    /// When it ended for this device: `duration` stops here.
    pub until: Option<Time>,
    /// Whether the device's own voice goes nowhere: a silent supervisor.
    pub muted: bool,
    /// Whether the device's user is told that a supervisor listens.
    pub supervisor_listening_in: bool,
    /// Present on a supervisor's view: the mode in force.
    pub monitoring: Option<MonitorOperation>,
}

/// The state of a call for one device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CallState {
    /// It rings here.
    Ringing,
    /// It rings at the other end.
    Dialing,
    /// Talking.
    Established,
    /// On hold by this device.
    Held,
    /// Over.
    Released,
}

/// The type of a call for one device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CallType {
    /// Between devices of ours.
    Internal,
    /// From outside.
    Inbound,
    /// To the outside.
    Outbound,
}

/// A message for one user's desktops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// For whom.
    pub user: UserId,
    /// Counts up by one for each message to this user.
    pub number: u64,
    /// What it says.
    pub notice: Notice,
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// `DeviceStateChangeMessage` on `/v2/me/devices`.
    Device(Arc<DeviceView>),
    /// `CallStateChangeMessage` on `/v2/me/calls`.
    Call(CallNotice, Arc<CallView>),
    /// `ChannelStateChangeMessageV2` on `/v2/me/channels`.
    Channel(AgentState),
    /// `ErrorMessage` on `/v2/me/devices`: why something that had been accepted failed.
    Failed(crate::command::Refusal),
}

/// `notificationType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallNotice {
    /// `StatusChange`: state or mute changed.
    StatusChange,
    /// `ParticipantsUpdated`: a party came or went.
    ParticipantsUpdated,
}
