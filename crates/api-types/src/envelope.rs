//! What every reply is wrapped in, and the API's status codes.

use domain::command::{Refusal, RefusalKind};
use serde::{Serialize, Serializer, ser::SerializeMap};

/// `statusCode` (`gws-api.md` 1.3): those that are used here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Code {
    /// Success.
    Ok = 0,
    /// A required parameter is missing.
    Missing = 1,
    /// Not valid in the current state.
    NotNow = 2,
    /// Forbidden.
    Forbidden = 3,
    /// Our own failure.
    Internal = 4,
    /// The user lacks permission.
    NotPermitted = 5,
    /// No such resource.
    NotFound = 6,
    /// At least one part worked, at least one did not.
    Partial = 7,
    /// A value outside the allowed range; also an operation that does not exist.
    OutOfRange = 10,
    /// In use.
    InUse = 19,
    /// Not logged in.
    NotAuthenticated = 20,
}

impl Code {
    /// The number in the body.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }
}

impl From<RefusalKind> for Code {
    fn from(kind: RefusalKind) -> Self {
        match kind {
            RefusalKind::UnknownOperation | RefusalKind::OutOfRange => Self::OutOfRange,
            RefusalKind::NotPermitted => Self::NotPermitted,
            RefusalKind::Missing => Self::Missing,
            RefusalKind::NotFound => Self::NotFound,
            RefusalKind::Forbidden => Self::Forbidden,
            RefusalKind::NotNow => Self::NotNow,
            RefusalKind::InUse => Self::InUse,
            RefusalKind::Internal => Self::Internal,
        }
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.number())
    }
}

/// An operation was carried out: `{"statusCode":0}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done;

impl Serialize for Done {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry("statusCode", &Code::Ok)?;
        map.end()
    }
}

/// Something was found: `statusCode` 0 and the thing under its name (`user`, `devices`, `uris` …).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found<T>(pub &'static str, pub T);

impl<T: Serialize> Serialize for Found<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("statusCode", &Code::Ok)?;
        map.serialize_entry(self.0, &self.1)?;
        map.end()
    }
}

/// A failure: nothing was changed, and nothing else stands in the body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// Not 0.
    pub status_code: Code,
    /// A sentence for a person.
    pub status_message: String,
}

impl From<&Refusal> for Failure {
    fn from(refusal: &Refusal) -> Self {
        Self { status_code: refusal.kind.into(), status_message: refusal.text.clone() }
    }
}

/// `StartContactCenterSession` where only some channels could be had. The documentation says in words that each channel
/// has its result; that the list is called `channels` is our choice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Partial {
    /// 7.
    pub status_code: Code,
    /// Each channel asked for.
    pub channels: Vec<ChannelResult>,
}

/// What became of one channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChannelResult {
    /// Its name, such as `voice`.
    pub channel: String,
    /// 0 where it was had.
    pub status_code: Code,
    /// Why it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_message: Option<String>,
}

/// The body of a `Reply::Partial`.
#[must_use]
pub fn partial(results: &[(String, Option<Refusal>)]) -> Partial {
    let channels = results.iter().map(|(channel, refusal)| ChannelResult {
        channel: channel.clone(),
        status_code: refusal.as_ref().map_or(Code::Ok, |it| it.kind.into()),
        status_message: refusal.as_ref().map(|it| it.text.clone()),
    });
    Partial { status_code: Code::Partial, channels: channels.collect() }
}
