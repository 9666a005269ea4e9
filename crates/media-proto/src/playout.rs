//! Where a mix stands in one source: each source is drained on the mix's clock from a place of its own.
//!
//! The place is chosen so that packets may come [`Playout::guard_us`] later than the last ones did without a gap, and
//! it is kept by the sample: a late packet moves it back by as much as it was late; when there is more at hand than
//! the guard needs, or less, a mix takes one sample more or less at a time until it fits.

use crate::{
    micros::{MICROS_A_SAMPLE, Micros},
    source::History,
};

/// Samples in 20 ms: what a mix takes at a time.
pub const FRAME: usize = 160;

/// 20 ms.
pub const FRAME_US: u64 = 20_000;

/// The state of one source in the mixes of its call.
#[derive(Clone, Debug)]
pub struct Playout {
    state: State,
    guard_us: u64,
    window: Window,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Silence until enough of what begins at `from` is there.
    Waiting { from: i64 },
    /// The next frame begins at `cursor`. `surplus` samples more (or, negative, fewer) than needed are at hand.
    Running { cursor: i64, surplus: i64 },
}

/// What was seen over the last second.
#[derive(Clone, Copy, Debug)]
struct Window {
    frames: u32,
    least: i64,
    most: i64,
    late: bool,
}

impl Playout {
    /// A place not yet chosen: the first frame taken chooses it, from the history that is there.
    #[must_use]
    pub const fn new() -> Self {
        Self { state: State::Waiting { from: i64::MIN }, guard_us: GUARD_US, window: Window::EMPTY }
    }

    /// How much later than the last ones packets may come without a gap, in microseconds.
    #[must_use]
    pub const fn guard_us(&self) -> u64 {
        self.guard_us
    }

    /// Takes note of a packet of sound that lies at `position`; `end_before` is where the history ended before it.
    pub fn arrived(&mut self, position: i64, end_before: i64) {
        let State::Running { cursor, .. } = self.state else { return };
        let late = cursor - position;
        let dry = cursor >= end_before + DRY;
        if position < end_before {
            // What follows it was played already, so it fills what is left of its hole and nothing moves.
            return;
        }
        if dry || !(-MOST_AHEAD..=MOST_LATE).contains(&late) {
            // A talk spurt after a pause, or a stream that lost its time: begin again.
            self.state = State::Waiting { from: position };
        } else if late > 0 {
            self.state = State::Running { cursor: position, surplus: 0 };
            self.guard_us = (self.guard_us + late.unsigned_abs() * MICROS_A_SAMPLE).min(GUARD_US_MAX);
            self.window.late = true;
        }
    }

    /// Leaves out so many frames, because the mix did.
    pub fn skip(&mut self, frames: u32) {
        if let State::Running { cursor, .. } = &mut self.state {
            *cursor += i64::from(frames) * FRAME as i64;
        }
    }

    /// Takes the next frame of a mix that runs at `now`. Returns whether there was any sound in it.
    pub fn take(&mut self, history: &History, now: Micros, frame: &mut [i16; FRAME]) -> bool {
        if let State::Waiting { from } = self.state {
            let place = ideal(history, self.guard_us, now).filter(|it| it + FRAME as i64 > from);
            let Some(cursor) = place else {
                frame.fill(0);
                return false;
            };
            self.state = State::Running { cursor, surplus: 0 };
            self.window = Window::EMPTY;
        }
        let State::Running { cursor, surplus } = self.state else { return false };
        let step = step(surplus, history.end() - cursor);
        read(history, cursor, step, frame);
        self.state = State::Running { cursor: cursor + FRAME as i64 + step, surplus: surplus - step };
        // What was seen before holds for the place as it is after the step.
        self.window.least = self.window.least.saturating_sub(step);
        self.window.most = self.window.most.saturating_sub(step);
        self.watch(history, cursor + step, now);
        cursor < history.end()
    }

