//! How often a log-in may fail: so many at once, then one each time a share of a minute has passed.

use std::{collections::HashMap, time::Duration};

use clock::Time;

/// Counts failures by key. Bounded: under an attack with ever new keys, the one that is forgiven soonest goes first.
#[derive(Debug)]
pub(super) struct Throttle<K> {
    /// How many may fail at once.
    allowed: u32,
    /// How long one failure counts.
    each: Duration,
    /// When all of a key's failures are forgiven.
    forgiven: HashMap<K, Time>,
}

impl<K: Copy + Eq + std::hash::Hash> Throttle<K> {
    /// So many failures a minute.
    pub(super) fn a_minute(allowed: u32) -> Self {
        Self { allowed, each: MINUTE / allowed, forgiven: HashMap::new() }
    }

    /// How long to wait before the next attempt, if at all.
    pub(super) fn wait(&self, key: K, now: Time) -> Option<Duration> {
        let counted = self.forgiven.get(&key)?.since(now);
        let spare = self.each * (self.allowed - 1);
        counted.checked_sub(spare).filter(|it| !it.is_zero())
    }

    /// An attempt failed.
    pub(super) fn failed(&mut self, key: K, now: Time) {
        if self.forgiven.len() >= KEYS && !self.forgiven.contains_key(&key) {
            self.make_room(now);
        }
        let forgiven = self.forgiven.entry(key).or_insert(now);
        *forgiven = (*forgiven).max(now) + self.each;
    }

    fn make_room(&mut self, now: Time) {
        self.forgiven.retain(|_, it| *it > now);
        if self.forgiven.len() < KEYS {
            return;
        }
        if let Some(key) = self.forgiven.iter().min_by_key(|it| it.1).map(|it| *it.0) {
            self.forgiven.remove(&key);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.forgiven.len()
    }
}

const MINUTE: Duration = Duration::from_secs(60);

/// Keys kept at once.
pub(super) const KEYS: usize = 10_000;
