//! HTTP sessions: random keys, a CSRF token each, an end when nobody uses them.

use std::{collections::HashMap, fmt, str::FromStr, time::Duration};

use clock::Time;
use domain::ids::UserId;

/// What a `JSESSIONID` cookie holds: 128 random bits. Whoever has it is logged in, so no log shows it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionKey(u128);

impl SessionKey {
    pub(super) fn cookie(self) -> String {
        format!("{:032x}", self.0)
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKey(…)")
    }
}

impl FromStr for SessionKey {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if text.len() != 32 || !text.bytes().all(|it| it.is_ascii_hexdigit()) {
            return Err(());
        }
        u128::from_str_radix(text, 16).map(Self).map_err(|_| ())
    }
}

/// All sessions.
#[derive(Debug)]
pub(super) struct Sessions {
    open: HashMap<SessionKey, Session>,
    /// How long a session lives unused.
    idle: Duration,
    swept: Time,
}

struct Session {
    user: UserId,
    token: String,
    used: Time,
    /// Whether the client ever sent the cookie back. One that keeps no cookies gets a new session each time; these go
    /// first, so that it cannot push out the sessions of the same user's browser.
    returned: bool,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("user", &self.user).field("used", &self.used).finish_non_exhaustive()
    }
}

impl Sessions {
    pub(super) fn new(idle: Duration) -> Self {
        Self { open: HashMap::new(), idle, swept: Time::default() }
    }

    pub(super) fn open(&mut self, user: UserId, now: Time) -> Result<SessionKey, getrandom::Error> {
        let key = SessionKey(random()?);
        let token = uuid(random()?);
        self.sweep(now);
        self.make_room(user);
        self.open.insert(key, Session { user, token, used: now, returned: false });
        Ok(key)
    }

    /// Whose session it is, if it is not over; its idle time starts anew.
    pub(super) fn touch(&mut self, key: SessionKey, now: Time) -> Option<UserId> {
        let idle = self.idle;
        let session = self.open.get_mut(&key)?;
        if is_over(session, idle, now) {
            self.open.remove(&key);
            return None;
        }
        session.used = now;
        session.returned = true;
        Some(session.user)
    }

    pub(super) fn token(&self, key: SessionKey) -> Option<String> {
        self.open.get(&key).map(|it| it.token.clone())
    }

    pub(super) fn end(&mut self, key: SessionKey) {
        self.open.remove(&key);
    }

    /// Now and then, since looking at all of them each time would cost too much.
    fn sweep(&mut self, now: Time) {
        if now.since(self.swept) >= SWEEP {
            self.open.retain(|_, it| !is_over(it, self.idle, now));
            self.swept = now;
        }
    }

    fn make_room(&mut self, user: UserId) {
        let own = || self.open.iter().filter(|it| it.1.user == user);
        if own().count() < SESSIONS {
            return;
        }
        if let Some(key) = own().min_by_key(|it| (it.1.returned, it.1.used)).map(|it| *it.0) {
            self.open.remove(&key);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }
}

fn is_over(session: &Session, idle: Duration, now: Time) -> bool {
    now.since(session.used) >= idle
}

fn random() -> Result<u128, getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(u128::from_ne_bytes(bytes))
}

/// A random UUID (RFC 9562 s5.4).
fn uuid(random: u128) -> String {
    let bits = (random & !(0xF << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    domain::ids::DeviceId(bits).to_string()
}

/// Sessions of one user at once.
pub(super) const SESSIONS: usize = 32;

/// How often sessions that are over are looked for.
const SWEEP: Duration = Duration::from_secs(60);
