//! Headers by section of RFC 3550.

use super::*;

const PLAIN: Packet<'_> = Packet {
    payload_type: 8,
    marker: true,
    sequence: 0xfffe,
    timestamp: 0x0102_0304,
    ssrc: 0xdead_beef,
    csrcs: 0,
    payload: &[1, 2, 3],
};

#[test]
fn rfc3550_5_1_what_is_written_is_read() {
    let mut bytes = vec![9];
    PLAIN.write(&mut bytes);
    assert_eq!(bytes, [0x80, 0x88, 0xff, 0xfe, 1, 2, 3, 4, 0xde, 0xad, 0xbe, 0xef, 1, 2, 3]);
    assert_eq!(Packet::parse(&bytes), Some(PLAIN));
}

#[test]
fn rfc3550_5_1_contributors_extensions_and_padding_are_no_sound() {
    let mut bytes = vec![0x80 | 0x20 | 0x10 | 1, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
    bytes.extend([9, 9, 9, 9]);
    bytes.extend([0xbe, 0xde, 0, 1, 7, 7, 7, 7]);
    bytes.extend([42, 43, 0, 2]);
    let packet = Packet::parse(&bytes).expect("a packet");
    assert_eq!((packet.payload, packet.csrcs), (&[42, 43][..], 1));
    for length in 0..bytes.len() - 3 {
        let _ = Packet::parse(&bytes[..length]);
    }
    assert_eq!(Packet::parse(&[0x40; 20]), None, "another version");
    assert_eq!(Packet::parse(&[0x8f; 20]), None, "more contributors than octets");
}
