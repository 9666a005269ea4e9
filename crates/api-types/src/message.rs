//! What CometD carries: the `data` of the messages on `/v2/me/…`.

use clock::Time;
use domain::{
    command::Refusal,
    view::{CallNotice, CallView, Notice, Notification},
};
use serde::Serialize;

use crate::{Call, Channel, Code, Device, Links, call, channel, device};

/// Names of the topics.
pub mod topic {
    /// Device and error messages.
    pub const DEVICES: &str = "/v2/me/devices";
    /// Call messages.
    pub const CALLS: &str = "/v2/me/calls";
    /// Channel messages.
    pub const CHANNELS: &str = "/v2/me/channels";
}

/// The `data` of a message, ready to be serialised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Message {
    /// `DeviceStateChangeMessage`
    Device(DeviceMessage),
    /// `CallStateChangeMessage`
    Call(Box<CallMessage>),
    /// `ChannelStateChangeMessageV2`
    Channel(ChannelMessage),
    /// `ErrorMessage`
    Error(ErrorMessage),
}

/// `DeviceStateChangeMessage` (`gws-api.md` 9.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceMessage {
    /// `DeviceStateChangeMessage`
    pub message_type: &'static str,
    /// Whole device resources.
    pub devices: Vec<Device>,
}

/// `CallStateChangeMessage` (`gws-api.md` 9.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CallMessage {
    /// `CallStateChangeMessage`
    pub message_type: &'static str,
    /// `StatusChange` or `ParticipantsUpdated`.
    pub notification_type: &'static str,
    /// The number of the device whose view this is.
    pub phone_number: String,
    /// Present on a supervisor's call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extensions: Option<Extensions>,
    /// The whole call resource.
    pub call: Call,
}

/// `extensions`, as the samples of a supervisor's call show them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Extensions {
    /// Seconds.
    pub wrap_up_time: u32,
    /// 0 or 1.
    pub business_call: u32,
}

/// `ChannelStateChangeMessageV2` (`gws-api.md` 9.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChannelMessage {
    /// `ChannelStateChangeMessageV2`
    pub message_type: &'static str,
    /// The channels that changed.
    pub channels: Vec<Channel>,
}

/// `ErrorMessage` (`gws-api.md` 9.4): why something that had been accepted failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorMessage {
    /// `ErrorMessage`
    pub message_type: &'static str,
    /// A sentence for a person.
    pub error_message: String,
    /// What `statusCode` would have been.
    pub error_code: Code,
}

/// The topic and the `data` of a notification, as it stands at `now`.
#[must_use]
pub fn notification(notification: &Notification, links: &Links, now: Time) -> (&'static str, Message) {
    match &notification.notice {
        Notice::Device(view) => {
            let devices = vec![device(view, links)];
            (topic::DEVICES, Message::Device(DeviceMessage { message_type: "DeviceStateChangeMessage", devices }))
        }
        Notice::Call(what, view) => (topic::CALLS, Message::Call(Box::new(call_message(*what, view, links, now)))),
        Notice::Channel(state) => {
            let channels = vec![channel(*state)];
            (
                topic::CHANNELS,
                Message::Channel(ChannelMessage { message_type: "ChannelStateChangeMessageV2", channels }),
            )
        }
        Notice::Failed(refusal) => (topic::DEVICES, Message::Error(error(refusal))),
    }
}

fn call_message(what: CallNotice, view: &CallView, links: &Links, now: Time) -> CallMessage {
    CallMessage {
        message_type: "CallStateChangeMessage",
        notification_type: match what {
            CallNotice::StatusChange => "StatusChange",
            CallNotice::ParticipantsUpdated => "ParticipantsUpdated",
        },
        phone_number: view.phone_number.to_string(),
        extensions: view.monitoring.map(|_| Extensions::default()),
        call: call(view, links, now),
    }
}

fn error(refusal: &Refusal) -> ErrorMessage {
    ErrorMessage { message_type: "ErrorMessage", error_message: refusal.text.clone(), error_code: refusal.kind.into() }
}
