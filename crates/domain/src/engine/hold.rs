//! Who has put a leg on hold: its phone, its user by the API, or both. To those who hear it makes no difference.

use clock::Time;

/// Since when a leg is on hold, by whom. Each ends only what it began: the API cannot take back what a phone holds,
/// and what the API holds a phone knows nothing of, since nothing is sent over SIP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Hold {
    pub(super) by_phone: Option<Time>,
    pub(super) by_api: Option<Time>,
}

impl Hold {
    pub(super) fn is_on(self) -> bool {
        self.since().is_some()
    }

    pub(super) fn since(self) -> Option<Time> {
        [self.by_phone, self.by_api].into_iter().flatten().min()
    }

    /// The phone holds, again perhaps, or takes back.
    pub(super) fn set_by_phone(&mut self, held: bool, now: Time) {
        self.by_phone = held.then(|| self.by_phone.unwrap_or(now));
    }
}
