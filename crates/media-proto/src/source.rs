//! What comes from one leg: which packets count, where their sound lies in time, and the last of it kept at hand.

use crate::{
    codec::Codec,
    micros::{MICROS_A_SAMPLE, Micros},
    rtcp::Block,
    rtp::Header,
};

/// The stream of one leg as it comes in.
///
/// Every packet gets a position: a count of samples that goes on through new SSRCs, jumps of the time stamp and
/// restarts, so that whatever is fed from here never notices them.
#[derive(Clone, Debug)]
pub struct Source {
    id: u64,
    stream: Option<Stream>,
    history: History,
    packets: u64,
    octets: u64,
}

/// The stream that counts now: one SSRC and one run of sequence numbers.
#[derive(Clone, Debug)]
struct Stream {
    ssrc: u32,
    /// Sequence numbers, with their cycles above.
    first: u32,
    highest: u32,
    /// Which of the 64 numbers up to `highest` have come; the lowest bit is `highest` itself.
    seen: u64,
    /// Set by a jump of the sequence: the number that would prove it (RFC 3550 A.1).
    probation: Option<u16>,
    /// A time stamp and the position it stands for.
    timestamp: u32,
    position: i64,
    received: u32,
    reported: (u32, u32),
    transit: Option<u32>,
    /// In sixteenths of a sample (RFC 3550 A.8).
    jitter: u32,
    sender_report: Option<(u32, Micros)>,
}

/// What a packet that counts turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Where its first sample lies.
    pub position: i64,
    /// Whether it came after a packet that follows it.
    pub late: bool,
    /// Whether the stream began anew with it.
    pub restarted: bool,
}

impl Source {
    /// A source that has sent nothing yet; `id` is like no other source's in the call, `codec` what it will speak.
    #[must_use]
    pub fn new(id: u64, codec: Codec) -> Self {
        Self { id, stream: None, history: History::new(codec), packets: 0, octets: 0 }
    }

    /// What tells this source from all others of the call.
    #[must_use]
    pub const fn id(&self) -> u64 {
        self.id
    }

    /// Another id, when the leg goes to a call whose own sources may have this one.
    pub(crate) const fn rename(&mut self, id: u64) {
        self.id = id;
    }

    /// The sound that has come.
    #[must_use]
    pub const fn history(&self) -> &History {
        &self.history
    }

    /// Packets and octets of payload that counted.
    #[must_use]
    pub const fn totals(&self) -> (u64, u64) {
        (self.packets, self.octets)
    }

    /// The mean deviation of the packets' spacing, in samples.
    #[must_use]
    pub fn jitter(&self) -> u32 {
        self.stream.as_ref().map_or(0, |it| it.jitter >> 4)
    }

    /// Packets that never came, as far as the sequence numbers of the present stream tell.
    #[must_use]
    pub fn lost(&self) -> i32 {
        self.stream.as_ref().map_or(0, |it| it.expected().wrapping_sub(it.received).cast_signed())
    }

    /// Changes the law in which the history is kept.
    pub fn speak(&mut self, codec: Codec) {
        self.history.speak(codec);
    }

    /// Takes a packet of sound. `None`: it came before, or it is a jump that no second packet has confirmed yet.
    pub fn sound(&mut self, header: &Header, codec: Codec, payload: &[u8], now: Micros) -> Option<Arrival> {
        let arrival = self.place(header, true, now)?;
        self.count(payload.len());
        self.history.write(arrival.position, codec, payload, now);
        if let Some(stream) = &mut self.stream {
            stream.measure_jitter(header.timestamp, now);
        }
        Some(arrival)
    }

    /// Takes a packet of a telephone event or of comfort noise, which leaves no sound in the history.
    pub fn other(&mut self, header: &Header, payload: &[u8], now: Micros) -> Option<Arrival> {
        let arrival = self.place(header, false, now)?;
        self.count(payload.len());
        Some(arrival)
    }

    /// Takes note of an SR: the middle of its NTP timestamp, for our next report.
    pub fn sender_report(&mut self, ssrc: u32, ntp_middle: u32, now: Micros) {
        if let Some(stream) = self.stream.as_mut().filter(|it| it.ssrc == ssrc) {
            stream.sender_report = Some((ntp_middle, now));
        }
    }

    /// What to report about the stream; the part lost is counted from the last call on.
    pub fn report(&mut self, now: Micros) -> Option<Block> {
        self.stream.as_mut().map(|it| it.report(now))
    }

