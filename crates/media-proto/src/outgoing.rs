//! What goes to one leg: a single stream whose sequence and time stamps go on, whatever feeds it.

use crate::{
    micros::{MICROS_A_SAMPLE, Micros},
    playout::FRAME,
    rtcp::Sender,
    rtp::Header,
};

/// The stream that a leg is sent.
///
/// Invariant: one SSRC from the first packet to the last; the sequence number of each packet is one more than that of
/// the packet before; the time stamp goes on by the media's time, and across a change of feed by the clock.
#[derive(Clone, Debug)]
pub struct Outgoing {
    ssrc: u32,
    sequence: u16,
    feed: Feed,
    last: Option<Last>,
    first_timestamp: u32,
    packets: u32,
    octets: u32,
    event: Option<Event>,
}

/// What feeds the stream now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Feed {
    Nothing,
    /// The packets of the source of this id; `shift` turns its positions into our time stamps. `newest` is the
    /// position of the last one sent.
    Source {
        id: u64,
        shift: u32,
        newest: i64,
    },
    Mix,
}

/// The end of what was sent.
#[derive(Clone, Copy, Debug)]
struct Last {
    timestamp: u32,
    samples: u32,
    at: Micros,
}

/// The telephone event that is being passed into a mix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Event {
    id: u64,
    position: i64,
    timestamp: u32,
    at: Micros,
}

impl Outgoing {
    /// A stream that begins with these numbers, which should be random (RFC 3550 s5.1).
    #[must_use]
    pub const fn new(ssrc: u32, sequence: u16, first_timestamp: u32) -> Self {
        Self { ssrc, sequence, feed: Feed::Nothing, last: None, first_timestamp, packets: 0, octets: 0, event: None }
    }

    /// The SSRC of the stream.
    #[must_use]
    pub const fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// Packets and octets of payload sent.
    #[must_use]
    pub const fn totals(&self) -> (u32, u32) {
        (self.packets, self.octets)
    }

    /// Whether anything was ever sent, and what to report about it at `now` (RFC 3550 s6.4.1).
    #[must_use]
    pub fn report(&self, now: Micros) -> Option<Sender> {
        let last = self.last?;
        let timestamp = last.timestamp.wrapping_add(samples(now.since(last.at)));
        Some(Sender { ntp: now.ntp(), timestamp, packets: self.packets, octets: self.octets })
    }

    /// The feed ends. What comes next begins a talk spurt.
    pub fn pause(&mut self) {
        self.feed = Feed::Nothing;
        self.event = None;
    }

    /// The feed becomes the source `id`, if it is another.
    pub fn feed_from(&mut self, id: u64) {
        if !matches!(self.feed, Feed::Source { id: fed, .. } if fed == id) {
            self.pause();
        }
    }

    /// The feed becomes a mix, if it is none.
    pub fn feed_from_mix(&mut self) {
        if self.feed != Feed::Mix {
            self.pause();
        }
    }

    /// The header for a packet of `octets` samples of the source `id`; `None` if a later one was sent already, since
    /// a number once given cannot be taken back.
    pub fn relay(&mut self, id: u64, position: i64, mut packet: Relayed, now: Micros) -> Option<Header> {
        let shift = match self.feed {
            Feed::Source { id: fed, shift, newest } if fed == id => {
                if position < newest {
                    return None;
                }
                shift
            }
            Feed::Nothing | Feed::Source { .. } | Feed::Mix => {
                packet.marker = true;
                self.next_timestamp(now).wrapping_sub(position as u32)
            }
        };
        self.feed = Feed::Source { id, shift, newest: position };
        Some(self.sent(shift.wrapping_add(position as u32), packet, now))
    }

    /// The header for a packet of a telephone event of a source that the leg hears. The time stamp is that of the
    /// event's beginning in every packet of the event (RFC 4733 s2.2.1.2).
    pub fn event(&mut self, id: u64, position: i64, packet: Relayed, now: Micros) -> Option<Header> {
        let timestamp = match self.feed {
            Feed::Source { id: fed, shift, .. } if fed == id => shift.wrapping_add(position as u32),
            Feed::Mix => match self.event {
                Some(event) if (event.id, event.position) == (id, position) => event.timestamp,
                // One stream can carry one event at a time; the second key waits in vain.
                Some(event) if event.id != id && now.since(event.at) < EVENT_GAP_US => return None,
                _ => self.now_in_mix(now),
            },
            Feed::Nothing | Feed::Source { .. } => return self.relay(id, position, packet, now),
        };
        self.event = Some(Event { id, position, timestamp, at: now });
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(packet.octets);
        Some(self.header(timestamp, packet))
    }

    /// The header for the next frame of a mix, `skipped` frames after the one before.
    pub fn mix(&mut self, skipped: u32, payload_type: u8, now: Micros) -> Header {
        let goes_on = self.last.filter(|_| self.feed == Feed::Mix);
        let timestamp = goes_on
            .map_or_else(|| self.next_timestamp(now), |last| last.timestamp.wrapping_add(FRAME as u32 * (skipped + 1)));
        self.feed = Feed::Mix;
        let packet = Relayed { marker: goes_on.is_none(), payload_type, octets: FRAME as u32 };
        self.sent(timestamp, packet, now)
    }

    /// The time stamp for something that begins now: as much later as the clock has moved on, and never inside what
    /// was sent before.
    fn next_timestamp(&self, now: Micros) -> u32 {
        self.last.map_or(self.first_timestamp, |last| {
            last.timestamp.wrapping_add(samples(now.since(last.at)).max(last.samples))
        })
    }

    fn now_in_mix(&self, now: Micros) -> u32 {
        self.last.map_or(self.first_timestamp, |last| {
            last.timestamp.wrapping_add(samples(now.since(last.at)).min(last.samples))
        })
    }

    fn sent(&mut self, timestamp: u32, packet: Relayed, now: Micros) -> Header {
        self.last = Some(Last { timestamp, samples: packet.octets, at: now });
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(packet.octets);
        self.header(timestamp, packet)
    }

    fn header(&mut self, timestamp: u32, packet: Relayed) -> Header {
        let sequence = self.sequence;
        self.sequence = sequence.wrapping_add(1);
        let Relayed { marker, payload_type, .. } = packet;
        Header { marker, payload_type, sequence, timestamp, ssrc: self.ssrc }
    }
}

/// What the header of a relayed packet takes from the packet itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relayed {
    /// Its marker bit.
    pub marker: bool,
    /// The payload type as the receiver knows it.
    pub payload_type: u8,
    /// Octets of payload; for sound, also its samples.
    pub octets: u32,
}

const fn samples(us: u64) -> u32 {
    (us / MICROS_A_SAMPLE) as u32
}

/// An event whose packets stop for this long is over.
const EVENT_GAP_US: u64 = 100_000;

#[cfg(test)]
mod tests;
