//! A virtual world: the engine, the legs and seeded phones exchanging SIP over a bad network, on one virtual clock.
//!
//! A seed decides everything that happens. At every step the hearing matrix is held against `model`, which knows
//! nothing of the engine: it watches the wire and says who may hear whom.

mod actors;
mod disk;
mod model;
mod network;
mod server;
mod world;

#[cfg(test)]
mod tests;

use std::fmt;

pub use server::Sabotage;
pub use world::Story;

/// What went wrong in the world of a seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The seed, which shows it again.
    pub seed: u64,
    /// When, in milliseconds of the virtual clock.
    pub at_ms: u64,
    /// What.
    pub what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {} at {} ms: {}", self.seed, self.at_ms, self.what)
    }
}

/// How much happened in the world of a seed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Datagrams sent.
    pub datagrams: u64,
    /// Calls established between two parties.
    pub calls: u64,
    /// Supervisors who came to hear a call.
    pub sessions: u64,
    /// Cells of the hearing matrix that were held against the model.
    pub cells: u64,
}

impl Tally {
    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            datagrams: self.datagrams + other.datagrams,
            calls: self.calls + other.calls,
            sessions: self.sessions + other.sessions,
            cells: self.cells + other.cells,
        }
    }
}

/// Plays the world of a seed.
///
/// # Errors
/// Somebody heard what was not theirs to hear, or did not hear what was, or something was left behind.
pub fn play(seed: u64) -> Result<Tally, Fault> {
    Story::new(seed).play()
}

/// Plays the worlds of many seeds on two threads; stops at the first fault of either.
///
/// # Errors
/// As for [`play`].
pub fn play_all(seeds: std::ops::Range<u64>) -> Result<Tally, Fault> {
    let (from, to) = (seeds.start, seeds.end);
    let half = from + to.saturating_sub(from) / 2;
    let run =
        |seeds: std::ops::Range<u64>| seeds.map(play).try_fold(Tally::default(), |sum, it| it.map(|it| sum.and(it)));
    let (first, second) = std::thread::scope(|scope| {
        let second = scope.spawn(move || run(half..to));
        (run(from..half), second.join())
    });
    let second = second.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    Ok(first?.and(second?))
}
