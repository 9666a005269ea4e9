//! The call resource.

use clock::Time;
use domain::view::{CallState, CallType, CallView};
use serde::Serialize;

use crate::{
    Links,
    device::{capabilities, on_off, operation},
};

/// The call resource (`gws-api.md` 7): one device's view of a call, the same object in REST and in CometD.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Call {
    /// Equal to `callUuid`.
    pub id: String,
    /// 32 capitals and digits.
    pub call_uuid: String,
    /// 16 hex digits, the lower half of the call's id.
    pub conn_id: String,
    /// `Ringing`, `Dialing`, `Established`, `Held` or `Released`.
    pub state: &'static str,
    /// `Internal`, `Inbound` or `Outbound`.
    pub call_type: &'static str,
    /// The number dialled.
    pub dnis: String,
    /// The caller's number, on calls that come in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ani: Option<String>,
    /// The device whose view this is.
    pub device_uri: String,
    /// The others on the call.
    pub participants: Vec<Participant>,
    /// Names of the operations that are possible now.
    pub capabilities: Vec<&'static str>,
    /// Whole seconds, as a string.
    pub duration: String,
    /// `On` where the device's own voice goes nowhere: a silent supervisor.
    pub mute: &'static str,
    /// Always `Stopped`: calls are not recorded.
    pub recording_state: &'static str,
    /// Whether the device's user is told that a supervisor listens.
    pub supervisor_listening_in: bool,
    /// Whether a supervisor silenced the agent; nobody can yet.
    pub monitored_user_muted: bool,
    /// Whether this is a supervisor's view.
    pub monitoring: bool,
    /// Present on a supervisor's view.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub supervisor_monitoring_state: Option<CallMonitoring>,
    /// Where the call is found and told what to do.
    pub uri: String,
    /// `/calls/{id}`
    pub path: String,
}

/// Another party of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Participant {
    /// As dialled or as shown by the trunk.
    pub phone_number: String,
    /// The same without a leading `+`.
    pub digits: String,
    /// For people.
    pub formatted_phone_number: String,
    /// With a leading `+`; empty where the number is not given in that form.
    pub e164_number: String,
}

/// `supervisorMonitoringState` of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CallMonitoring {
    /// `ListenIn`, `Coach` or `BargeIn`.
    pub state: &'static str,
}

/// The call resource of a view, as it stands at `now`.
#[must_use]
pub fn call(view: &CallView, links: &Links, now: Time) -> Call {
    let id = view.call.to_string();
    // The lower 64 bits: the cast is meant to cut.
    let conn_id = format!("{:016x}", view.call.0 as u64);
    Call {
        call_uuid: id.clone(),
        conn_id,
        state: state(view.state),
        call_type: match view.call_type {
            CallType::Internal => "Internal",
            CallType::Inbound => "Inbound",
            CallType::Outbound => "Outbound",
        },
        dnis: view.dnis.clone(),
        ani: view.ani.clone(),
        device_uri: links.device(view.device),
        participants: view.participants.iter().map(|it| participant(it)).collect(),
        capabilities: capabilities(&view.capabilities),
        duration: view.until.unwrap_or(now).since(view.since).as_secs().to_string(),
        mute: on_off(view.muted),
        recording_state: "Stopped",
        supervisor_listening_in: view.supervisor_listening_in,
        monitored_user_muted: false,
        monitoring: view.monitoring.is_some(),
        supervisor_monitoring_state: view.monitoring.map(|it| CallMonitoring { state: operation(it) }),
        uri: links.call(view.call),
        path: format!("/calls/{id}"),
        id,
    }
}

fn state(state: CallState) -> &'static str {
    match state {
        CallState::Ringing => "Ringing",
        CallState::Dialing => "Dialing",
        CallState::Established => "Established",
        CallState::Held => "Held",
        CallState::Released => "Released",
    }
}

fn participant(number: &str) -> Participant {
    let plain = number.strip_prefix('+');
    Participant {
        phone_number: number.to_owned(),
        digits: plain.unwrap_or(number).to_owned(),
        formatted_phone_number: number.to_owned(),
        e164_number: plain.map(|_| number.to_owned()).unwrap_or_default(),
    }
}
