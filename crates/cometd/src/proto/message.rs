//! What clients send: the JSON of a request, read once and checked (Bayeux 1.0, sections 3 to 5).

use std::{borrow::Cow, fmt, time::Duration};

use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;
use thiserror::Error;

use super::{channel, ext};
use crate::Settings;

/// The random name of a session, which its client repeats in every message.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(pub(super) u128);

impl ClientId {
    /// Only the exact form that we give out, so that a session has one name.
    fn read(text: &str) -> Option<Self> {
        let is_ours = text.len() == 32 && text.bytes().all(|it| it.is_ascii_digit() || (b'a'..=b'f').contains(&it));
        is_ours.then(|| u128::from_str_radix(text, 16).ok().map(Self)).flatten()
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for ClientId {
    /// Whoever knows a client id and may act for its principal can take the session over, so logs show its head only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}…", self.0 >> 96)
    }
}

impl Serialize for ClientId {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// Why a whole request was not understood. No reply to a single message is possible then.
#[derive(Debug, Error)]
pub enum BadRequest {
    /// Not JSON, or not of the shape of Bayeux messages.
    #[error("not a Bayeux message or an array of them: {0}")]
    Json(#[from] serde_json::Error),
    /// An empty array.
    #[error("there is no message in this request")]
    Empty,
    /// More messages than the server takes at once.
    #[error("a request may hold {0} messages")]
    TooMany(usize),
    /// Nested deeper than any Bayeux message needs.
    #[error("arrays and objects may be nested {0} deep")]
    TooDeep(usize),
}

/// Whether a client may have the channels that it wants to subscribe to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// All of them.
    Granted,
    /// At least one of them is not for this client.
    Refused,
}

/// One message of a client.
#[derive(Debug)]
pub struct Message {
    pub(super) channel: Box<str>,
    /// Kept as it was written, because some clients send numbers and want them back.
    pub(super) id: Option<Box<RawValue>>,
    /// `None` also for a text that cannot be one of ours: the session is unknown either way.
    pub(super) client: Option<ClientId>,
    /// The question for our time, if this is a meta message that asks it.
    pub(super) sync: Option<ext::Sync>,
    pub(super) body: Body,
}

#[derive(Debug)]
pub(super) enum Body {
    Handshake {
        is_version_supported: bool,
        types: Vec<ConnectionType>,
        wants_acks: bool,
    },
    Connect {
        wait: Option<Duration>,
        ack: Option<u64>,
    },
    Subscribe(Subscription, Permission),
    Unsubscribe(Subscription),
    Disconnect,
    /// A message that a client would send to others, which this server does not carry.
    Publish,
    UnknownMeta,
    /// Of a known kind, but not to be understood; the text says why.
    Malformed(&'static str),
}

/// How a client may be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ConnectionType {
    Websocket,
    LongPolling,
}

#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) channels: Vec<Box<str>>,
    /// One channel or an array of them, to be repeated in the reply as it came.
    pub(super) raw: Box<RawValue>,
}

impl Message {
    /// Reads the body of a request: one message or an array of them. Subscriptions are refused until
    /// [`Self::permit`] has been asked.
    ///
    /// # Errors
    /// Where the body as a whole cannot be answered message by message.
    pub fn read_all(body: &[u8], settings: &Settings) -> Result<Vec<Self>, BadRequest> {
        if nesting(body) > settings.max_nesting {
            return Err(BadRequest::TooDeep(settings.max_nesting));
        }
        let is_array = body.iter().find(|it| !it.is_ascii_whitespace()) == Some(&b'[');
        let messages: Vec<Wire<'_>> =
            if is_array { serde_json::from_slice(body)? } else { vec![serde_json::from_slice(body)?] };
        match messages.len() {
            0 => Err(BadRequest::Empty),
            count if count > settings.max_messages_per_request => {
                Err(BadRequest::TooMany(settings.max_messages_per_request))
            }
            _ => Ok(messages.into_iter().map(Self::from).collect()),
        }
    }

