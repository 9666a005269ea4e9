//! What users and operators may ask for, and why it may be refused.

use thiserror::Error;

use crate::{
    config::{MonitorOperation, Provision},
    ids::{CallId, DeviceId, PhoneNumber, UserId},
};

/// A request of a user's, or of the operator's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Something a logged-in user asks for.
    User {
        /// Who asks.
        by: UserId,
        /// What for.
        request: UserRequest,
    },
    /// Objects made or changed by the operator.
    Provision(Provision),
}

/// What a user may ask for. A form that could not be read travels as `Err` in its place, so that the refusals keep
/// one order: feature, role, form, existence, state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserRequest {
    /// `StartContactCenterSession` on `/me`.
    StartSession(Result<StartSession, FormError>),
    /// `EndContactCenterSession` on `/me`.
    EndSession,
    /// `Ready`, `NotReady`, `AfterCallWork`, `AuxWork` on `/me/channels/voice` or `/me`.
    SetAgentState(AgentRequest),
    /// An operation on `/me/devices/{id}`; `None` when the id in the URL is no id at all.
    Device {
        /// The device in the URL.
        device: Option<DeviceId>,
        /// What to do with it.
        operation: DeviceOperation,
    },
    /// An operation on `/me/calls/{id}`; `None` when the id in the URL is no id at all.
    Call {
        /// The call in the URL.
        call: Option<CallId>,
        /// What to do with it.
        operation: CallOperation,
    },
}

/// `StartContactCenterSession`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartSession {
    /// The channels asked for, such as `voice`. Only voice can be had here.
    pub channels: Vec<String>,
}

/// An agent state that a user can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentRequest {
    /// Ready for calls from queues.
    Ready,
    /// Not ready.
    NotReady,
    /// Busy with what a call has left to do, until the agent says otherwise.
    AfterCallWork,
    /// Busy with something else.
    AuxWork,
}

/// What can be done with one's own device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceOperation {
    /// `ListenIn`, `Coach`, `BargeIn`.
    Monitor(MonitorOperation, Result<MonitorForm, FormError>),
    /// `CancelSupervisorMonitoring`.
    CancelMonitoring,
    /// `DoNotDisturbOn` and `DoNotDisturbOff`.
    DoNotDisturb(Switch),
    /// `ForwardCallsOn`.
    ForwardOn(Result<PhoneNumber, FormError>),
    /// `ForwardCallsOff`.
    ForwardOff,
    /// `Dial`: this number.
    Dial(Result<PhoneNumber, FormError>),
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// On.
    On,
    /// Off.
    Off,
}

/// The parameters of a monitoring request, read but not yet looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MonitorForm {
    /// What `targetDeviceUri` names.
    pub target: Option<TargetUri>,
    /// `phoneNumber`.
    pub phone_number: Option<PhoneNumber>,
    /// `supervisorMonitoringScope`; Call if left out.
    pub scope: Scope,
    /// `supervisorMonitoringMode`; AllCalls if left out.
    pub calls: Calls,
}

/// What a `targetDeviceUri` names, by its path alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetUri {
    /// A device's id.
    Device(DeviceId),
    /// A URI that cannot name any device of ours: nothing is there (6).
    Nothing,
}

/// How far a session follows the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// As long as the call lasts.
    Call,
    /// As long as the target is on it.
    Agent,
}

/// How many calls an order is for (`supervisorMonitoringMode`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Calls {
    /// One.
    Next,
    /// Every call until cancelled.
    All,
}

/// What can be done with one's own call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallOperation {
    /// End one's own leg of it.
    Hangup,
    /// Answer it at one's phone.
    Answer,
    /// Put it on hold.
    Hold,
    /// Take it back from hold.
    Retrieve,
}

/// A request whose form is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FormError {
    /// A parameter is missing.
    #[error("{0}")]
    Missing(String),
    /// A value is malformed or not one of those allowed.
    #[error("{0}")]
    OutOfRange(String),
}

/// What a command is answered with when it was carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// All of it.
    Done,
    /// Some channels could not be had (`statusCode` 7): each channel and, where it failed, why.
    Partial(Vec<(String, Option<Refusal>)>),
}

/// Why a command was refused. Nothing has changed.
///
/// [`Refusal::kind`] is what an adapter translates; the text is a sentence for a person.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{text}")]
pub struct Refusal {
    /// What sort of refusal it is.
    pub kind: RefusalKind,
    /// What was wrong and what would be right.
    pub text: String,
}

/// What sort of refusal it is, in the order in which they are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RefusalKind {
    /// No such operation, or its feature is off.
    UnknownOperation,
    /// The role, privilege or team is lacking.
    NotPermitted,
    /// A parameter is missing.
    Missing,
    /// A value is malformed.
    OutOfRange,
    /// Not there, or not for the caller to know of.
    NotFound,
    /// Forbidden whoever asks, such as monitoring oneself.
    Forbidden,
    /// Well-formed, but not in the present state.
    NotNow,
    /// Somebody else has it.
    InUse,
    /// Our own failure, such as a full disk.
    Internal,
}
