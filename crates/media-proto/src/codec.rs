//! The audio codecs we speak: the two laws of G.711, linear samples, and one law into the other.

use std::sync::LazyLock;

use audio_codec::{
    Decoder as _, Encoder as _,
    pcma::{PcmaDecoder, PcmaEncoder},
    pcmu::{PcmuDecoder, PcmuEncoder},
};

/// An audio codec. Both run at 8000 Hz with one octet a sample (RFC 3551 s4.5.14).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Codec {
    /// G.711 µ-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
}

impl Codec {
    /// Every codec, in the order of our own preference.
    pub const ALL: [Self; 2] = [Self::Pcmu, Self::Pcma];

    /// The static payload type (RFC 3551 table 4).
    #[must_use]
    pub const fn payload_type(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
        }
    }

    /// The encoding name of `a=rtpmap`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
        }
    }

    /// The RTP clock rate in Hz.
    #[must_use]
    pub const fn clock_rate(self) -> u32 {
        8000
    }

    /// The codec of a static payload type.
    #[must_use]
    pub const fn from_payload_type(payload_type: u8) -> Option<Self> {
        match payload_type {
            0 => Some(Self::Pcmu),
            8 => Some(Self::Pcma),
            _ => None,
        }
    }

    /// The codec of an encoding name; names are compared without case (RFC 4855 s3).
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name().eq_ignore_ascii_case(name))
    }

    /// The octet that stands for a sample of zero.
    #[must_use]
    pub const fn silence(self) -> u8 {
        match self {
            Self::Pcmu => 0xFF,
            Self::Pcma => 0xD5,
        }
    }

    /// Makes linear samples of octets. Returns how many: the length of the shorter slice.
    pub fn decode(self, payload: &[u8], samples: &mut [i16]) -> usize {
        let table = &self.tables().linear;
        for (sample, octet) in samples.iter_mut().zip(payload) {
            *sample = table[usize::from(*octet)];
        }
        samples.len().min(payload.len())
    }

    /// Makes octets of linear samples. Returns how many: the length of the shorter slice.
    pub fn encode(self, samples: &[i16], payload: &mut [u8]) -> usize {
        let table = &self.tables().law;
        for (octet, sample) in payload.iter_mut().zip(samples) {
            *octet = table[usize::from(sample.cast_unsigned())];
        }
        samples.len().min(payload.len())
    }

    /// Turns octets of this law into octets of the law `to`, in place.
    pub fn transcode(self, to: Self, payload: &mut [u8]) {
        let table: &[u8; 256] = match (self, to) {
            (Self::Pcmu, Self::Pcma) => &U_TO_A,
            (Self::Pcma, Self::Pcmu) => &A_TO_U,
            (Self::Pcmu, Self::Pcmu) | (Self::Pcma, Self::Pcma) => return,
        };
        for octet in payload {
            *octet = table[usize::from(*octet)];
        }
    }

    fn tables(self) -> &'static Tables {
        static PCMU: LazyLock<Tables> = LazyLock::new(|| Tables::of(Codec::Pcmu));
        static PCMA: LazyLock<Tables> = LazyLock::new(|| Tables::of(Codec::Pcma));
        match self {
            Self::Pcmu => &PCMU,
            Self::Pcma => &PCMA,
        }
    }
}

static U_TO_A: LazyLock<[u8; 256]> = LazyLock::new(|| law_to_law(Codec::Pcmu, Codec::Pcma));
static A_TO_U: LazyLock<[u8; 256]> = LazyLock::new(|| law_to_law(Codec::Pcma, Codec::Pcmu));

fn law_to_law(from: Codec, to: Codec) -> [u8; 256] {
    let samples = from.tables().linear;
    let mut octets = [0; 256];
    to.encode(&samples, &mut octets);
    octets
}

/// What a law makes of every octet and every sample, asked of the codec library once.
struct Tables {
    /// The sample of each octet.
    linear: [i16; 256],
    /// The octet of each sample, by the sample's two's complement.
    law: Box<[u8]>,
}

impl Tables {
    fn of(codec: Codec) -> Self {
        let octets: [u8; 256] = std::array::from_fn(|it| it as u8);
        let samples: Vec<i16> = (0..=u16::MAX).map(u16::cast_signed).collect();
        let mut linear = [0; 256];
        let mut law = vec![codec.silence(); samples.len()];
        // The library fails only where the output is shorter than the input.
        let _ = match codec {
            Codec::Pcmu => PcmuDecoder::new()
                .decode_into(&octets, &mut linear)
                .and_then(|_| PcmuEncoder::new().encode_into(&samples, &mut law)),
            Codec::Pcma => PcmaDecoder::new()
                .decode_into(&octets, &mut linear)
                .and_then(|_| PcmaEncoder::new().encode_into(&samples, &mut law)),
        };
        if codec == Codec::Pcma {
            mirror(&mut law);
        }
        Self { linear, law: law.into_boxed_slice() }
    }
}

/// Gives every negative sample the octet of its one's complement with the sign turned, as ITU-T G.191's reference
/// does. The library's own negative half is half a step off and decodes to the wrong sign near zero.
fn mirror(law: &mut [u8]) {
    const SIGN: u8 = 0x80;
    let (positive, negative) = law.split_at_mut(0x8000);
    for (octet, mirrored) in negative.iter_mut().rev().zip(positive.iter()) {
        *octet = mirrored ^ SIGN;
    }
}

#[cfg(test)]
mod tests;
