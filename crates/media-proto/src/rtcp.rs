//! RTCP (RFC 3550 s6): what we report to a leg about that leg alone, and what little we need of a peer's reports.
//!
//! Ours for the reason given in [`crate::rtp`]. A report names no one but the leg's own stream and ours: it has no
//! other field to put anybody in.

/// Octets of a canonical name: 96 random bits in base64 (RFC 7022 s4.2).
pub const CNAME_OCTETS: usize = 16;

/// Room for the largest compound packet that we send.
pub const MAX_OCTETS: usize = 128;

/// A compound packet of ours: SR or RR, SDES with nothing but the CNAME, and BYE at the end of the leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Our stream to this leg.
    pub ssrc: u32,
    /// What we sent; makes the report an SR.
    pub sender: Option<Sender>,
    /// What we received from the leg.
    pub block: Option<Block>,
    /// The name of our end of this leg, like no other leg's.
    pub cname: [u8; CNAME_OCTETS],
    /// Whether the leg ends now.
    pub bye: bool,
}

/// A sender's report of itself (RFC 3550 s6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sender {
    /// The moment, as NTP has it.
    pub ntp: u64,
    /// The same moment on the stream's own clock.
    pub timestamp: u32,
    /// Packets sent so far.
    pub packets: u32,
    /// Octets of payload sent so far.
    pub octets: u32,
}

/// A receiver's report about one stream (RFC 3550 s6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// The stream.
    pub ssrc: u32,
    /// The part lost since the last report, in 256ths.
    pub fraction_lost: u8,
    /// Packets lost so far; duplicates can make it negative. 24 bits.
    pub lost: i32,
    /// The highest sequence number seen, with the count of its cycles above.
    pub highest: u32,
    /// Mean deviation of the packets' spacing, in samples.
    pub jitter: u32,
    /// The middle of the NTP timestamp of the last SR from there.
    pub last_sr: u32,
    /// The time since it came, in 65536ths of a second.
    pub delay: u32,
}

impl Report {
    /// Writes the packet and says how long it is.
    pub fn write(&self, out: &mut [u8; MAX_OCTETS]) -> usize {
        let mut to = Writer { out, at: 0 };
        let blocks = u8::from(self.block.is_some());
        let words = if self.sender.is_some() { 6 } else { 1 } + 6 * u16::from(blocks);
        to.header(blocks, if self.sender.is_some() { SR } else { RR }, words);
        to.word(self.ssrc);
        if let Some(it) = self.sender {
            to.word((it.ntp >> 32) as u32);
            to.word(it.ntp as u32);
            to.word(it.timestamp);
            to.word(it.packets);
            to.word(it.octets);
        }
        if let Some(it) = self.block {
            to.word(it.ssrc);
            to.word(u32::from(it.fraction_lost) << 24 | (it.lost.cast_unsigned() & 0x00FF_FFFF));
            to.word(it.highest);
            to.word(it.jitter);
            to.word(it.last_sr);
            to.word(it.delay);
        }
        // One chunk: the SSRC, an item of type and length, the name, and two octets of zero that end and fill it.
        to.header(1, SDES, 1 + (2 + CNAME_OCTETS as u16 + 2) / 4);
        to.word(self.ssrc);
        to.octets(&[CNAME_ITEM, CNAME_OCTETS as u8]);
        to.octets(&self.cname);
        to.octets(&[0, 0]);
        if self.bye {
            to.header(1, BYE, 1);
            to.word(self.ssrc);
        }
        to.at
    }
}

struct Writer<'a> {
    out: &'a mut [u8; MAX_OCTETS],
    at: usize,
}

impl Writer<'_> {
    fn header(&mut self, count: u8, kind: u8, words: u16) {
        let [high, low] = words.to_be_bytes();
        self.octets(&[0x80 | count, kind, high, low]);
    }

    fn word(&mut self, word: u32) {
        self.octets(&word.to_be_bytes());
    }

    fn octets(&mut self, octets: &[u8]) {
        // The largest report has 8 + 20 + 24 + 28 + 8 octets and so always fits.
        if let Some(room) = self.out.get_mut(self.at..self.at + octets.len()) {
            room.copy_from_slice(octets);
            self.at += octets.len();
        }
    }
}

/// What we need of a peer's compound packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Its SSRC and the middle 32 bits of its NTP timestamp, from an SR.
    pub sender: Option<(u32, u32)>,
    /// What it says about the stream asked for.
    pub block: Option<Block>,
}

/// Reads a peer's compound packet and picks what concerns our stream `ssrc`; `None` if it is not one (RFC 3550 A.2).
#[must_use]
pub fn parse(datagram: &[u8], ssrc: u32) -> Option<Heard> {
    let mut heard = Heard::default();
    let mut rest = datagram;
    while !rest.is_empty() {
        let [first, kind, high, low] = *rest.first_chunk()?;
        let is_first = rest.len() == datagram.len();
        if first >> 6 != 2 || (is_first && (kind != SR && kind != RR || first & 0x20 != 0)) {
            return None;
        }
        let (packet, after) = rest.split_at_checked(4 + 4 * usize::from(u16::from_be_bytes([high, low])))?;
        let blocks = match kind {
            SR => {
                heard.sender = Some((word(packet, 4)?, word(packet, 8)? << 16 | word(packet, 12)? >> 16));
                packet.get(28..)?
            }
            RR => packet.get(8..)?,
            _ => &[],
        };
        let mut blocks = blocks.chunks_exact(24).take(usize::from(first & 0x1F));
        heard.block = heard.block.or(blocks.find(|it| word(it, 0) == Some(ssrc)).and_then(block));
        rest = after;
    }
    (!datagram.is_empty()).then_some(heard)
}

fn block(octets: &[u8]) -> Option<Block> {
    let losses = word(octets, 4)?;
    Some(Block {
        ssrc: word(octets, 0)?,
        fraction_lost: (losses >> 24) as u8,
        // Shifted up and down again, so that the sign of the 24 bits is kept.
        lost: (losses << 8).cast_signed() >> 8,
        highest: word(octets, 8)?,
        jitter: word(octets, 12)?,
        last_sr: word(octets, 16)?,
        delay: word(octets, 20)?,
    })
}

fn word(octets: &[u8], at: usize) -> Option<u32> {
    octets.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes)
}

const SR: u8 = 200;
const RR: u8 = 201;
const SDES: u8 = 202;
const BYE: u8 = 203;
const CNAME_ITEM: u8 = 1;

#[cfg(test)]
mod tests;
