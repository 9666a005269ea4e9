//! How much new work each address may cause, so that a flood costs the share of whoever sends it, and nobody else's.
//!
//! An address is a *stranger* until somebody there has proved who he is, and *known* for two hours from then on: a trunk's
//! address, or one behind which a phone knows its password. Requests inside dialogs and responses are not counted.

#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

use clock::Time;

/// A steady rate, and how far above it a burst may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Requests a second, at least one.
    pub per_second: u32,
    /// Requests at once after a quiet time.
    pub burst: u32,
}

/// What is let in. As many requests again are told that they are too many (503); beyond that there is silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// From one address that has proved nothing: as many as a small office's phones send when the power comes back.
    pub stranger: Rate,
    /// From all those together.
    pub strangers: Rate,
    /// From one address where somebody has proved himself: a trunk, or a whole call centre behind one NAT.
    pub known: Rate,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            stranger: Rate { per_second: 100, burst: 200 },
            strangers: Rate { per_second: 1_000, burst: 2_000 },
            known: Rate { per_second: 2_000, burst: 4_000 },
        }
    }
}

/// What becomes of a new request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is let in.
    Pass,
    /// It is told to come back later.
    Refuse,
    /// It is not answered: whoever floods does not listen, and may not even be where his datagrams claim to be from.
    Drop,
}

/// How many requests were not let in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shed {
    /// Told so.
    pub refused: u64,
    /// Not answered.
    pub dropped: u64,
}

/// The shares of all addresses. Bounded: when too many addresses are heard from at once, those that come last have one
/// share together.
pub(crate) struct Shares {
    rates: Rates,
    each: HashMap<IpAddr, Share>,
    rest: Share,
    strangers: Share,
    swept: Time,
    pub(crate) shed: Shed,
}

#[derive(Default)]
struct Share {
    work: Bucket,
    refusals: Bucket,
    known_until: Time,
}

impl Shares {
    pub(crate) fn new(rates: Rates) -> Self {
        Self {
            rates,
            each: HashMap::new(),
            rest: Share::default(),
            strangers: Share::default(),
            swept: Time::default(),
            shed: Shed::default(),
        }
    }

    /// Takes a request's part of its sender's share.
    pub(crate) fn take(&mut self, source: IpAddr, now: Time) -> Verdict {
        let (rates, at) = (self.rates, network(source));
        self.make_room(at, now);
        // Not found where there was no room.
        let share = self.each.get_mut(&at).unwrap_or(&mut self.rest);
        let verdict = if share.known_until > now {
            share.take(rates.known, now)
        } else {
            match share.take(rates.stranger, now) {
                Verdict::Pass => self.strangers.take(rates.strangers, now),
                Verdict::Refuse if self.strangers.refusals.take(rates.strangers, now) => Verdict::Refuse,
                Verdict::Refuse | Verdict::Drop => Verdict::Drop,
            }
        };
        match verdict {
            Verdict::Pass => {}
            Verdict::Refuse => self.shed.refused += 1,
            Verdict::Drop => self.shed.dropped += 1,
        }
        verdict
    }

    /// Whether a new request from there would not even be answered, so that it need not be read. Takes nothing.
    pub(crate) fn is_spent(&self, source: IpAddr, now: Time) -> bool {
        let share = self.each.get(&network(source)).unwrap_or(&self.rest);
        let rates = self.rates;
        if share.known_until > now {
            return share.is_spent(rates.known, now);
        }
        share.is_spent(rates.stranger, now) || self.strangers.is_spent(rates.strangers, now)
    }

    /// Notes a request that was dropped unread.
    pub(crate) fn dropped(&mut self) {
        self.shed.dropped += 1;
    }

    /// Somebody there has proved who he is.
    pub(crate) fn vouch(&mut self, source: IpAddr, now: Time) {
        let at = network(source);
        if self.each.len() < KNOWN_MAX || self.each.contains_key(&at) {
            self.each.entry(at).or_default().known_until = now + KNOWN;
        }
    }

