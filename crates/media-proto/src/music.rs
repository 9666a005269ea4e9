//! What is played to those who wait: a melody of our own, a WAV file, or ringback, round and round on the clock.

use std::{f64::consts::TAU, sync::Arc};

use thiserror::Error;

use crate::{codec::Codec, playout::FRAME};

/// Sound that is played round and round. 8000 Hz, mono.
#[derive(Debug)]
pub struct Music {
    /// One round. Invariant: at least a frame.
    samples: Box<[i16]>,
}

/// A WAV file that cannot be played.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadMusic {
    /// Not a WAV file, or one that is broken.
    #[error("it is not a WAV file")]
    NotWav,
    /// Another rate, several channels, or another coding.
    #[error("music must be mono at 8000 Hz, in 16-bit PCM, A-law or \u{b5}-law")]
    Format,
    /// Less than a second, or more than ten minutes.
    #[error("music must last from a second to ten minutes")]
    Length,
}

impl Music {
    /// The longest file in octets that [`Self::from_wav`] takes, with some room for what is not sound.
    pub const MAX_OCTETS: usize = 2 * LONGEST + 65_536;

    /// A quiet melody, a plucked chord every few seconds, that comes back to where it began.
    #[must_use]
    pub fn melody() -> Self {
        let mut sum = vec![0.0_f64; NOTES.len() * NOTE];
        for (index, hertz) in NOTES.iter().enumerate() {
            for at in 0..NOTE_RINGS {
                let seconds = f64::from(at) / RATE;
                let envelope = (seconds * 50.0).min(1.0) * (-3.0 * seconds).exp();
                let wave = (TAU * hertz * seconds).sin() + 0.15 * (TAU * 2.0 * hertz * seconds).sin();
                // What rings on after the end rings into the beginning.
                let place = (index * NOTE + at as usize) % sum.len();
                sum[place] += LOUDNESS * envelope * wave;
            }
        }
        Self { samples: sum.into_iter().map(|it| it as i16).collect() }
    }

    /// Ringback as most of Europe has it: 425 Hz for a second, then silence for four (ITU-T E.180 table 1).
    #[must_use]
    pub fn ringback() -> Self {
        let wave = |at: u32| LOUDNESS * (TAU * 425.0 * f64::from(at) / RATE).sin();
        Self { samples: (0..40_000).map(|at| if at < 8_000 { wave(at) as i16 } else { 0 }).collect() }
    }

    /// The sound of a WAV file.
    ///
    /// # Errors
    /// Why it cannot be played.
    pub fn from_wav(file: &[u8]) -> Result<Self, BadMusic> {
        let chunks = file.strip_prefix(b"RIFF").and_then(|it| it.get(4..)).and_then(|it| it.strip_prefix(b"WAVE"));
        let mut rest = chunks.ok_or(BadMusic::NotWav)?;
        let mut format = None;
        while let Some((head, body)) = rest.split_at_checked(8) {
            let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
            let chunk = body.get(..length.min(body.len())).unwrap_or_default();
            match &head[..4] {
                b"fmt " => format = Some(Format::of(chunk)?),
                b"data" => return Self::of_samples(format.ok_or(BadMusic::NotWav)?.samples(chunk)),
                _ => {}
            }
            // Chunks begin at even places.
            rest = body.get(length.saturating_add(length % 2)..).unwrap_or_default();
        }
        Err(BadMusic::NotWav)
    }

    fn of_samples(samples: Vec<i16>) -> Result<Self, BadMusic> {
        let fits = (SHORTEST..=LONGEST).contains(&samples.len());
        fits.then(|| Self { samples: samples.into_boxed_slice() }).ok_or(BadMusic::Length)
    }
}

/// How the sound of a WAV file is written.
#[derive(Clone, Copy)]
enum Format {
    Linear,
    Law(Codec),
}

impl Format {
    fn of(chunk: &[u8]) -> Result<Self, BadMusic> {
        let [tag, channels, bits] = [0, 2, 14].map(|at| chunk.get(at..at + 2).map(|it| [it[0], it[1]]));
        let rate = chunk.get(4..8).map(|it| [it[0], it[1], it[2], it[3]]);
        let (Some(tag), Some(channels), Some(bits), Some(rate)) = (tag, channels, bits, rate) else {
            return Err(BadMusic::NotWav);
        };
        let known = u32::from_le_bytes(rate) == 8000 && u16::from_le_bytes(channels) == 1;
        match (u16::from_le_bytes(tag), u16::from_le_bytes(bits)) {
            (1, 16) if known => Ok(Self::Linear),
            (6, 8) if known => Ok(Self::Law(Codec::Pcma)),
            (7, 8) if known => Ok(Self::Law(Codec::Pcmu)),
            _ => Err(BadMusic::Format),
        }
    }

    fn samples(self, data: &[u8]) -> Vec<i16> {
        match self {
            Self::Linear => data.chunks_exact(2).map(|it| i16::from_le_bytes([it[0], it[1]])).collect(),
            Self::Law(codec) => {
                let mut samples = vec![0; data.len()];
                codec.decode(data, &mut samples);
                samples
            }
        }
    }
}

/// Where one leg is in the music that it is played.
#[derive(Clone, Debug)]
pub(crate) struct Playing {
    pub(crate) music: Arc<Music>,
    at: usize,
}

impl Playing {
    pub(crate) fn new(music: &Arc<Music>) -> Self {
        Self { music: Arc::clone(music), at: 0 }
    }

    /// The next 20 ms, after `skipped` frames that are left out.
    pub(crate) fn frame(&mut self, skipped: u32) -> [i16; FRAME] {
        let round = &self.music.samples;
        let start = self.at + FRAME * skipped as usize;
        self.at = (start + FRAME) % round.len();
        std::array::from_fn(|it| round[(start + it) % round.len()])
    }
}

const RATE: f64 = 8000.0;
/// Samples from one note to the next: 0.4 s.
const NOTE: usize = 3200;
/// Samples until a note has died away: 2 s.
const NOTE_RINGS: u32 = 16_000;
/// The amplitude of a note: 24 dB below full scale.
const LOUDNESS: f64 = 2000.0;
/// C, G and what lies between, in Hz.
const NOTES: [f64; 16] = [
    261.63, 329.63, 392.0, 523.25, 659.26, 523.25, 392.0, 329.63, 293.66, 392.0, 587.33, 783.99, 659.26, 587.33,
    523.25, 392.0,
];
const SHORTEST: usize = 8_000;
const LONGEST: usize = 8_000 * 600;

#[cfg(test)]
mod tests;
