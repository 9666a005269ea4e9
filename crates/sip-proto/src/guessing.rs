//! How wrong passwords slow down whoever sends them, and nobody else: each address, and each name that is tried from there.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::Duration,
};

use clock::Time;

use crate::shedding::{Bucket, Rate, network};

/// What became of log-ins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Logins {
    /// The password was wrong, or there is no such user.
    pub failed: u64,
    /// Credentials that were not looked at, because too many from there were wrong.
    pub held_off: u64,
}

/// What begins to be held off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeldOff {
    /// One name, from one address.
    Name,
    /// Every name, from one address.
    Address,
}

/// The wrong passwords of the last minutes. After five within a minute for a name from an address, or twenty from an
/// address, credentials from there are held off for a second; for twice as long, up to a minute, after each further one. A
/// quiet minute makes all well again. Nothing here depends on whether there is a user of that name.
///
/// Bounded: what failed longest ago is forgotten first.
#[derive(Default)]
pub struct Guesses {
    tallies: BTreeMap<Key, Tally>,
    /// The same keys by when they failed last.
    by_age: BTreeSet<(Time, Key)>,
    reports: Bucket,
    logins: Logins,
}

/// An address and a name, or all names.
type Key = (IpAddr, Option<String>);

#[derive(Clone, Copy, Default)]
struct Tally {
    failures: u32,
    since: Time,
    last: Time,
    until: Time,
    /// How often it has been held off without a quiet minute between.
    holds: u32,
}

impl Guesses {
    /// How many seconds credentials of `user` from `source` are to be held off for, if at all: they need not be looked at
    /// then. Counts them.
    pub fn held_off(&mut self, source: IpAddr, user: &str, now: Time) -> Option<u64> {
        let until = keys(source, user).iter().filter_map(|it| self.tallies.get(it)).map(|it| it.until).max()?;
        let rest = until.since(now).as_millis().div_ceil(1000);
        if rest == 0 {
            return None;
        }
        self.logins.held_off += 1;
        u64::try_from(rest).ok()
    }

    /// Notes a wrong password. Answers with what begins to be held off by it, for the log; not with everything in a flood
    /// from everywhere.
    pub fn wrong(&mut self, source: IpAddr, user: &str, now: Time) -> Option<HeldOff> {
        self.logins.failed += 1;
        let [name, address] = keys(source, user);
        let begins_name = self.fail(name, NAME_MAX, now);
        let begins_address = self.fail(address, ADDRESS_MAX, now);
        let begun = match (begins_name, begins_address) {
            (_, true) => HeldOff::Address,
            (true, false) => HeldOff::Name,
            (false, false) => return None,
        };
        self.reports.take(REPORTS, now).then_some(begun)
    }

    /// Notes a wrong password from where a phone of this user is: counted, and never held off.
    pub fn wrong_at_home(&mut self) {
        self.logins.failed += 1;
    }

    /// Notes a right password: what was wrong before it counts no more, for this name from this address.
    pub fn right(&mut self, source: IpAddr, user: &str) {
        let [name, _] = keys(source, user);
        self.forget(&name);
    }

    /// What became of log-ins so far.
    #[must_use]
    pub fn logins(&self) -> Logins {
        self.logins
    }

    /// Whether it begins to be held off.
    fn fail(&mut self, key: Key, max: u32, now: Time) -> bool {
        let mut tally = self.forget(&key).unwrap_or_default();
        let begins = tally.fail(max, now);
        while let Some((last, _)) = self.by_age.first()
            && (now.since(*last) > FORGOTTEN || self.tallies.len() >= TALLIES_MAX)
            && let Some((_, oldest)) = self.by_age.pop_first()
        {
            self.tallies.remove(&oldest);
        }
        self.by_age.insert((now, key.clone()));
        self.tallies.insert(key, tally);
        begins
    }

    fn forget(&mut self, key: &Key) -> Option<Tally> {
        let tally = self.tallies.remove(key)?;
        self.by_age.remove(&(tally.last, key.clone()));
        Some(tally)
    }
}

impl Tally {
    fn fail(&mut self, max: u32, now: Time) -> bool {
        let is_quiet = now.since(self.last.max(self.until)) >= MINUTE;
        if is_quiet || self.holds == 0 && now.since(self.since) >= MINUTE {
            *self = Self { since: now, ..Self::default() };
        }
        self.last = now;
        self.failures = self.failures.saturating_add(1);
        if self.holds == 0 && self.failures < max {
            return false;
        }
        let wait = Duration::from_secs(1 << self.holds.min(6)).min(MINUTE);
        self.until = now + wait;
        self.holds = self.holds.saturating_add(1);
        self.holds == 1
    }
}

fn keys(source: IpAddr, user: &str) -> [Key; 2] {
    let at = network(source);
    [(at, Some(user.chars().take(USER_MAX).collect())), (at, None)]
}

const MINUTE: Duration = Duration::from_secs(60);
/// The longest time that is held off, and a quiet minute.
const FORGOTTEN: Duration = Duration::from_secs(120);
/// A person may mistype, and a phone tries each password with both algorithms.
const NAME_MAX: u32 = 5;
/// Several phones behind one address may have been set up wrongly.
const ADDRESS_MAX: u32 = 20;
/// Some 300 octets each.
const TALLIES_MAX: usize = 20_000;
/// No number of ours is longer.
const USER_MAX: usize = 64;
/// How often the log hears of it.
const REPORTS: Rate = Rate { per_second: 1, burst: 20 };