    fn count(&mut self, octets: usize) {
        self.packets += 1;
        self.octets += octets as u64;
    }

    fn place(&mut self, header: &Header, sound: bool, now: Micros) -> Option<Arrival> {
        let Some(stream) = self.stream.as_mut().filter(|it| it.ssrc == header.ssrc) else {
            return Some(self.restart(header, now));
        };
        match stream.order(header.sequence) {
            Order::Next => {
                let arrival = stream.advance(header, sound, &self.history, now);
                stream.received = stream.received.wrapping_add(1);
                Some(arrival)
            }
            Order::Late => {
                stream.received = stream.received.wrapping_add(1);
                Some(Arrival { position: stream.position_of(header.timestamp), late: true, restarted: false })
            }
            Order::Repeated | Order::Unproved => None,
            Order::Jumped => Some(self.restart(header, now)),
        }
    }

    fn restart(&mut self, header: &Header, now: Micros) -> Arrival {
        let position = self.history.next_position(now);
        self.stream = Some(Stream {
            ssrc: header.ssrc,
            first: u32::from(header.sequence),
            highest: u32::from(header.sequence),
            seen: 1,
            probation: None,
            timestamp: header.timestamp,
            position,
            received: 1,
            reported: (0, 0),
            transit: None,
            jitter: 0,
            sender_report: None,
        });
        Arrival { position, late: false, restarted: true }
    }
}

/// Where a packet stands in its stream's sequence.
enum Order {
    Next,
    Late,
    Repeated,
    /// Far off; it counts only if the next one follows it.
    Unproved,
    Jumped,
}

impl Stream {
    fn order(&mut self, sequence: u16) -> Order {
        let ahead = sequence.wrapping_sub(self.highest as u16);
        if ahead == 0 {
            return Order::Repeated;
        }
        if ahead < MAX_DROPOUT {
            self.highest = self.highest.wrapping_add(u32::from(ahead));
            self.seen = self.seen.checked_shl(u32::from(ahead)).unwrap_or(0) | 1;
            self.probation = None;
            return Order::Next;
        }
        let behind = ahead.wrapping_neg();
        if behind < u64::BITS as u16 {
            let bit = 1 << behind;
            let repeated = self.seen & bit != 0;
            self.seen |= bit;
            return if repeated { Order::Repeated } else { Order::Late };
        }
        let proved = self.probation == Some(sequence);
        self.probation = Some(sequence.wrapping_add(1));
        if proved { Order::Jumped } else { Order::Unproved }
    }

    fn position_of(&self, timestamp: u32) -> i64 {
        self.position + i64::from(timestamp.wrapping_sub(self.timestamp).cast_signed())
    }

    fn advance(&mut self, header: &Header, sound: bool, history: &History, now: Micros) -> Arrival {
        let position = self.position_of(header.timestamp);
        let due = history.next_position(now);
        // A phone that stops sending may stop counting too, so lying behind the clock is no jump; going back is.
        let plausible = (history.end() - MAX_BACK..due + MAX_AHEAD).contains(&position);
        // An event keeps the time stamp of its beginning for as long as it lasts (RFC 4733 s2.2.1.2), so only a
        // packet of sound may show that the time stamps jumped, and only sound is what the next ones are measured by.
        if sound {
            self.position = if plausible { position } else { due };
            self.timestamp = header.timestamp;
        }
        let position = if sound { self.position } else { position };
        Arrival { position, late: false, restarted: sound && !plausible }
    }

    fn measure_jitter(&mut self, timestamp: u32, now: Micros) {
        let transit = now.ticks().wrapping_sub(timestamp);
        if let Some(before) = self.transit.replace(transit) {
            let change = transit.wrapping_sub(before).cast_signed().unsigned_abs();
            // A pause without a moving time stamp says nothing of the network.
            if change < MAX_JITTER {
                self.jitter = (self.jitter + change).saturating_sub((self.jitter + 8) >> 4);
            }
        }
    }

    fn expected(&self) -> u32 {
        self.highest.wrapping_sub(self.first).wrapping_add(1)
    }

