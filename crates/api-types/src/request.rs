//! The bodies of operations, read into the domain's commands.
//!
//! Fields that an operation does not know are ignored. `null`, and an empty text where a text is optional, count as
//! absent: the API's own sample of a queue's order shows an empty `targetDeviceUri`.

use domain::{
    command::{
        AgentRequest, CallOperation, Calls, DeviceOperation, FormError, MonitorForm, Refusal, RefusalKind, Scope,
        StartSession, Switch, TargetUri, UserRequest,
    },
    config::MonitorOperation,
    ids::PhoneNumber,
};
use serde_json::{Map, Value};

/// An operation as it was asked for: its name and what it asks. Mistakes in the parameters travel inside the request,
/// because feature and role are looked at before them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// `operationName`
    pub name: String,
    /// What it asks.
    pub request: UserRequest,
}

/// Reads an operation POSTed to `/me`.
///
/// # Errors
/// The body is no JSON object, `operationName` is missing, or no operation of `/me`.
pub fn me(body: &[u8]) -> Result<Operation, Refusal> {
    read(body, |name, fields| {
        Some(match name {
            "StartContactCenterSession" => UserRequest::StartSession(start_session(fields)),
            "EndContactCenterSession" => UserRequest::EndSession,
            _ => return agent_state(name),
        })
    })
}

/// Reads an operation POSTed to `/me/channels/voice`.
///
/// # Errors
/// As [`me`].
pub fn voice_channel(body: &[u8]) -> Result<Operation, Refusal> {
    read(body, |name, _| agent_state(name))
}

/// Reads an operation POSTed to `/me/devices/{id}`.
///
/// # Errors
/// As [`me`].
pub fn device(id: &str, body: &[u8]) -> Result<Operation, Refusal> {
    read(body, |name, fields| {
        let operation = match name {
            "ListenIn" => DeviceOperation::Monitor(MonitorOperation::ListenIn, monitor_form(fields)),
            "Coach" => DeviceOperation::Monitor(MonitorOperation::Coach, monitor_form(fields)),
            "BargeIn" => DeviceOperation::Monitor(MonitorOperation::BargeIn, monitor_form(fields)),
            "CancelSupervisorMonitoring" => DeviceOperation::CancelMonitoring,
            "DoNotDisturbOn" => DeviceOperation::DoNotDisturb(Switch::On),
            "DoNotDisturbOff" => DeviceOperation::DoNotDisturb(Switch::Off),
            "ForwardCallsOn" => DeviceOperation::ForwardOn(destination(fields)),
            "ForwardCallsOff" => DeviceOperation::ForwardOff,
            _ => return dial(id, name, fields),
        };
        Some(UserRequest::Device { device: id.parse().ok(), operation })
    })
}

/// Reads an operation POSTed to `/me/devices/{id}/calls`.
///
/// # Errors
/// As [`me`].
pub fn device_calls(id: &str, body: &[u8]) -> Result<Operation, Refusal> {
    read(body, |name, fields| dial(id, name, fields))
}

/// Reads an operation POSTed to `/me/calls/{id}`.
///
/// # Errors
/// As [`me`].
pub fn call(id: &str, body: &[u8]) -> Result<Operation, Refusal> {
    read(body, |name, _| {
        let operation = match name {
            "Hangup" => CallOperation::Hangup,
            "Answer" => CallOperation::Answer,
            "Hold" => CallOperation::Hold,
            "Retrieve" => CallOperation::Retrieve,
            _ => return None,
        };
        Some(UserRequest::Call { call: id.parse().ok(), operation })
    })
}

/// The refusal of an operation that does not exist, or whose feature is off: the two must look the same.
#[must_use]
pub fn unknown_operation(name: &str) -> Refusal {
    let shown: String = name.chars().take(64).collect();
    let text = format!("\"{shown}\" is not an operation of this resource");
    Refusal { kind: RefusalKind::UnknownOperation, text }
}

fn read(
    body: &[u8],
    request: impl FnOnce(&str, &Map<String, Value>) -> Option<UserRequest>,
) -> Result<Operation, Refusal> {
    let fields = object(body)?;
    let name = match fields.get("operationName") {
        None | Some(Value::Null) => return Err(refusal(RefusalKind::Missing, "operationName is missing")),
        Some(Value::String(name)) => name,
        Some(_) => return Err(refusal(RefusalKind::OutOfRange, "operationName must be a string")),
    };
    match request(name, &fields) {
        Some(request) => Ok(Operation { name: name.clone(), request }),
        None => Err(unknown_operation(name)),
    }
}

fn object(body: &[u8]) -> Result<Map<String, Value>, Refusal> {
    if body.trim_ascii().is_empty() {
        return Err(refusal(RefusalKind::Missing, "the body is empty: operationName is missing"));
    }
    // the message of a syntax error ends with its line and column.
    match serde_json::from_slice(body) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(refusal(RefusalKind::OutOfRange, "the body must be a JSON object")),
        Err(error) => Err(refusal(RefusalKind::OutOfRange, &format!("the body is not valid JSON: {error}"))),
    }
}