    /// Forgets the place: no mix takes frames for now.
    pub fn stop(&mut self) {
        self.state = State::Waiting { from: i64::MIN };
    }

    fn watch(&mut self, history: &History, cursor: i64, now: Micros) {
        let Some(ideal) = ideal(history, self.guard_us, now) else { return };
        self.window.frames += 1;
        self.window.least = self.window.least.min(ideal - cursor);
        self.window.most = self.window.most.max(ideal - cursor);
        if self.window.frames < WINDOW_FRAMES {
            return;
        }
        let Window { least, most, late, .. } = std::mem::replace(&mut self.window, Window::EMPTY);
        if !late {
            self.guard_us = (self.guard_us - self.guard_us / 8).max(GUARD_US_MIN);
        }
        // Only what held all the time counts: too much at hand, or too little.
        let wanted = if least > 0 { least } else { most.min(0) };
        if let State::Running { surplus, .. } = &mut self.state {
            *surplus = wanted;
        }
    }
}

impl Default for Playout {
    fn default() -> Self {
        Self::new()
    }
}

impl Window {
    const EMPTY: Self = Self { frames: 0, least: i64::MAX, most: i64::MIN, late: false };
}

/// The latest place from which frames can be taken now and every 20 ms, if packets go on coming as the newest did or
/// up to `guard_us` later. `None` if the source has stopped.
fn ideal(history: &History, guard_us: u64, now: Micros) -> Option<i64> {
    let newest = history.newest()?;
    let age = i64::try_from(now.0).ok()? - i64::try_from(newest.at.0).ok()?;
    let spacing = newest.samples.max(1) * MICROS_A_SAMPLE as i64;
    let guard = guard_us as i64;
    if age >= spacing + guard.max(FRAME_US as i64) {
        return None;
    }
    // Packets of 10, 20, 30, 40 and 60 ms meet the frames in the same way again after at most three frames.
    (0..3_i64)
        .map(|frames| {
            let due = age + frames * FRAME_US as i64 - guard;
            let packets = due.div_euclid(spacing).min(if frames == 0 { 0 } else { i64::MAX });
            history.end() + packets * newest.samples - (frames + 1) * FRAME as i64
        })
        .min()
}

/// How many samples more than a frame to take now.
fn step(surplus: i64, at_hand: i64) -> i64 {
    let step = if surplus.abs() > MUCH { 4 * surplus.signum() } else { surplus.signum() };
    // Without enough to take from, gaps would be stretched or cut, not sound.
    if at_hand > FRAME as i64 + step { step } else { 0 }
}

/// Reads a frame made of `step` samples more or fewer than it has itself.
fn read(history: &History, cursor: i64, step: i64, frame: &mut [i16; FRAME]) {
    if step == 0 {
        history.read(cursor, frame);
        return;
    }
    let mut samples = [0_i16; FRAME + 8];
    history.read(cursor, &mut samples);
    let taken = (FRAME as i64 + step).unsigned_abs() as usize;
    for (at, sample) in frame.iter_mut().enumerate() {
        let (whole, part) = (at * taken / FRAME, (at * taken % FRAME) as i32);
        let (this, next) = (i32::from(samples[whole]), i32::from(samples[whole + 1]));
        *sample = (this + (next - this) * part / FRAME as i32) as i16;
    }
}

/// At first. A mix stands anywhere between two packets, so sound waits for 18 ms in the middle and 28 ms at most.
const GUARD_US: u64 = 8_000;
const GUARD_US_MIN: u64 = 5_000;
const GUARD_US_MAX: u64 = 80_000;
/// So many samples of silence after the last sound, and the next packet begins anew: 40 ms.
const DRY: i64 = 320;
/// A packet later than this is not waited for: 100 ms.
const MOST_LATE: i64 = 800;
/// More than this is never kept at hand: 200 ms.
const MOST_AHEAD: i64 = 1600;
const MUCH: i64 = 320;
const WINDOW_FRAMES: u32 = 50;

#[cfg(test)]
mod tests;
