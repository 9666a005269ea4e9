//! What a phone hears, laid out by time stamp, and what can be told of it afterwards.

use std::{io, path::Path, time::Duration};

use clock::Time;
use media_proto::codec::Codec;

use crate::{
    rtp::Packet,
    sound::RATE,
    tones::{self, HalfSecond, Tone},
};

/// Counts of what came in; a stream without a break has `sources` 1 and the three others 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// Packets of sound.
    pub packets: u64,
    /// Different sources in a row: one more at each change of SSRC.
    pub sources: u32,
    /// Times that the sequence number was not the one after the last, within one source.
    pub sequence_breaks: u32,
    /// Times that the time stamp did not go on by what the last packet held, within one source.
    pub timestamp_breaks: u32,
    /// Packets that name contributing sources.
    pub with_csrc: u32,
}

/// Takes packets and lays out their samples. Holds no more than it was told to.
#[derive(Clone, Debug)]
pub struct Recorder {
    samples: Vec<i16>,
    samples_max: usize,
    started: Option<Time>,
    stream: Option<Stream>,
    received: Received,
}

#[derive(Clone, Copy, Debug)]
struct Stream {
    ssrc: u32,
    /// This time stamp lies at this sample of the recording.
    timestamp: u32,
    position: usize,
    next_sequence: u16,
    next_timestamp: u32,
}

impl Recorder {
    /// Keeps the first `longest` of what it hears.
    #[must_use]
    pub fn new(longest: Duration) -> Self {
        let samples_max =
            usize::try_from(longest.as_millis()).unwrap_or(usize::MAX).saturating_mul(RATE as usize / 1000);
        Self { samples: Vec::new(), samples_max, started: None, stream: None, received: Received::default() }
    }

    /// Takes one packet. The first one of a source is laid where its arrival puts it, the others by their time stamps.
    pub fn hear(&mut self, packet: &Packet<'_>, codec: Codec, now: Time) {
        self.received.packets += 1;
        self.received.with_csrc += u32::from(packet.csrcs > 0);
        let length = u32::try_from(packet.payload.len()).unwrap_or(0);
        let position = match &mut self.stream {
            Some(stream) if stream.ssrc == packet.ssrc => {
                self.received.sequence_breaks += u32::from(packet.sequence != stream.next_sequence);
                self.received.timestamp_breaks += u32::from(packet.timestamp != stream.next_timestamp);
                stream.position_of(packet.timestamp).filter(|it| *it < self.samples.len() + JUMP_MAX)
            }
            _ => {
                self.received.sources += 1;
                None
            }
        };
        let position = position.unwrap_or_else(|| {
            let started = *self.started.get_or_insert(now);
            let arrived = now.since(started).as_millis() as usize * (RATE as usize / 1000);
            arrived.max(self.samples.len())
        });
        self.stream = Some(Stream {
            ssrc: packet.ssrc,
            timestamp: packet.timestamp,
            position,
            next_sequence: packet.sequence.wrapping_add(1),
            next_timestamp: packet.timestamp.wrapping_add(length),
        });
        self.lay(packet.payload, codec, position);
    }

    fn lay(&mut self, payload: &[u8], codec: Codec, position: usize) {
        let end = (position + payload.len()).min(self.samples_max);
        if position >= end {
            return;
        }
        if self.samples.len() < end {
            self.samples.resize(end, 0);
        }
        if let Some(place) = self.samples.get_mut(position..end) {
            codec.decode(payload, place);
        }
    }

    /// What has been heard so far.
    #[must_use]
    pub fn recording(&self) -> Recording {
        Recording { samples: self.samples.clone(), received: self.received }
    }

    /// Starts anew, within the same streams.
    pub fn clear(&mut self) {
        *self = Self {
            samples: Vec::new(),
            samples_max: self.samples_max,
            started: None,
            stream: None,
            received: Received::default(),
        };
    }
}

