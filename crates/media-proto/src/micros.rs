//! The moment a packet came or must go, fine enough for sound.

use std::ops;

/// A moment: microseconds since the Unix epoch as the wall clock stood when the process started, moved on by the
/// monotonic clock from there. It never runs backwards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Micros(pub u64);

impl Micros {
    /// How many microseconds ago `earlier` was; zero if it lies ahead.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The moment `ms` milliseconds after the Unix epoch.
    #[must_use]
    pub const fn from_ms(ms: u64) -> Self {
        Self(ms.saturating_mul(1000))
    }

    /// The moment on an 8000 Hz clock, as RTP wants it: it wraps.
    #[must_use]
    pub const fn ticks(self) -> u32 {
        (self.0 / MICROS_A_SAMPLE) as u32
    }

    /// The moment as an NTP timestamp: seconds since 1900 in the upper half, fractions in the lower (RFC 3550 s4).
    #[must_use]
    pub const fn ntp(self) -> u64 {
        const SECONDS_1900_TO_1970: u64 = 2_208_988_800;
        let seconds = (self.0 / 1_000_000 + SECONDS_1900_TO_1970) & 0xFFFF_FFFF;
        let fraction = ((self.0 % 1_000_000) << 32) / 1_000_000;
        seconds << 32 | fraction
    }
}

impl ops::Add<u64> for Micros {
    type Output = Self;

    fn add(self, us: u64) -> Self {
        Self(self.0.saturating_add(us))
    }
}

/// Microseconds that one sample at 8000 Hz lasts.
pub const MICROS_A_SAMPLE: u64 = 125;
