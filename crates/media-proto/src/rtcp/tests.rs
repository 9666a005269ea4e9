//! What a report holds, and that it holds nothing else.

use super::*;

const CNAME: [u8; CNAME_OCTETS] = *b"abcdefghijklmnop";

fn full() -> Report {
    Report {
        ssrc: 0x1111_1111,
        sender: Some(Sender { ntp: 0x2222_2222_3333_3333, timestamp: 0x4444_4444, packets: 5, octets: 800 }),
        block: Some(Block {
            ssrc: 0x6666_6666,
            fraction_lost: 7,
            lost: -3,
            highest: 0x0001_FFFF,
            jitter: 9,
            last_sr: 10,
            delay: 11,
        }),
        cname: CNAME,
        bye: true,
    }
}

fn kinds(mut octets: &[u8]) -> Vec<u8> {
    let mut kinds = Vec::new();
    while let [_, kind, high, low, ..] = *octets {
        kinds.push(kind);
        octets = &octets[4 + 4 * usize::from(u16::from_be_bytes([high, low]))..];
    }
    assert!(octets.is_empty());
    kinds
}

#[test]
fn rfc3550_6_4_1_a_sender_reports_names_itself_and_leaves() {
    let mut out = [0; MAX_OCTETS];
    let length = full().write(&mut out);
    assert_eq!(kinds(&out[..length]), [200, 202, 203]);
    assert_eq!(&out[62..78], &CNAME);
    let heard = parse(&out[..length], 0x6666_6666).unwrap();
    assert_eq!(heard.sender, Some((0x1111_1111, 0x2222_3333)));
    assert_eq!(heard.block, full().block);
    assert_eq!(parse(&out[..length], 0x1111_1111).unwrap().block, None, "the block is about another stream");
}

#[test]
fn rfc3550_6_4_2_without_anything_sent_it_is_a_receiver_report() {
    let mut out = [0; MAX_OCTETS];
    let length = Report { sender: None, bye: false, ..full() }.write(&mut out);
    assert_eq!(kinds(&out[..length]), [201, 202]);
    let length = Report { sender: None, block: None, bye: false, ..full() }.write(&mut out);
    assert_eq!(kinds(&out[..length]), [201, 202]);
    assert_eq!(length, 8 + 28);
}

#[test]
fn rfc3550_a_2_what_is_no_report_is_refused() {
    let mut out = [0; MAX_OCTETS];
    let length = full().write(&mut out);
    for cut in 0..length {
        // A compound packet cut between two of its packets is whole again.
        assert_eq!(parse(&out[..cut], 1).is_some(), [52, 80].contains(&cut), "cut at {cut}");
    }
    assert_eq!(parse(&[0x81, 202, 0, 1, 0, 0, 0, 0], 1), None, "SDES first");
    assert_eq!(parse(&[0x80, 200, 0, 0], 1), None, "an SR without anything in it");
    assert_eq!(parse(&[0x9F, 201, 0, 1, 0, 0, 0, 0], 1).unwrap().block, None, "blocks that are not there");
}