impl Stream {
    fn position_of(&self, timestamp: u32) -> Option<usize> {
        let ahead = timestamp.wrapping_sub(self.timestamp).cast_signed();
        self.position.checked_add_signed(ahead as isize)
    }
}

/// Sound that a phone heard: linear samples, 8000 a second, gaps as silence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recording {
    /// The samples.
    pub samples: Vec<i16>,
    /// How it came in.
    pub received: Received,
}

impl Recording {
    /// A recording of samples that did not come by RTP.
    #[must_use]
    pub fn of_samples(samples: Vec<i16>) -> Self {
        Self { samples, received: Received::default() }
    }

    /// How long it is.
    #[must_use]
    pub fn length(&self) -> Duration {
        Duration::from_millis(self.samples.len() as u64 * 1000 / u64::from(RATE))
    }

    /// The part of it between two moments from its start.
    #[must_use]
    pub fn between(&self, from: Duration, to: Duration) -> Self {
        let at = |it: Duration| (it.as_millis() as usize * (RATE as usize / 1000)).min(self.samples.len());
        Self { samples: self.samples.get(at(from)..at(to)).unwrap_or_default().to_vec(), received: self.received }
    }

    /// Its half seconds.
    #[must_use]
    pub fn half_seconds(&self) -> Vec<HalfSecond> {
        tones::half_seconds(&self.samples)
    }

    /// Whether and how loud a tone is in it.
    #[must_use]
    pub fn tone(&self, hz: u32) -> Tone {
        tones::tone(&self.half_seconds(), hz)
    }

    /// The frequency of the strongest tone in most of its half seconds, within a few hertz; `None` if none is heard.
    #[must_use]
    pub fn dominant_hz(&self) -> Option<f64> {
        let mut found: Vec<_> = self.half_seconds().iter().filter_map(|it| it.dominant_hz).collect();
        found.sort_by(f64::total_cmp);
        let same = |it: f64| found.iter().filter(|other| (*other - it).abs() < 5.0).count();
        found.iter().copied().max_by_key(|it| same(*it))
    }

    /// The level of the whole, in dB below a sine at full scale.
    #[must_use]
    pub fn level_dbfs(&self) -> f64 {
        let halves = self.half_seconds();
        let loudest = halves.iter().map(|it| it.level_dbfs).fold(f64::NEG_INFINITY, f64::max);
        loudest.max(-120.0)
    }

    /// A WAV file of it: one channel, 16 bits, 8000 Hz.
    #[must_use]
    pub fn to_wav(&self) -> Vec<u8> {
        let data = u32::try_from(self.samples.len() * 2).unwrap_or(u32::MAX - 36);
        let mut out = Vec::with_capacity(44 + self.samples.len() * 2);
        out.extend(b"RIFF");
        out.extend((36 + data).to_le_bytes());
        out.extend(b"WAVEfmt ");
        out.extend(16_u32.to_le_bytes());
        // Linear samples, one channel, rate, octets a second, octets a sample, bits a sample.
        out.extend(1_u16.to_le_bytes());
        out.extend(1_u16.to_le_bytes());
        out.extend(RATE.to_le_bytes());
        out.extend((RATE * 2).to_le_bytes());
        out.extend(2_u16.to_le_bytes());
        out.extend(16_u16.to_le_bytes());
        out.extend(b"data");
        out.extend(data.to_le_bytes());
        for sample in &self.samples {
            out.extend(sample.to_le_bytes());
        }
        out
    }

    /// Writes [`Self::to_wav`] to a file.
    ///
    /// # Errors
    /// What the file system says.
    pub fn write_wav(&self, path: impl AsRef<Path>) -> io::Result<()> {
        std::fs::write(path, self.to_wav())
    }
}

/// A time stamp further ahead than this is no gap but a new beginning: ten seconds of samples.
const JUMP_MAX: usize = 10 * RATE as usize;

#[cfg(test)]
mod tests;
