//! Tells which tones a recording holds: half seconds, Hann window, Fourier transform.

use std::f64::consts::TAU;

/// What a phone heard.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    /// Samples a second.
    pub rate: u32,
    /// The samples, mono.
    pub samples: Vec<i16>,
}

/// A tone is heard when it stands this far over the median of all frequencies...
const OVER_MEDIAN_DB: f64 = 25.0;
/// ...and is louder than this, against a full-scale sine.
const FLOOR_DBFS: f64 = -50.0;

impl Recording {
    /// A sine of `frequency` Hz at −10 dBFS.
    #[must_use]
    pub fn tone(frequency: u32, rate: u32, seconds: u32) -> Self {
        let step = TAU * f64::from(frequency) / f64::from(rate);
        #[expect(clippy::cast_possible_truncation, reason = "the amplitude fits")]
        let samples = (0..rate * seconds).map(|it| (10_362.0 * (step * f64::from(it)).sin()) as i16).collect();
        Self { rate, samples }
    }

    /// Seconds of sound.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.samples.len() as f64 / f64::from(self.rate.max(1))
    }

    /// The whole half seconds, but for those where the sound begins and ends.
    fn half_seconds(&self) -> impl Iterator<Item = &[i16]> {
        let half = (self.rate / 2).max(1) as usize;
        let settled = self.samples.get(half / 2..).unwrap_or(&[]);
        settled.chunks_exact(half)
    }

    /// For each half second the level of each frequency in dBFS, and whether it is heard.
    fn levels(&self, frequencies: &[u32]) -> Vec<Vec<(f64, bool)>> {
        self.half_seconds().map(|it| levels(it, self.rate, frequencies)).collect()
    }

    /// The tones among `frequencies` that any half second holds.
    #[must_use]
    pub fn heard_ever(&self, frequencies: &[u32]) -> Vec<u32> {
        let levels = self.levels(frequencies);
        let heard = |index: usize| levels.iter().any(|it| it[index].1);
        frequencies.iter().enumerate().filter(|(index, _)| heard(*index)).map(|(_, it)| *it).collect()
    }
}

/// Demands that every half second holds all of `wanted` and none of `unwanted`.
///
/// # Panics
/// If one does not, or if the recording has less than three whole half seconds.
#[track_caller]
pub fn assert_hears(who: &str, recording: &Recording, wanted: &[u32], unwanted: &[u32]) {
    let all: Vec<u32> = wanted.iter().chain(unwanted).copied().collect();
    let levels = recording.levels(&all);
    assert!(levels.len() >= 3, "{who} recorded only {:.2} s", recording.seconds());
    for (half, row) in levels.iter().enumerate() {
        for (index, (level, is_heard)) in row.iter().enumerate() {
            let is_wanted = index < wanted.len();
            let frequency = all[index];
            assert!(
                *is_heard == is_wanted,
                "{who}, half second {half} of {}: {frequency} Hz at {level:.0} dBFS, and it should {}be heard; all: {levels:?}",
                levels.len(),
                if is_wanted { "" } else { "not " },
            );
        }
    }
}

/// Demands that no half second holds any of `unwanted`; the recording may be empty, as on a leg that is sent nothing.
///
/// # Panics
/// If one does.
#[track_caller]
pub fn assert_silent(who: &str, recording: &Recording, unwanted: &[u32]) {
    let heard = recording.heard_ever(unwanted);
    assert!(heard.is_empty(), "{who} hears {heard:?} Hz and should not: {:?}", recording.levels(unwanted));
}

