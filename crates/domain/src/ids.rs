//! Every id has its own type; its text is checked once, where it enters.

use std::{fmt, str::FromStr};

use thiserror::Error;

/// A text that is not an id of the wanted kind.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("\"{text}\" is not {wanted}")]
pub struct BadId {
    text: String,
    wanted: &'static str,
}

/// A user: 32 lower-case hex digits, as in `/api/v2/users/{id}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(pub u128);

/// A device: a UUID in lower case with dashes, as in `/api/v2/devices/{id}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId(pub u128);

/// A call, whatever SIP dialogs come and go under it. Shown as `callUuid`: 32 capitals and digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u128);

/// A monitoring order. Unique across nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderId(pub u128);

/// A monitoring session. Unique across nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u128);

/// One SIP dialog of ours with one phone or trunk. The SIP side numbers the legs that come in, the domain those that
/// go out; [`LegId::INBOUND`] keeps the two apart. Never shown outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LegId(pub u64);

impl LegId {
    /// Set in the id of every leg that a peer began.
    pub const INBOUND: u64 = 1 << 63;

    /// Whether the peer began this leg.
    #[must_use]
    pub const fn is_inbound(self) -> bool {
        self.0 & Self::INBOUND != 0
    }
}

/// What a durable change is asked for under, and answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// What a command is asked under, and answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

macro_rules! shown_as {
    ($id:ident, $format:literal) => {
        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, $format, self.0)
            }
        }
    };
}

shown_as!(UserId, "{:032x}");
shown_as!(CallId, "{:032X}");
shown_as!(OrderId, "{:032x}");
shown_as!(SessionId, "{:032x}");
shown_as!(LegId, "leg-{:x}");
shown_as!(Ticket, "ticket-{}");

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = format!("{:032x}", self.0);
        write!(f, "{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }
}

impl FromStr for UserId {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        hex(text, 32).map(Self).ok_or_else(|| bad(text, "a user id of 32 hex digits"))
    }
}

impl FromStr for OrderId {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        hex(text, 32).map(Self).ok_or_else(|| bad(text, "an order id of 32 hex digits"))
    }
}

impl FromStr for SessionId {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        hex(text, 32).map(Self).ok_or_else(|| bad(text, "a session id of 32 hex digits"))
    }
}

impl FromStr for CallId {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        hex(text, 32).map(Self).ok_or_else(|| bad(text, "a call id of 32 capitals and digits"))
    }
}

impl FromStr for DeviceId {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        let groups: Vec<&str> = text.split('-').collect();
        if groups.iter().map(|it| it.len()).ne([8, 4, 4, 4, 12]) {
            return Err(bad(text, "a device id such as 9c14cad7-17c4-48d0-8492-7cf0ff92c224"));
        }
        hex(&groups.concat(), 32)
            .map(Self)
            .ok_or_else(|| bad(text, "a device id such as 9c14cad7-17c4-48d0-8492-7cf0ff92c224"))
    }
}

fn hex(text: &str, digits: usize) -> Option<u128> {
    let plain = text.len() == digits && text.bytes().all(|it| it.is_ascii_hexdigit());
    plain.then(|| u128::from_str_radix(text, 16).ok()).flatten()
}

fn bad(text: &str, wanted: &'static str) -> BadId {
    BadId { text: text.chars().take(64).collect(), wanted }
}

/// A directory number or E.164 number, as dialled and as shown.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PhoneNumber(String);

impl PhoneNumber {
    /// The digits, with the leading `+` if there is one.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for PhoneNumber {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        let digits = text.strip_prefix('+').unwrap_or(text);
        if digits.is_empty() || digits.len() > 32 || digits.contains(|it: char| !it.is_ascii_digit()) {
            return Err(bad(text, "a phone number of 1 to 32 digits, with or without a leading +"));
        }
        Ok(Self(text.to_owned()))
    }
}
