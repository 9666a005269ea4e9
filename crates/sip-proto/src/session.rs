//! Session timers (RFC 4028): what a message says of them.

pub use sipx_sip::session::{ABSOLUTE_MIN_INTERVAL, Answer, MinSe, Refresher, Session, SessionExpires, adopt, answer};

use std::time::Duration;

use crate::message::MessageExt;

/// The option tag (s7).
pub const OPTION: &str = "timer";

/// The `Session-Expires` of a message; `None` if it has none that can be read.
#[must_use]
pub fn expires(message: &impl MessageExt) -> Option<SessionExpires> {
    message.fields().typed::<SessionExpires>()?.ok()
}

/// The `Min-SE` of a message; `None` if it has none that can be read.
#[must_use]
pub fn min_se(message: &impl MessageExt) -> Option<Duration> {
    message.fields().typed::<MinSe>()?.ok().map(|it| it.0)
}
