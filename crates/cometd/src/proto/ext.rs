//! The two extensions of CometD that clients ask for in `ext`: acknowledged messages and time synchronisation.

use clock::Time;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// What a client said in `ext`. Whatever is not understood there is as if it were not there, since extensions of which
/// one side knows nothing must not hurt.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// In a handshake: whether messages shall be acknowledged.
    pub(super) wants_acks: bool,
    /// In a connect: the number that came with the last reply to a connect that arrived; zero before the first.
    pub(super) ack: Option<u64>,
    pub(super) sync: Option<Sync>,
}

/// A client's clock and what it believes of ours: when it asked, how long a message takes, how far the clocks are
/// apart; all in milliseconds.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Sync {
    tc: i64,
    #[serde(default)]
    l: f64,
    #[serde(default)]
    o: f64,
}

/// What a reply says in `ext`.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Ext {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ack: Option<Ack>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) timesync: Option<Synced>,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Ack {
    /// In the reply to a handshake: messages will be acknowledged.
    Agreed(bool),
    /// In the reply to a connect: the number to repeat in the next connect.
    UpTo(u64),
}

/// The answer to a [`Sync`]: its own moment, when it came, how long it was held, and by how much the client is wrong.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Synced {
    tc: i64,
    ts: u64,
    p: u64,
    a: i64,
}

impl Asked {
    pub(super) fn read(raw: &RawValue) -> Self {
        let Ok(wire) = serde_json::from_str::<Wire<'_>>(raw.get()) else { return Self::default() };
        let ack = wire.ack.map(RawValue::get);
        Self {
            wants_acks: ack == Some("true"),
            // Some clients start with -1.
            ack: ack.and_then(|it| it.parse::<i64>().ok()).map(|it| u64::try_from(it).unwrap_or_default()),
            sync: wire.timesync.and_then(|it| serde_json::from_str(it.get()).ok()),
        }
    }
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow)]
    ack: Option<&'a RawValue>,
    #[serde(borrow)]
    timesync: Option<&'a RawValue>,
}

impl Sync {
    /// The answer to what came at `came` and is answered at `now`.
    pub(super) fn answer(self, came: Time, now: Time) -> Synced {
        let ts = came.unix_ms();
        let error = self.tc as f64 + self.o + self.l - ts as f64;
        Synced { tc: self.tc, ts, p: u64::try_from(now.since(came).as_millis()).unwrap_or(u64::MAX), a: error as i64 }
    }
}

impl Ext {
    pub(super) fn is_empty(&self) -> bool {
        self.ack.is_none() && self.timesync.is_none()
    }
}
