//! Who a session belongs to.

use std::{fmt, sync::Arc};

/// The party a session belongs to and messages are delivered to, such as a user. The text means something to the host
/// alone. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Principal(Arc<str>);

impl Principal {
    /// The host's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Principal {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<String> for Principal {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<Arc<str>> for Principal {
    fn from(text: Arc<str>) -> Self {
        Self(text)
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who asks, as the host found out.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// Whose sessions and messages these are.
    pub principal: Principal,
    /// What all tabs of one browser have in common, such as a session cookie; `None` where requests do not share a
    /// browser's few connections. Sessions are not bound to it; it only bounds how many polls are held.
    pub browser: Option<String>,
}

impl fmt::Debug for Identity {
    /// What names a browser may be its session cookie, which belongs in no log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("principal", &self.principal).finish_non_exhaustive()
    }
}