    /// Grants a subscription if `may_subscribe` says so of every channel in it. Does nothing to other messages.
    pub fn permit(&mut self, may_subscribe: impl FnMut(&str) -> bool) {
        if let Body::Subscribe(wanted, permission) = &mut self.body
            && wanted.channels.iter().map(AsRef::as_ref).all(may_subscribe)
        {
            *permission = Permission::Granted;
        }
    }
}

impl From<Wire<'_>> for Message {
    fn from(wire: Wire<'_>) -> Self {
        let is_meta = wire.channel.starts_with("/meta/");
        let asked = wire.ext.filter(|_| is_meta).map(ext::Asked::read).unwrap_or_default();
        let body = match wire.channel.as_ref() {
            "/meta/handshake" => wire.handshake(asked.wants_acks),
            "/meta/connect" => wire.connect(asked.ack),
            "/meta/subscribe" => wire.subscription().map_or_else(Body::Malformed, |it| {
                if it.channels.iter().any(|it| it.starts_with("/meta/")) {
                    return Body::Malformed("Meta channels cannot be subscribed to");
                }
                Body::Subscribe(it, Permission::Refused)
            }),
            "/meta/unsubscribe" => wire.subscription().map_or_else(Body::Malformed, Body::Unsubscribe),
            "/meta/disconnect" => Body::Disconnect,
            _ if is_meta => Body::UnknownMeta,
            _ => Body::Publish,
        };
        let id = wire.id.filter(|it| it.get().len() <= MAX_ID_BYTES && !it.get().starts_with(['{', '[']));
        Self {
            id: id.map(ToOwned::to_owned),
            client: wire.client_id.as_deref().and_then(ClientId::read),
            channel: wire.channel.into(),
            sync: asked.sync,
            body,
        }
    }
}

/// The fields that this server knows; others, such as `data`, are skipped without being built.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    #[serde(borrow)]
    channel: Cow<'a, str>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    client_id: Option<Cow<'a, str>>,
    version: Option<Cow<'a, str>>,
    supported_connection_types: Option<Vec<Cow<'a, str>>>,
    connection_type: Option<Cow<'a, str>>,
    #[serde(borrow)]
    subscription: Option<&'a RawValue>,
    advice: Option<WireAdvice>,
    #[serde(borrow)]
    ext: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct WireAdvice {
    timeout: Option<f64>,
}

impl Wire<'_> {
    fn handshake(&self, wants_acks: bool) -> Body {
        let types = self.supported_connection_types.iter().flatten().filter_map(|it| connection_type(it)).collect();
        let is_version_supported = self.version.as_deref().is_none_or(|it| it == "1" || it.starts_with("1."));
        Body::Handshake { is_version_supported, types, wants_acks }
    }

    /// The connection type is only checked: how a client is answered follows from how it asked.
    fn connect(&self, ack: Option<u64>) -> Body {
        if self.connection_type.as_deref().is_some_and(|it| connection_type(it).is_none()) {
            return Body::Malformed("Unsupported connection type");
        }
        let wait = self.advice.as_ref().and_then(|it| it.timeout);
        Body::Connect { wait: wait.map(|ms| Duration::from_millis(ms.clamp(0.0, MAX_WAIT_MS) as u64)), ack }
    }

    fn subscription(&self) -> Result<Subscription, &'static str> {
        let raw = self.subscription.ok_or("The subscription is missing")?;
        let channels = match serde_json::from_str(raw.get()) {
            Ok(OneOrMany::One(channel)) => vec![channel],
            Ok(OneOrMany::Many(channels)) => channels,
            Err(_) => return Err("The subscription is neither a channel nor an array of channels"),
        };
        if channels.is_empty() || !channels.iter().all(|it| channel::is_valid_pattern(it)) {
            return Err("The subscription is not the name of a channel");
        }
        Ok(Subscription { channels, raw: raw.to_owned() })
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(Box<str>),
    Many(Vec<Box<str>>),
}

fn connection_type(name: &str) -> Option<ConnectionType> {
    match name {
        "websocket" => Some(ConnectionType::Websocket),
        "long-polling" => Some(ConnectionType::LongPolling),
        _ => None,
    }
}

/// How deep arrays and objects are nested; brackets in strings do not count. Right for JSON, and harmless for the rest.
fn nesting(body: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_string, mut is_escaped) = (0_usize, 0, false, false);
    for byte in body {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_string => is_escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

const MAX_ID_BYTES: usize = 128;

/// Longer waits than a day mean nothing: the server's own limit is far below.
const MAX_WAIT_MS: f64 = 86_400_000.0;
