//! Packets as they come, whole and broken.

use super::*;

fn header() -> Header {
    Header { marker: true, payload_type: 101, sequence: 0xFFFE, timestamp: 0x0102_0304, ssrc: 0xA1B2_C3D4 }
}

fn datagram(first: u8, rest: &[u8]) -> Vec<u8> {
    let mut octets = header().octets().to_vec();
    octets[0] = first;
    octets.extend_from_slice(rest);
    octets
}

#[test]
fn rfc3550_5_1_what_is_written_is_read() {
    let packet = Packet::parse(&datagram(0x80, &[7, 8, 9])).unwrap();
    assert_eq!(packet, Packet { header: header(), payload: 12..15 });
}

#[test]
fn rfc3550_5_1_contributors_extension_and_padding_are_no_payload() {
    let rest = [1, 1, 1, 1, 0xBE, 0xDE, 0, 1, 2, 2, 2, 2, 42, 43, 0, 0, 3];
    let packet = Packet::parse(&datagram(0x80 | 0x20 | 0x10 | 1, &rest)).unwrap();
    assert_eq!(packet.payload, 24..26);
}

#[test]
fn rfc3550_a_1_broken_packets_are_refused() {
    assert_eq!(Packet::parse(&[]), None);
    assert_eq!(Packet::parse(&[0x80; 11]), None);
    assert_eq!(Packet::parse(&datagram(0x40, &[])), None, "version 1");
    assert_eq!(Packet::parse(&datagram(0x8F, &[0; 8])), None, "fifteen contributors that are not there");
    assert_eq!(Packet::parse(&datagram(0x90, &[0, 0])), None, "an extension cut off");
    assert_eq!(Packet::parse(&datagram(0x90, &[0, 0, 0xFF, 0xFF])), None, "an extension longer than the packet");
    assert_eq!(Packet::parse(&datagram(0xA0, &[1, 2, 200])), None, "more padding than packet");
    assert_eq!(Packet::parse(&datagram(0xA0, &[1, 2, 3])).unwrap().payload, 12..12);
}

#[test]
fn rfc5761_4_rtcp_on_the_rtp_port_is_told_apart() {
    assert!(is_rtcp(&[0x80, 200, 0, 6]));
    assert!(!is_rtcp(&[0x80, 0x80 | 8, 0, 6]));
    assert!(!is_rtcp(&[]));
}
