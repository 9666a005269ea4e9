//! Proof by ear: which tones a recording holds, half second by half second.
//!
//! Each half second is weighted with a Hann window and transformed; a tone is heard when it stands 25 dB over the median
//! bin and above -50 dBFS. The floor is relative because what the law of G.711 adds to a tone lies some 60 dB below it.

use std::f64::consts::{PI, TAU};

use crate::sound::RATE;

/// What half a second of sound holds. Levels are in dB below a sine at full scale, which has 0.
#[derive(Clone, Debug, PartialEq)]
pub struct HalfSecond {
    /// When it begins, in milliseconds from the start of the recording.
    pub at_ms: u64,
    /// The level of the whole.
    pub level_dbfs: f64,
    /// The frequency of the strongest tone, if any tone is heard.
    pub dominant_hz: Option<f64>,
    /// The median bin.
    pub floor_dbfs: f64,
    bins: Vec<f64>,
}

/// One tone over a whole recording.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tone {
    /// Whether it is heard in any half second.
    pub heard: bool,
    /// The part of all half seconds in which it is heard, from 0 to 1.
    pub share: f64,
    /// Its level in the half second where it is loudest, in dB below a sine at full scale.
    pub level_dbfs: f64,
}

impl HalfSecond {
    fn of(at_ms: u64, samples: &[i16]) -> Self {
        let bins = spectrum(samples);
        let power = samples.iter().map(|it| f64::from(*it).powi(2)).sum::<f64>() / samples.len().max(1) as f64;
        let mut sorted = bins.clone();
        sorted.sort_by(f64::total_cmp);
        let floor = sorted.get(sorted.len() / 2).copied().unwrap_or(0.0);
        let strongest = bins.iter().enumerate().skip(FIRST_BIN).max_by(|a, b| a.1.total_cmp(b.1));
        let mut it = Self {
            at_ms,
            // The power of a sine is half its squared amplitude.
            level_dbfs: decibels((2.0 * power).sqrt() / FULL_SCALE),
            dominant_hz: None,
            floor_dbfs: decibels(floor),
            bins: Vec::new(),
        };
        it.dominant_hz = strongest.filter(|(_, level)| it.stands_out(**level)).map(|(bin, _)| bin as f64 * BIN_HZ);
        Self { bins, ..it }
    }

    /// The level at a frequency.
    #[must_use]
    pub fn level_at(&self, hz: u32) -> f64 {
        decibels(self.amplitude_at(hz))
    }

    /// Whether a tone of this frequency is heard.
    #[must_use]
    pub fn hears(&self, hz: u32) -> bool {
        self.stands_out(self.amplitude_at(hz))
    }

    fn amplitude_at(&self, hz: u32) -> f64 {
        // A tone between two bins shows in both.
        let bin = (f64::from(hz) / BIN_HZ).round() as usize;
        let near = self.bins.get(bin.saturating_sub(1)..(bin + 2).min(self.bins.len()));
        near.unwrap_or_default().iter().copied().fold(0.0, f64::max)
    }

    fn stands_out(&self, amplitude: f64) -> bool {
        let level = decibels(amplitude);
        level > LEVEL_MIN_DBFS && level - self.floor_dbfs > OVER_FLOOR_DB
    }
}

/// Cuts samples at 8000 Hz into half seconds; a rest shorter than that is left out.
#[must_use]
pub fn half_seconds(samples: &[i16]) -> Vec<HalfSecond> {
    let cut = samples.chunks_exact(HALF_SECOND).zip((0..).step_by(500));
    cut.map(|(samples, at_ms)| HalfSecond::of(at_ms, samples)).collect()
}

/// One tone over these half seconds.
#[must_use]
pub fn tone(halves: &[HalfSecond], hz: u32) -> Tone {
    let heard = halves.iter().filter(|it| it.hears(hz)).count();
    let level_dbfs = halves.iter().map(|it| it.level_at(hz)).fold(SILENCE_DBFS, f64::max);
    Tone { heard: heard > 0, share: heard as f64 / halves.len().max(1) as f64, level_dbfs }
}

/// Amplitudes of all bins up to the Nyquist frequency, 1 for a sine at full scale.
fn spectrum(samples: &[i16]) -> Vec<f64> {
    let length = samples.len() as f64;
    let mut re: Vec<_> = (0..POINTS)
        .map(|at| match samples.get(at) {
            Some(sample) => f64::from(*sample) / FULL_SCALE * (0.5 - 0.5 * (TAU * at as f64 / length).cos()),
            None => 0.0,
        })
        .collect();
    let mut im = vec![0.0; POINTS];
    transform(&mut re, &mut im);
    // A Hann window passes half of the amplitude, and a sine's is shared with its negative frequency.
    let scale = 4.0 / length;
    re.iter().zip(&im).take(POINTS / 2).map(|(re, im)| re.hypot(*im) * scale).collect()
}

/// The fast Fourier transform in place, radix two.
fn transform(re: &mut [f64], im: &mut [f64]) {
    let n = re.len();
    let bits = n.trailing_zeros();
    for at in 0..n {
        let mirrored = at.reverse_bits() >> (usize::BITS - bits);
        if at < mirrored {
            re.swap(at, mirrored);
            im.swap(at, mirrored);
        }
    }
    let mut half = 1;
    while half < n {
        for k in 0..half {
            let (sin, cos) = (-PI * k as f64 / half as f64).sin_cos();
            for low in (k..n).step_by(2 * half) {
                let high = low + half;
                let (x, y) = (re[high] * cos - im[high] * sin, re[high] * sin + im[high] * cos);
                (re[high], im[high]) = (re[low] - x, im[low] - y);
                (re[low], im[low]) = (re[low] + x, im[low] + y);
            }
        }
        half *= 2;
    }
}

fn decibels(amplitude: f64) -> f64 {
    (20.0 * amplitude.log10()).max(SILENCE_DBFS)
}

const HALF_SECOND: usize = RATE as usize / 2;
/// Points of the transform: the next power of two over half a second.
const POINTS: usize = 4096;
const BIN_HZ: f64 = RATE as f64 / POINTS as f64;
/// Below 50 Hz there is only what the law makes of silence.
const FIRST_BIN: usize = 26;
const FULL_SCALE: f64 = 32_768.0;
const OVER_FLOOR_DB: f64 = 25.0;
const LEVEL_MIN_DBFS: f64 = -50.0;
/// What complete silence is shown as.
const SILENCE_DBFS: f64 = -120.0;

#[cfg(test)]
mod tests;
