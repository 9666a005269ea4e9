//! The moment something happened, as the pure crates are told it.

use std::{fmt, ops, time::Duration};

/// A moment: milliseconds since the Unix epoch as the wall clock stood when the process started, moved on by the
/// monotonic clock from there. It never runs backwards, and it can be shown to people.
///
/// Adapters and the server read the clock; the pure crates are given a `Time`, last in the argument list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

impl Time {
    /// The moment `ms` milliseconds after the Unix epoch.
    #[must_use]
    pub const fn from_unix_ms(ms: u64) -> Self {
        Self(ms)
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub const fn unix_ms(self) -> u64 {
        self.0
    }

    /// How long ago `earlier` was; zero if it lies ahead.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl ops::Add<Duration> for Time {
    type Output = Self;

    fn add(self, by: Duration) -> Self {
        let ms = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(ms))
    }
}

impl fmt::Display for Time {
    /// RFC 3339 in UTC with milliseconds, such as `2026-11-22T14:06:09.123Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A moment past the year 9999 has no such form; it can only come from a saturated sum.
        let shown = Duration::from_millis(self.0.min(253_402_300_799_999));
        humantime::format_rfc3339_millis(std::time::UNIX_EPOCH + shown).fmt(f)
    }
}

/// The clock itself, for adapters and the server: read with [`Clock::now`].
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: std::time::Instant,
    wall_ms: u64,
}

impl Clock {
    /// Notes the wall clock and the monotonic clock as they stand.
    #[must_use]
    pub fn start() -> Self {
        let wall = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Self { started: std::time::Instant::now(), wall_ms: u64::try_from(wall.as_millis()).unwrap_or(u64::MAX) }
    }

    /// The present moment.
    #[must_use]
    pub fn now(&self) -> Time {
        Time(self.wall_ms) + self.started.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_shown_as_rfc_3339() {
        assert_eq!(Time::from_unix_ms(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Time::from_unix_ms(951_782_400_000).to_string(), "2000-02-29T00:00:00.000Z");
        assert_eq!(Time::from_unix_ms(1_795_356_369_123).to_string(), "2026-11-22T14:06:09.123Z");
    }
}
