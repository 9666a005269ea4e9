//! Whether the server is at work and takes calls: what `/health/live` and `/health/ready` answer.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use clock::Time;

/// Signs of life, written by the driver and read by HTTP.
#[derive(Debug)]
pub(crate) struct Pulse {
    /// When the driver last took a turn, in milliseconds since the epoch.
    driver: AtomicU64,
    /// When every media worker had last answered.
    media: AtomicU64,
    sip_is_broken: AtomicBool,
    is_draining: AtomicBool,
}

impl Pulse {
    /// Everything has just been started.
    pub(crate) fn new(now: Time) -> Self {
        Self {
            driver: AtomicU64::new(now.unix_ms()),
            media: AtomicU64::new(now.unix_ms()),
            sip_is_broken: AtomicBool::new(false),
            is_draining: AtomicBool::new(false),
        }
    }

    /// The driver takes a turn.
    pub(crate) fn turn(&self, now: Time) {
        self.driver.store(now.unix_ms(), Relaxed);
    }

    /// All media workers have answered.
    pub(crate) fn media(&self, now: Time) {
        self.media.store(now.unix_ms(), Relaxed);
    }

    /// Whether the SIP socket can be read.
    pub(crate) fn sip(&self, works: bool) {
        self.sip_is_broken.store(!works, Relaxed);
    }

    /// No new calls from now on.
    pub(crate) fn drain(&self) {
        self.is_draining.store(true, Relaxed);
    }

    /// What stands still, if anything does.
    pub(crate) fn live(&self, now: Time) -> Result<(), &'static str> {
        let is_old = |it: &AtomicU64| now.since(Time::from_unix_ms(it.load(Relaxed))) > STILL;
        if is_old(&self.driver) {
            return Err("The signalling thread has done nothing for five seconds");
        }
        if is_old(&self.media) {
            return Err("A media thread has done nothing for five seconds");
        }
        Ok(())
    }

    /// Why no calls are taken, if none are.
    pub(crate) fn ready(&self, now: Time, storage: &storage::Figures) -> Result<(), &'static str> {
        self.live(now)?;
        if self.is_draining.load(Relaxed) {
            return Err("The server is about to stop and takes no new calls");
        }
        if self.sip_is_broken.load(Relaxed) {
            return Err("The SIP socket cannot be read");
        }
        if storage.is_ailing {
            return Err("The database cannot be written");
        }
        Ok(())
    }
}

/// A driver without anything to do turns once a second.
const STILL: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
