//! What a phone says: tones and speech-like sounds made by the program, no file needed.

use std::f32::consts::TAU;

/// What a phone sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sound {
    /// Packets of silence.
    Silence,
    /// A pure tone at -14 dBFS.
    Tone {
        /// Its frequency.
        hz: u32,
    },
    /// Syllables sung on one note, like somebody talking far away: the note and its next two harmonics, weighted anew
    /// for each syllable as vowels are, loud and soft five times a second, with a short breath between words. Never
    /// silent for half a second, and with nothing at other frequencies, so that each voice is known by its note:
    /// choose notes that are not twice or three times another.
    Speech {
        /// The note: the loudest frequency throughout.
        hz: u32,
    },
}

/// A sound being made.
#[derive(Clone, Debug)]
pub struct Voice {
    sound: Sound,
    /// Samples made so far.
    position: u64,
    syllable: Syllable,
    chance: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Syllable {
    start: u64,
    length: u64,
    /// The share of each harmonic beside the note.
    second: f32,
    third: f32,
    /// How loud it is at its end, before the next one.
    rest: f32,
}

impl Voice {
    /// The beginning of a sound. The same sound is the same always.
    #[must_use]
    pub fn new(sound: Sound) -> Self {
        let hz = match sound {
            Sound::Silence => 0,
            Sound::Tone { hz } | Sound::Speech { hz } => hz,
        };
        let mut it =
            Self { sound, position: 0, syllable: Syllable::default(), chance: hz.wrapping_mul(2_654_435_761) | 1 };
        it.next_syllable();
        it
    }

    /// Makes the next samples: linear, 8000 a second.
    pub fn speak(&mut self, samples: &mut [i16]) {
        for sample in samples {
            *sample = (self.sample() * f32::from(i16::MAX)) as i16;
            self.position += 1;
        }
    }

    fn sample(&mut self) -> f32 {
        match self.sound {
            Sound::Silence => 0.0,
            Sound::Tone { hz } => LOUDNESS * self.wave(hz),
            Sound::Speech { hz } => {
                if self.position >= self.syllable.start + self.syllable.length {
                    self.next_syllable();
                }
                let Syllable { start, length, second, third, rest } = self.syllable;
                // One smooth rise and fall from `rest` to full and back.
                let through = (self.position - start) as f32 / length as f32;
                let swell = 0.5 - 0.5 * (TAU * through).cos();
                let level = LOUDNESS * (rest + (1.0 - rest) * swell);
                level * (self.wave(hz) + second * self.wave(2 * hz) + third * self.wave(3 * hz))
                    / (1.0 + second + third)
            }
        }
    }

    /// The phase is taken within one second, where every whole frequency repeats, so that it stays exact for hours.
    fn wave(&self, hz: u32) -> f32 {
        // Above the Nyquist frequency it would come back as another tone.
        if hz >= RATE / 2 {
            return 0.0;
        }
        let turn = (self.position % u64::from(RATE)) * u64::from(hz) % u64::from(RATE);
        (TAU * turn as f32 / RATE as f32).sin()
    }

    fn next_syllable(&mut self) {
        let mut draw = |below: u32| {
            self.chance = self.chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (self.chance >> 8) % below
        };
        let length = 1200 + u64::from(draw(800));
        let (second, third) = ([0.45, 0.25, 0.1][draw(3) as usize], [0.05, 0.2, 0.3][draw(3) as usize]);
        let rest = if draw(4) == 0 { 0.05 } else { 0.3 };
        self.syllable = Syllable { start: self.position, length, second, third, rest };
    }
}

/// Samples a second.
pub(crate) const RATE: u32 = 8000;

/// The amplitude at full swell: -14 dBFS.
const LOUDNESS: f32 = 0.2;

#[cfg(test)]
mod tests;
