//! RTP packets (RFC 3550 s5.1), as far as a phone needs them; written apart from the server's, to be a test of it.

/// One packet that came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// The payload type.
    pub payload_type: u8,
    /// Whether the marker is set: the start of a talk spurt.
    pub marker: bool,
    /// The sequence number.
    pub sequence: u16,
    /// The time stamp, in samples.
    pub timestamp: u32,
    /// The source.
    pub ssrc: u32,
    /// How many contributing sources it names.
    pub csrcs: u8,
    /// The sound.
    pub payload: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads a datagram; `None` if it is no RTP.
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (header, rest) = bytes.split_first_chunk::<HEADER>()?;
        let [first, second, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3] = *header;
        if first >> 6 != 2 {
            return None;
        }
        let csrcs = first & 0x0f;
        let mut payload = rest.get(usize::from(csrcs) * 4..)?;
        if first & 0x10 != 0 {
            let (extension, after) = payload.split_first_chunk::<4>()?;
            let words = u16::from_be_bytes([extension[2], extension[3]]);
            payload = after.get(usize::from(words) * 4..)?;
        }
        if first & 0x20 != 0 {
            let padding = usize::from(*payload.last()?);
            payload = payload.get(..payload.len().checked_sub(padding)?)?;
        }
        Some(Self {
            payload_type: second & 0x7f,
            marker: second & 0x80 != 0,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([c0, c1, c2, c3]),
            csrcs,
            payload,
        })
    }

    /// Writes it without CSRC, extension or padding over what `out` held.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.clear();
        out.extend([0x80, self.payload_type | if self.marker { 0x80 } else { 0 }]);
        out.extend(self.sequence.to_be_bytes());
        out.extend(self.timestamp.to_be_bytes());
        out.extend(self.ssrc.to_be_bytes());
        out.extend(self.payload);
    }
}

const HEADER: usize = 12;

#[cfg(test)]
mod tests;
