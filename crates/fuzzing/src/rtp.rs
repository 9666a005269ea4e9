//! RTP and RTCP of a call of three, one of whom only listens.

use std::{collections::BTreeSet, net::SocketAddr};

use media_proto::{
    call::{Call, Channel, Remote, Settings, Sink, Slot},
    codec::Codec,
    micros::Micros,
};

/// Packets, each after two octets: the low half of the first says how long it is in steps of 16 octets, its fifth bit which
/// of the parties sends it, the sixth whether to the port for RTCP, the seventh whether from a foreign address; the
/// second how many milliseconds later it comes.
///
/// # Panics
/// If anything is sent that is no RTP or RTCP, to where nobody wants it, or to the parties because of the listener.
pub fn rtp(data: &[u8]) {
    let mut now = Micros::from_ms(1_700_000_000_000);
    let mut call = call(now);
    let mut wire = Wire { sent: [0; 3] };
    let (mut rest, mut packets) = (data, 0);
    while let [how, later, tail @ ..] = rest {
        let length = (usize::from(how & 15) * 16).min(tail.len());
        let (packet, tail) = tail.split_at(length);
        rest = tail;
        now = now + u64::from(*later) * 1000;
        let party = usize::from(how >> 4 & 1);
        let (is_rtcp, is_foreign) = (how >> 5 & 1 == 1, how >> 6 & 1 == 1);
        let slot = Slot(if packets % 7 == 6 { 2 } else { party });
        let port = if is_foreign { 9 } else { 4000 + u16::from(is_rtcp) };
        let from = SocketAddr::new(peer(slot).ip(), port);
        let before = wire.sent;
        if is_rtcp {
            call.rtcp(slot, packet, from, now);
        } else {
            call.rtp(slot, &mut packet.to_vec(), from, now, &mut wire);
        }
        if slot == Slot(2) {
            assert_eq!(wire.sent, before, "the listener is heard by nobody");
        }
        call.handle_timeout(now, &mut wire);
        packets += 1;
        if packets == PACKETS_MAX {
            break;
        }
    }
    for _ in 0..20 {
        now = now + 20_000;
        call.handle_timeout(now, &mut wire);
    }
    (0..3).for_each(|slot| call.close(Slot(slot), now, &mut wire));
    assert!(call.is_empty());
}

/// Two who hear each other, in different laws, and a third who hears both.
fn call(now: Micros) -> Call<u8> {
    let mut call = Call::new(Settings { phase_us: 0, silent_us: 30_000_000 }, [1; 32]);
    for (key, codec) in [(0, Codec::Pcmu), (1, Codec::Pcma), (2, Codec::Pcmu)] {
        let slot = call.open(key, now);
        let rtp = peer(slot);
        let remote = Remote {
            rtp,
            rtcp: SocketAddr::new(rtp.ip(), rtp.port() + 1),
            codec,
            payload_type: codec.payload_type(),
            telephone_event: Some(101),
            telephone_event_in: Some(101),
            sending: true,
            receiving: true,
        };
        call.configure(slot, remote, now);
    }
    let row = |it: &[u8]| it.iter().copied().collect::<BTreeSet<u8>>();
    call.hear([(0, row(&[1])), (1, row(&[0])), (2, row(&[0, 1]))].into(), now);
    call
}

fn peer(slot: Slot) -> SocketAddr {
    let last = u8::try_from(slot.0 + 1).expect("there are three");
    SocketAddr::from(([10, 0, 0, last], 4000))
}

struct Wire {
    sent: [usize; 3],
}

impl Sink<u8> for Wire {
    fn send(&mut self, slot: Slot, channel: Channel, to: SocketAddr, packet: &[u8]) {
        assert_eq!(packet.first().map(|it| it >> 6), Some(2), "version 2 of RTP and RTCP");
        assert!((8..1500).contains(&packet.len()), "{} octets", packet.len());
        assert_eq!(to.ip(), peer(slot).ip(), "{channel:?} to a stranger");
        self.sent[slot.0] += 1;
    }

    fn silent(&mut self, _: u8, for_us: u64) {
        assert!(for_us >= 30_000_000);
    }
}

const PACKETS_MAX: usize = 100;
