//! The clock of the workers, read once a packet.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use media_proto::micros::Micros;

/// Moves on by the monotonic clock from where the wall clock stood at start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    started: Instant,
    wall_us: u64,
}

impl Clock {
    pub(crate) fn start() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { started: Instant::now(), wall_us: u64::try_from(wall.as_micros()).unwrap_or_default() }
    }

    pub(crate) fn now(&self) -> Micros {
        Micros(self.wall_us) + u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}