    /// Enters an address if there is room, or if others have not been heard from for a while.
    fn make_room(&mut self, at: IpAddr, now: Time) {
        if self.each.contains_key(&at) {
            return;
        }
        if self.each.len() >= SOURCES_MAX && now.since(self.swept) >= SWEEP {
            self.swept = now;
            self.each.retain(|_, share| !share.is_idle(now));
        }
        if self.each.len() < SOURCES_MAX {
            self.each.insert(at, Share::default());
        }
    }
}

impl Share {
    fn take(&mut self, rate: Rate, now: Time) -> Verdict {
        if self.work.take(rate, now) {
            Verdict::Pass
        } else if self.refusals.take(rate, now) {
            Verdict::Refuse
        } else {
            Verdict::Drop
        }
    }

    fn is_spent(&self, rate: Rate, now: Time) -> bool {
        !self.work.has(rate, now) && !self.refusals.has(rate, now)
    }

    fn is_idle(&self, now: Time) -> bool {
        let quiet = |it: &Bucket| it.full_at_us <= micros(now);
        quiet(&self.work) && quiet(&self.refusals) && self.known_until <= now
    }
}

/// A token bucket, as the moment when it will be full again: one number, and nothing to be done while nobody asks.
#[derive(Default)]
pub(crate) struct Bucket {
    full_at_us: u64,
}

impl Bucket {
    fn after(&self, rate: Rate, now: Time) -> Option<u64> {
        let (now, step) = (micros(now), 1_000_000 / u64::from(rate.per_second.max(1)));
        let next = self.full_at_us.max(now) + step;
        (next - now <= step * u64::from(rate.burst.max(1))).then_some(next)
    }

    fn has(&self, rate: Rate, now: Time) -> bool {
        self.after(rate, now).is_some()
    }

    pub(crate) fn take(&mut self, rate: Rate, now: Time) -> bool {
        let next = self.after(rate, now);
        if let Some(next) = next {
            self.full_at_us = next;
        }
        next.is_some()
    }
}

/// Whether a datagram may begin something new, seen without reading all of it: whether it is no response and no request
/// that belongs to something that has begun.
pub(crate) fn begins(bytes: &[u8]) -> bool {
    let belongs = [&b"SIP/2.0 "[..], b"ACK ", b"CANCEL ", b"BYE "];
    if belongs.iter().any(|it| bytes.starts_with(it)) {
        return false;
    }
    let mut lines = bytes.split(|it| *it == b'\n').take_while(|it| !matches!(it, [] | [b'\r']));
    let is_to = |line: &&[u8]| {
        let name = line.split(|it| *it == b':').next().unwrap_or_default().trim_ascii();
        name.eq_ignore_ascii_case(b"To") || name.eq_ignore_ascii_case(b"t")
    };
    let has_tag = |line: &[u8]| line.windows(4).any(|it| it.eq_ignore_ascii_case(b"tag="));
    let Some(to) = lines.find(is_to) else { return true };
    // The field may go on in lines that begin with white space (RFC 3261 s7.3.1).
    !has_tag(to) && !lines.take_while(|it| it.first().is_some_and(u8::is_ascii_whitespace)).any(has_tag)
}

/// Whoever has an IPv6 address has 2^64 of them.
pub(crate) fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(it) => Ipv6Addr::from_bits(it.to_bits() & !u128::from(u64::MAX)).into(),
        it @ IpAddr::V4(_) => it,
    }
}

fn micros(at: Time) -> u64 {
    at.unix_ms().saturating_mul(1000)
}

/// Twice as long as the longest registration.
const KNOWN: Duration = Duration::from_secs(7_200);
/// Some 80 octets each.
const SOURCES_MAX: usize = 10_000;
/// Those who have proved themselves find room even in a flood from everywhere.
const KNOWN_MAX: usize = 2 * SOURCES_MAX;
/// Looking through all shares costs a tenth of a millisecond, so it is done rarely.
const SWEEP: Duration = Duration::from_secs(1);