    /// RFC 3550 A.3.
    fn report(&mut self, now: Micros) -> Block {
        let (expected, received) = (self.expected(), self.received);
        let (expected_before, received_before) = std::mem::replace(&mut self.reported, (expected, received));
        let expected_since = expected.wrapping_sub(expected_before);
        let received_since = received.wrapping_sub(received_before);
        let lost_since = expected_since.saturating_sub(received_since);
        let fraction = (u64::from(lost_since) << 8).checked_div(u64::from(expected_since)).unwrap_or(0);
        let delay = |since: u64| u32::try_from((since << 16) / 1_000_000).unwrap_or(u32::MAX);
        Block {
            ssrc: self.ssrc,
            fraction_lost: u8::try_from(fraction).unwrap_or(u8::MAX),
            lost: expected.wrapping_sub(received).cast_signed().clamp(-0x80_0000, 0x7F_FFFF),
            highest: self.highest,
            jitter: self.jitter >> 4,
            last_sr: self.sender_report.map_or(0, |(middle, _)| middle),
            delay: self.sender_report.map_or(0, |(_, came)| delay(now.since(came))),
        }
    }
}

/// The last quarter of a second of a source's sound, by position. What never came is silence.
#[derive(Clone, Debug)]
pub struct History {
    codec: Codec,
    octets: Box<[u8; ROOM]>,
    end: i64,
    newest: Option<Newest>,
}

/// The newest packet of sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Newest {
    /// When it came.
    pub at: Micros,
    /// How many samples it has.
    pub samples: i64,
}

impl History {
    fn new(codec: Codec) -> Self {
        Self { codec, octets: Box::new([codec.silence(); ROOM]), end: 0, newest: None }
    }

    /// The position after the newest sample.
    #[must_use]
    pub const fn end(&self) -> i64 {
        self.end
    }

    /// The newest packet.
    #[must_use]
    pub const fn newest(&self) -> Option<Newest> {
        self.newest
    }

    /// Where a packet that comes now and has lost its place should lie: after all that came, and as much later as the
    /// clock has moved on.
    fn next_position(&self, now: Micros) -> i64 {
        let idle = self.newest.map_or(0, |it| (now.since(it.at) / MICROS_A_SAMPLE).cast_signed() - it.samples);
        self.end + idle.max(0)
    }

    fn speak(&mut self, codec: Codec) {
        self.codec.transcode(codec, &mut self.octets[..]);
        self.codec = codec;
    }

    fn write(&mut self, position: i64, codec: Codec, payload: &[u8], now: Micros) {
        let after = position + payload.len() as i64;
        if after > self.end {
            let gap = (position - self.end).clamp(0, ROOM as i64);
            let silence = self.codec.silence();
            (position - gap..position).for_each(|it| self.octets[index(it)] = silence);
            self.end = after;
            self.newest = Some(Newest { at: now, samples: payload.len() as i64 });
        }
        // What is older than the room is gone; writing it would put it in the place of newer sound.
        let gone = usize::try_from(self.end - ROOM as i64 - position).unwrap_or(0).min(payload.len());
        let (start, payload) = (index(position + gone as i64), &payload[gone..]);
        let (until_wrap, wrapped) = payload.split_at(payload.len().min(ROOM - start));
        for (at, part) in [(start, until_wrap), (0, wrapped)] {
            let room = &mut self.octets[at..at + part.len()];
            room.copy_from_slice(part);
            codec.transcode(self.codec, room);
        }
    }

    /// The linear samples from `position` on. What is not there (yet, or any more) is silence.
    pub fn read(&self, position: i64, samples: &mut [i16]) {
        let oldest = self.end - ROOM as i64;
        let before = usize::try_from(oldest - position).unwrap_or(0).min(samples.len());
        let there = usize::try_from(self.end - position).unwrap_or(0).clamp(before, samples.len());
        samples[..before].fill(0);
        samples[there..].fill(0);
        let samples = &mut samples[before..there];
        let start = index(position + before as i64);
        let (until_wrap, wrapped) = samples.split_at_mut((ROOM - start).min(there - before));
        self.codec.decode(&self.octets[start..], until_wrap);
        self.codec.decode(&self.octets[..], wrapped);
    }
}

fn index(position: i64) -> usize {
    // The room is a power of two, so the lowest bits of a negative position are right too.
    position as usize & (ROOM - 1)
}

/// Octets of payload that a packet of sound may have at most: 100 ms.
pub const MAX_PAYLOAD: usize = 800;

const ROOM: usize = 2048;
const MAX_DROPOUT: u16 = 3000;
/// A time stamp may lie this many samples ahead of the clock before it counts as a jump: two seconds.
const MAX_AHEAD: i64 = 16_000;
/// A time stamp may go back by this many samples before it counts as a jump: one large packet.
const MAX_BACK: i64 = MAX_PAYLOAD as i64;
const MAX_JITTER: u32 = 8000;

#[cfg(test)]
mod tests;