fn refusal(kind: RefusalKind, text: &str) -> Refusal {
    Refusal { kind, text: text.to_owned() }
}

fn agent_state(name: &str) -> Option<UserRequest> {
    match name {
        "Ready" => Some(UserRequest::SetAgentState(AgentRequest::Ready)),
        "NotReady" => Some(UserRequest::SetAgentState(AgentRequest::NotReady)),
        "AfterCallWork" => Some(UserRequest::SetAgentState(AgentRequest::AfterCallWork)),
        "AuxWork" => Some(UserRequest::SetAgentState(AgentRequest::AuxWork)),
        _ => None,
    }
}

/// Documented on `/me/devices/{id}/calls`, and taken on the device as its other operations are.
fn dial(id: &str, name: &str, fields: &Map<String, Value>) -> Option<UserRequest> {
    let operation = DeviceOperation::Dial(destination(fields));
    (name == "Dial").then(|| UserRequest::Device { device: id.parse().ok(), operation })
}

fn start_session(fields: &Map<String, Value>) -> Result<StartSession, FormError> {
    let list = match fields.get("channels") {
        None | Some(Value::Null) => return Err(FormError::Missing("channels is missing".into())),
        Some(Value::Array(list)) => list,
        Some(_) => return Err(out_of_range("channels must be an array of strings such as [\"voice\"]")),
    };
    if list.is_empty() {
        return Err(FormError::Missing("channels names no channel".into()));
    }
    if list.len() > MAX_CHANNELS {
        return Err(out_of_range("channels names too many channels"));
    }
    let names = list.iter().map(|it| it.as_str().map(str::to_owned));
    let channels = names.collect::<Option<Vec<String>>>();
    let channels = channels.ok_or_else(|| out_of_range("channels must be an array of strings such as [\"voice\"]"))?;
    Ok(StartSession { channels })
}

/// What is missing is told before what is malformed (1 before 10).
fn monitor_form(fields: &Map<String, Value>) -> Result<MonitorForm, FormError> {
    let target = text(fields, "targetDeviceUri");
    let number = text(fields, "phoneNumber");
    if let (Ok(None), Ok(None)) = (&target, &number) {
        return Err(FormError::Missing("targetDeviceUri or phoneNumber is required".into()));
    }
    let number = number?.map(|it| phone_number("phoneNumber", it)).transpose()?;
    let scopes = [("Call", Scope::Call), ("Agent", Scope::Agent)];
    let modes = [("AllCalls", Calls::All), ("NextCall", Calls::Next)];
    Ok(MonitorForm {
        target: target?.map(target_uri),
        phone_number: number,
        scope: one_of(fields, "supervisorMonitoringScope", &scopes)?.unwrap_or(Scope::Call),
        calls: one_of(fields, "supervisorMonitoringMode", &modes)?.unwrap_or(Calls::All),
    })
}

/// What a `targetDeviceUri` names, by its path alone: `…/api/v2/devices/{id}` on any host and below any context path,
/// or `/devices/{id}`. Anything else names nothing of ours and is answered with 6, as an id that nobody has.
fn target_uri(uri: &str) -> TargetUri {
    let path = match uri.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("", |it| &rest[it..]),
        None => uri,
    };
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let path = path.trim_end_matches('/').trim_start_matches('/');
    let Some((parent, id)) = path.rsplit_once('/') else {
        return TargetUri::Nothing;
    };
    if parent != "devices" && parent != "api/v2/devices" && !parent.ends_with("/api/v2/devices") {
        return TargetUri::Nothing;
    }
    id.parse().map_or(TargetUri::Nothing, TargetUri::Device)
}

/// An object with `phoneNumber`, as documented for `Dial`, or a plain string, as for `ForwardCallsOn`: either takes both.
fn destination(fields: &Map<String, Value>) -> Result<PhoneNumber, FormError> {
    let number = match fields.get("destination") {
        Some(Value::Object(inner)) => text(inner, "phoneNumber")?,
        _ => text(fields, "destination")?,
    };
    let number = number.ok_or_else(|| FormError::Missing("destination is missing".into()))?;
    phone_number("destination", number)
}

fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, FormError> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(out_of_range(&format!("{name} must be a string"))),
    }
}

fn phone_number(name: &str, text: &str) -> Result<PhoneNumber, FormError> {
    text.parse().map_err(|error| out_of_range(&format!("{name}: {error}")))
}

/// a misspelled value is refused, since a default in its place could widen what is monitored.
fn one_of<T: Copy>(fields: &Map<String, Value>, name: &str, allowed: &[(&str, T)]) -> Result<Option<T>, FormError> {
    let value = match fields.get(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(value) => value.as_str(),
    };
    let found = allowed.iter().find(|it| Some(it.0) == value);
    let names = || allowed.iter().map(|it| it.0).collect::<Vec<_>>().join(" or ");
    found.map(|it| Some(it.1)).ok_or_else(|| out_of_range(&format!("{name} must be {}", names())))
}

fn out_of_range(text: &str) -> FormError {
    FormError::OutOfRange(text.to_owned())
}

/// More than any client names.
const MAX_CHANNELS: usize = 32;
