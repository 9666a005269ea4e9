//! What clients are sent: replies, advice and the arrays that hold them.

use std::{sync::Arc, time::Duration};

use clock::Time;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    ext::{Ack, Ext, Synced},
    message::{ClientId, ConnectionType, Message},
};
use crate::Settings;

/// A reply to one message.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Reply<'a> {
    channel: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<ClientId>,
    successful: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subscription: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<Advice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    minimum_version: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    supported_connection_types: Option<&'a [ConnectionType]>,
    #[serde(skip_serializing_if = "Ext::is_empty")]
    ext: Ext,
}

impl<'a> Reply<'a> {
    /// A success, at once.
    pub(super) fn to(message: &'a Message, now: Time) -> Self {
        Self::on(&message.channel, message.id.as_deref()).synced(message.sync.map(|it| it.answer(now, now)))
    }

    /// A success, to a message of which only the id was kept.
    pub(super) fn on(channel: &'a str, id: Option<&'a RawValue>) -> Self {
        Self {
            channel,
            id,
            client_id: None,
            successful: true,
            error: None,
            subscription: None,
            advice: None,
            version: None,
            minimum_version: None,
            supported_connection_types: None,
            ext: Ext::default(),
        }
    }

    /// Turns it into a failure; the text is `code::sentence` (Bayeux 1.0, section 3.4.5).
    pub(super) fn error(self, error: &'a str) -> Self {
        Self { successful: false, error: Some(error), ..self }
    }

    pub(super) fn client(self, client: ClientId) -> Self {
        Self { client_id: Some(client), ..self }
    }

    pub(super) fn advice(self, advice: impl Into<Option<Advice>>) -> Self {
        Self { advice: advice.into(), ..self }
    }

    pub(super) fn subscription(self, raw: &'a RawValue) -> Self {
        Self { subscription: Some(raw), ..self }
    }

    pub(super) fn ack(self, ack: Option<Ack>) -> Self {
        Self { ext: Ext { ack, ..self.ext }, ..self }
    }

    pub(super) fn synced(self, timesync: Option<Synced>) -> Self {
        Self { ext: Ext { timesync, ..self.ext }, ..self }
    }

    /// What a handshake negotiates (Bayeux 1.0, section 4.1.2).
    pub(super) fn terms(self, types: &'a [ConnectionType]) -> Self {
        let version = Some("1.0");
        Self { version, minimum_version: version, supported_connection_types: Some(types), ..self }
    }

    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).expect("strings, numbers and checked JSON always serialise")
    }
}

/// What a client is to do next (Bayeux 1.0, section 3.4.2).
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Advice {
    reconnect: &'static str,
    interval: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_interval: Option<u64>,
    #[serde(rename = "multiple-clients", skip_serializing_if = "Option::is_none")]
    multiple_clients: Option<bool>,
}

impl Advice {
    /// Go on as usual.
    pub(super) fn retry(settings: &Settings) -> Self {
        Self {
            reconnect: "retry",
            interval: millis(settings.interval),
            timeout: Some(millis(settings.timeout)),
            max_interval: Some(millis(settings.max_interval)),
            multiple_clients: None,
        }
    }

    /// This browser holds as many polls as it should: come back from time to time.
    pub(super) fn multiple_clients(settings: &Settings) -> Self {
        let interval = millis(settings.multiple_clients_interval);
        Self { interval, multiple_clients: Some(true), ..Self::retry(settings) }
    }

    /// The session is gone: make a new one after `interval`.
    pub(super) fn handshake(interval: Duration) -> Self {
        Self { reconnect: "handshake", ..Self::none() }.after(interval)
    }

    /// Do not come back.
    pub(super) fn none() -> Self {
        Self { reconnect: "none", interval: 0, timeout: None, max_interval: None, multiple_clients: None }
    }

    fn after(self, interval: Duration) -> Self {
        Self { interval: millis(interval), ..self }
    }
}

/// A JSON array, put together from texts that are JSON already.
#[derive(Default)]
pub(super) struct Array(String);

impl Array {
    pub(super) fn push(&mut self, item: &str) {
        self.0.reserve(item.len() + 2);
        self.0.push(if self.0.is_empty() { '[' } else { ',' });
        self.0.push_str(item);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn finish(mut self) -> String {
        if self.0.is_empty() {
            self.0.push('[');
        }
        self.0.push(']');
        self.0
    }
}

/// A published message as it goes out to every session: written once, shared by all.
pub(super) fn published(channel: &str, data: &str) -> Arc<str> {
    let name = serde_json::to_string(channel).expect("a string always serialises");
    format!(r#"{{"channel":{name},"data":{data}}}"#).into()
}

fn millis(it: Duration) -> u64 {
    u64::try_from(it.as_millis()).unwrap_or(u64::MAX)
}
