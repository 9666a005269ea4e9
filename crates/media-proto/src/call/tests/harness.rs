//! A call of phones A, B, C and D without a network: what they send and what reaches them.

use std::collections::BTreeMap;

use super::super::*;
use crate::rtp::Header;

/// A packet that reached a phone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Got {
    pub(super) at: Micros,
    pub(super) to: SocketAddr,
    pub(super) header: Header,
    pub(super) payload: Vec<u8>,
}

#[derive(Default)]
pub(super) struct Wire {
    pub(super) now: Micros,
    pub(super) rtp: BTreeMap<Slot, Vec<Got>>,
    pub(super) rtcp: BTreeMap<Slot, Vec<Vec<u8>>>,
    pub(super) silent: Vec<(char, u64)>,
}

impl Sink<char> for Wire {
    fn send(&mut self, slot: Slot, channel: Channel, to: SocketAddr, packet: &[u8]) {
        if channel == Channel::Rtcp {
            return self.rtcp.entry(slot).or_default().push(packet.to_vec());
        }
        assert_eq!(packet[0], 0x80, "no contributors, no extension, no padding");
        let read = Packet::parse(packet).unwrap();
        let payload = packet[read.payload].to_vec();
        self.rtp.entry(slot).or_default().push(Got { at: self.now, to, header: read.header, payload });
    }

    fn silent(&mut self, leg: char, for_us: u64) {
        self.silent.push((leg, for_us));
    }
}

/// A phone that counts its own packets.
pub(super) struct Phone {
    pub(super) slot: Slot,
    pub(super) address: SocketAddr,
    pub(super) codec: Codec,
    pub(super) header: Header,
}

pub(super) struct World {
    pub(super) call: Call<char>,
    pub(super) wire: Wire,
    pub(super) phones: BTreeMap<char, Phone>,
}

pub(super) const EVENT: u8 = 101;

pub(super) fn address(name: char) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 4000 + 10 * (name as u16 - 'A' as u16)))
}

pub(super) fn remote(name: char, codec: Codec) -> Remote {
    let rtp = address(name);
    Remote {
        rtp,
        rtcp: SocketAddr::new(rtp.ip(), rtp.port() + 1),
        codec,
        payload_type: codec.payload_type(),
        telephone_event: Some(EVENT),
        telephone_event_in: Some(EVENT),
        sending: true,
        receiving: true,
    }
}

impl World {
    pub(super) fn new(phones: &[(char, Codec)]) -> Self {
        let settings = Settings { phase_us: 7_000, silent_us: 30_000_000 };
        let mut world = Self { call: Call::new(settings, [7; 32]), wire: Wire::default(), phones: BTreeMap::new() };
        world.wire.now = Micros::from_ms(1_000_000);
        for (name, codec) in phones {
            world.open(*name, *codec);
        }
        world
    }

    /// Four phones of one law and everything settled.
    pub(super) fn four() -> Self {
        Self::new(&['A', 'B', 'C', 'D'].map(|it| (it, Codec::Pcmu)))
    }

    pub(super) fn open(&mut self, name: char, codec: Codec) {
        let slot = self.call.open(name, self.wire.now);
        self.call.configure(slot, remote(name, codec), self.wire.now);
        let ssrc = 0xFACE_0000 + name as u32;
        let header = Header { marker: false, payload_type: codec.payload_type(), sequence: 100, timestamp: 5000, ssrc };
        self.phones.insert(name, Phone { slot, address: address(name), codec, header });
    }

    pub(super) fn configure(&mut self, name: char, remote: Remote) {
        self.call.configure(self.phones[&name].slot, remote, self.wire.now);
    }

    /// `A:B B:A` sets the rows of A and B; all others are empty.
    pub(super) fn hear(&mut self, rows: &str) {
        let row = |it: &str| (it.chars().next().unwrap(), it.chars().skip(2).collect());
        self.call.hear(rows.split_whitespace().map(row).collect(), self.wire.now);
    }

    /// Lets time pass until `us` from now, doing what is due at its moment.
    pub(super) fn pass(&mut self, us: u64) {
        let until = self.wire.now + us;
        while let Some(due) = self.call.poll_timeout().filter(|it| *it <= until) {
            self.wire.now = due.max(self.wire.now);
            self.call.handle_timeout(self.wire.now, &mut self.wire);
        }
        self.wire.now = until;
    }

    /// The phone sends a packet of so many samples at this level and counts on.
    pub(super) fn speak(&mut self, name: char, level: i16, samples: usize) {
        let phone = self.phones.get_mut(&name).unwrap();
        let mut payload = vec![0; samples];
        phone.codec.encode(&vec![level; samples], &mut payload);
        let header = phone.header;
        phone.header.sequence = header.sequence.wrapping_add(1);
        phone.header.timestamp = header.timestamp.wrapping_add(samples as u32);
        self.send(name, &header, &payload);
    }

    /// The phone sends exactly this.
    pub(super) fn send(&mut self, name: char, header: &Header, payload: &[u8]) {
        let phone = &self.phones[&name];
        let mut datagram = header.octets().to_vec();
        datagram.extend_from_slice(payload);
        self.call.rtp(phone.slot, &mut datagram, phone.address, self.wire.now, &mut self.wire);
    }

    /// Everybody speaks at the level given for 20 ms at a time.
    pub(super) fn talk(&mut self, ms: u64, levels: &[(char, i16)]) {
        for _ in 0..ms / 20 {
            for (name, level) in levels {
                self.speak(*name, *level, 160);
                self.pass(1_000);
            }
            self.pass(20_000 - 1_000 * levels.len() as u64);
        }
    }

    /// What has reached the phone since it was last asked.
    pub(super) fn got(&mut self, name: char) -> Vec<Got> {
        self.wire.rtp.remove(&self.phones[&name].slot).unwrap_or_default()
    }

    pub(super) fn samples(&self, name: char, got: &Got) -> Vec<i16> {
        let mut samples = vec![0; got.payload.len()];
        self.phones[&name].codec.decode(&got.payload, &mut samples);
        samples
    }
}

/// One SSRC, each number one more than the last, time stamps that never go back into what was sent.
pub(super) fn assert_unbroken(got: &[Got]) {
    for pair in got.windows(2) {
        let (before, after) = (&pair[0].header, &pair[1].header);
        assert_eq!(after.ssrc, before.ssrc);
        assert_eq!(after.sequence, before.sequence.wrapping_add(1));
        let samples = after.timestamp.wrapping_sub(before.timestamp).cast_signed();
        if before.payload_type < 96 && after.payload_type < 96 {
            assert!(samples >= pair[0].payload.len() as i32, "{before:?} {after:?}");
        }
    }
}
