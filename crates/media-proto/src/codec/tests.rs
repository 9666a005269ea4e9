//! What the two laws make of samples and of each other.

use super::*;

#[test]
fn names_and_payload_types_lead_back_to_their_codec() {
    for codec in Codec::ALL {
        assert_eq!(Codec::from_payload_type(codec.payload_type()), Some(codec));
        assert_eq!(Codec::from_name(&codec.name().to_lowercase()), Some(codec));
    }
    assert_eq!(Codec::from_payload_type(9), None);
    assert_eq!(Codec::from_name("opus"), None);
}

#[test]
fn every_octet_survives_decoding_and_encoding() {
    for codec in Codec::ALL {
        for octet in 0..=255_u8 {
            let (mut sample, mut back, mut again) = ([0], [0], [0]);
            codec.decode(&[octet], &mut sample);
            codec.encode(&sample, &mut back);
            codec.decode(&back, &mut again);
            assert!(codec == Codec::Pcmu || back == [octet], "{octet} became {}", back[0]);
            // µ-law has two octets for zero, so the octet may change but the sample may not.
            assert_eq!(sample, again, "{codec:?} {octet}");
        }
        let mut zero = [1];
        codec.decode(&[codec.silence()], &mut zero);
        assert!(zero[0].abs() <= 8, "{codec:?} silence is {}", zero[0]);
    }
}

#[test]
fn g711_known_values() {
    let mut octets = [0; 4];
    Codec::Pcmu.encode(&[0, 32767, -32768, 1000], &mut octets);
    assert_eq!(octets, [0xFF, 0x80, 0x00, 0xCE]);
    Codec::Pcma.encode(&[0, 32767, -32768, 1000], &mut octets);
    assert_eq!(octets, [0xD5, 0xAA, 0x2A, 0xFA]);
}

#[test]
fn one_law_into_the_other_keeps_the_sound() {
    for (from, to) in [(Codec::Pcmu, Codec::Pcma), (Codec::Pcma, Codec::Pcmu)] {
        let mut payload: Vec<u8> = (0..=255).collect();
        let (mut before, mut after) = ([0; 256], [0; 256]);
        from.decode(&payload, &mut before);
        from.transcode(to, &mut payload);
        to.decode(&payload, &mut after);
        for (was, is) in before.iter().zip(after) {
            let error = (i32::from(*was) - i32::from(is)).abs();
            assert!(error <= 16 + i32::from(*was).abs() / 16, "{was} became {is}");
        }
    }
}

#[test]
fn the_same_law_is_left_alone_and_short_buffers_are_filled() {
    let mut payload = [1, 2, 3];
    Codec::Pcma.transcode(Codec::Pcma, &mut payload);
    assert_eq!(payload, [1, 2, 3]);
    assert_eq!(Codec::Pcmu.decode(&[0; 10], &mut [0; 4]), 4);
    assert_eq!(Codec::Pcmu.encode(&[0; 3], &mut [0; 9]), 3);
}