fn levels(samples: &[i16], rate: u32, frequencies: &[u32]) -> Vec<(f64, bool)> {
    let length = samples.len().next_power_of_two();
    let mut real = vec![0.0; length];
    let mut imaginary = vec![0.0; length];
    let mut gain = 0.0;
    for (index, sample) in samples.iter().enumerate() {
        let window = 0.5 - 0.5 * (TAU * index as f64 / samples.len() as f64).cos();
        gain += window;
        real[index] = f64::from(*sample) / 32_768.0 * window;
    }
    transform(&mut real, &mut imaginary);
    // A full-scale sine comes out at 0 dBFS.
    let level = |it: usize| 20.0 * (2.0 * real[it].hypot(imaginary[it]) / gain).max(1e-7).log10();
    let mut sorted: Vec<f64> = (1..length / 2).map(level).collect();
    sorted.sort_by(f64::total_cmp);
    let median = sorted[sorted.len() / 2];
    let width = f64::from(rate) / length as f64;
    let near = |frequency: u32| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small positive number")]
        let bin = (f64::from(frequency) / width).round() as usize;
        (bin.saturating_sub(2)..=bin + 2).filter(|it| *it < length / 2).map(level).fold(f64::NEG_INFINITY, f64::max)
    };
    let verdict = |it: f64| (it, it > FLOOR_DBFS && it - median > OVER_MEDIAN_DB);
    frequencies.iter().map(|it| verdict(near(*it))).collect()
}

/// The Fourier transform, in place; the length is a power of two.
fn transform(real: &mut [f64], imaginary: &mut [f64]) {
    let length = real.len();
    let mut target = 0;
    for index in 0..length {
        if index < target {
            real.swap(index, target);
            imaginary.swap(index, target);
        }
        let mut bit = length >> 1;
        while bit > 0 && target & bit != 0 {
            target ^= bit;
            bit >>= 1;
        }
        target |= bit;
    }
    let mut half = 1;
    while half < length {
        let angle = -TAU / (2 * half) as f64;
        for start in (0..length).step_by(2 * half) {
            for offset in 0..half {
                let (sin, cos) = (angle * offset as f64).sin_cos();
                let (low, high) = (start + offset, start + offset + half);
                let turned = (real[high] * cos - imaginary[high] * sin, real[high] * sin + imaginary[high] * cos);
                (real[high], imaginary[high]) = (real[low] - turned.0, imaginary[low] - turned.1);
                (real[low], imaginary[low]) = (real[low] + turned.0, imaginary[low] + turned.1);
            }
        }
        half *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mixed(frequencies: &[u32]) -> Recording {
        let mut sum = Recording { rate: 8000, samples: vec![0; 24_000] };
        for frequency in frequencies {
            let tone = Recording::tone(*frequency, 8000, 3);
            sum.samples.iter_mut().zip(tone.samples).for_each(|(it, add)| *it += add / 2);
        }
        // As a phone hears it: through mu-law, whose products are 60 dB down.
        sum.samples.iter_mut().for_each(|it| *it = crate::g711::from_mu_law(crate::g711::mu_law(*it)));
        sum
    }

    #[test]
    fn hears_each_tone_of_a_mix_and_no_other() {
        assert_hears("nobody", &mixed(&[440, 1000]), &[440, 1000], &[1700]);
        assert_hears("nobody", &mixed(&[1700]), &[1700], &[440, 1000]);
        assert_eq!(mixed(&[440, 1000]).heard_ever(&[440, 1000, 1700]), [440, 1000]);
    }

    #[test]
    fn a_gap_of_a_half_second_is_noticed() {
        let mut recording = mixed(&[440]);
        recording.samples[8_000..14_000].fill(0);
        assert!(std::panic::catch_unwind(|| assert_hears("nobody", &recording, &[440], &[])).is_err());
    }

    #[test]
    fn silence_and_a_whisper_hold_no_tone() {
        assert_silent("nobody", &Recording { rate: 8000, samples: vec![0; 24_000] }, &[440]);
        let mut faint = Recording::tone(440, 8000, 3);
        faint.samples.iter_mut().for_each(|it| *it /= 2000);
        assert_silent("nobody", &faint, &[440]);
        assert!(std::panic::catch_unwind(|| assert_silent("nobody", &mixed(&[440]), &[440])).is_err());
    }
}
