//! The device resource.

use domain::{
    command::{Calls, Scope},
    config::{MonitorOperation, TelephonyNetwork},
    view::{Capability, DeviceView, MonitoringView},
};
use serde::Serialize;

use crate::{Links, UserState, user_state};

/// The device resource (`gws-api.md` 4): the same object in REST and in CometD.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Device {
    /// A UUID in lower case with dashes.
    pub id: String,
    /// `Active` or `Inactive`.
    pub device_state: &'static str,
    /// The owner's state.
    pub user_state: UserState,
    /// Its number.
    pub phone_number: String,
    /// The same number: for internal numbers the samples show no other.
    pub e164_number: String,
    /// `Private` or `Public`.
    pub telephony_network: &'static str,
    /// `On` or `Off`.
    pub do_not_disturb: &'static str,
    /// Present while calls are forwarded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forward_to: Option<String>,
    /// Always empty, as in the sample of ListenIn: there is no such resource here.
    pub voice_environment_uri: &'static str,
    /// Names of the operations that are possible now.
    pub capabilities: Vec<&'static str>,
    /// Present while a monitoring order stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub supervisor_monitoring_state: Option<Monitoring>,
}

/// `supervisorMonitoringState` of a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Monitoring {
    /// `ListenIn`, `Coach` or `BargeIn`.
    pub state: &'static str,
    /// `AllCalls` or `NextCall`.
    pub mode: &'static str,
    /// `Call` or `Agent`.
    pub scope: &'static str,
    /// The device watched; empty for a queue.
    pub target_device_uri: String,
    /// The number watched.
    pub phone_number: String,
    /// The switch that it is on.
    pub switch_name: String,
}

/// The device resource of a view.
#[must_use]
pub fn device(view: &DeviceView, links: &Links) -> Device {
    Device {
        id: view.id.to_string(),
        device_state: if view.active { "Active" } else { "Inactive" },
        user_state: user_state(view.agent_state),
        phone_number: view.phone_number.to_string(),
        e164_number: view.phone_number.to_string(),
        telephony_network: match view.telephony_network {
            TelephonyNetwork::Private => "Private",
            TelephonyNetwork::Public => "Public",
        },
        do_not_disturb: on_off(view.do_not_disturb),
        forward_to: view.forward_to.as_ref().map(ToString::to_string),
        voice_environment_uri: "",
        capabilities: capabilities(&view.capabilities),
        supervisor_monitoring_state: view.monitoring.as_ref().map(|it| monitoring(it, links)),
    }
}

fn monitoring(view: &MonitoringView, links: &Links) -> Monitoring {
    Monitoring {
        state: operation(view.operation),
        mode: match view.calls {
            Calls::Next => "NextCall",
            Calls::All => "AllCalls",
        },
        scope: match view.scope {
            Scope::Call => "Call",
            Scope::Agent => "Agent",
        },
        target_device_uri: view.target.map(|it| links.device(it)).unwrap_or_default(),
        phone_number: view.phone_number.to_string(),
        switch_name: view.switch_name.clone(),
    }
}

pub(crate) fn operation(operation: MonitorOperation) -> &'static str {
    match operation {
        MonitorOperation::ListenIn => "ListenIn",
        MonitorOperation::Coach => "Coach",
        MonitorOperation::BargeIn => "BargeIn",
    }
}

pub(crate) fn capabilities(list: &[Capability]) -> Vec<&'static str> {
    list.iter().map(|it| capability(*it)).collect()
}

fn capability(capability: Capability) -> &'static str {
    match capability {
        Capability::ForwardCallsOn => "ForwardCallsOn",
        Capability::ForwardCallsOff => "ForwardCallsOff",
        Capability::DoNotDisturbOn => "DoNotDisturbOn",
        Capability::DoNotDisturbOff => "DoNotDisturbOff",
        Capability::ListenIn => "ListenIn",
        Capability::CancelSupervisorMonitoring => "CancelSupervisorMonitoring",
        Capability::Answer => "Answer",
        Capability::Hold => "Hold",
        Capability::Retrieve => "Retrieve",
        Capability::Hangup => "Hangup",
    }
}

pub(crate) fn on_off(on: bool) -> &'static str {
    if on { "On" } else { "Off" }
}
