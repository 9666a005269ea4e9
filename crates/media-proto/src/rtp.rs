//! RTP packets (RFC 3550 s5.1), read in place and written in place.
//!
//! Ours rather than a library's: a relayed packet keeps its payload where the socket put it and only gets a new fixed
//! header in front, and nothing is allocated. That is twelve octets to write, less than any library's builder wants.

use std::ops::Range;

/// Octets of a header without contributing sources and extension: the only kind that we send, since a list of
/// contributing sources would tell who is in a mix.
pub const HEADER_OCTETS: usize = 12;

/// The header of a packet that we send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The first packet after a pause, or the first of an event.
    pub marker: bool,
    /// What the payload is.
    pub payload_type: u8,
    /// One more than the packet before.
    pub sequence: u16,
    /// The sampling moment of the payload's first sample, in samples.
    pub timestamp: u32,
    /// Who sends.
    pub ssrc: u32,
}

impl Header {
    /// The twelve octets.
    #[must_use]
    pub fn octets(&self) -> [u8; HEADER_OCTETS] {
        let mut octets = [0; HEADER_OCTETS];
        octets[0] = VERSION << 6;
        octets[1] = u8::from(self.marker) << 7 | (self.payload_type & 0x7F);
        octets[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        octets[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        octets[8..].copy_from_slice(&self.ssrc.to_be_bytes());
        octets
    }
}

/// A packet that came: its header, and where in the datagram its payload is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// The fixed header.
    pub header: Header,
    /// The payload without padding; it begins at or after [`HEADER_OCTETS`].
    pub payload: Range<usize>,
}

impl Packet {
    /// Reads a datagram; `None` if it is no RTP packet of version 2 (RFC 3550 A.1).
    #[must_use]
    pub fn parse(datagram: &[u8]) -> Option<Self> {
        let fixed: &[u8; HEADER_OCTETS] = datagram.first_chunk()?;
        let [first, second, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3] = *fixed;
        if first >> 6 != VERSION {
            return None;
        }
        let mut start = HEADER_OCTETS + 4 * usize::from(first & 0x0F);
        if first & 0x10 != 0 {
            let words = datagram.get(start + 2..start + 4)?;
            start += 4 + 4 * usize::from(u16::from_be_bytes(words.try_into().ok()?));
        }
        let padding = if first & 0x20 == 0 { 0 } else { usize::from(*datagram.last()?).max(1) };
        let end = datagram.len().checked_sub(padding)?;
        let header = Header {
            marker: second & 0x80 != 0,
            payload_type: second & 0x7F,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([c0, c1, c2, c3]),
        };
        (start <= end).then_some(Self { header, payload: start..end })
    }
}

/// Whether a datagram on an RTP port is RTCP after all (RFC 5761 s4).
#[must_use]
pub fn is_rtcp(datagram: &[u8]) -> bool {
    matches!(datagram, [first, 192..=223, ..] if first >> 6 == VERSION)
}

const VERSION: u8 = 2;

#[cfg(test)]
mod tests;
