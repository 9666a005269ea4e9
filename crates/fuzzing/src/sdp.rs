//! Session descriptions: read, answered, and what is written read again.

use media_proto::{
    codec::Codec,
    sdp::{Author, Description, Direction},
};

use crate::parts;

/// Descriptions of one peer, each an offer that is answered and an answer to an offer of ours.
///
/// # Panics
/// If an answer does not fit its offer, or cannot be read.
pub fn sdp(data: &[u8]) {
    let mut author = Author::new(std::net::Ipv4Addr::LOCALHOST.into(), 20_000, 7);
    for part in parts(data) {
        let Ok(text) = std::str::from_utf8(part) else { continue };
        let Ok(offer) = Description::parse(text) else { continue };
        assert!(offer.choose(None).is_some(), "a description has a codec");
        for wanted in [Direction::SendRecv, Direction::SendOnly, Direction::Inactive] {
            let answer = author.answer(&offer, Some(Codec::Pcma), wanted).expect("a description has a codec");
            let streams = |text: &str| text.lines().filter(|it| it.starts_with("m=")).count();
            assert_eq!(
                streams(&answer.text),
                streams(text),
                "an answer has the streams of its offer:\n{}",
                answer.text
            );
            let read = Description::parse(&answer.text).expect("an answer of ours can be read");
            assert_eq!(read.codecs, [(answer.codec, answer.payload_type)]);
            assert!(!answer.direction.sends() || offer.direction.receives(), "nobody is sent what he does not want");
        }
        let ours = author.offer(&Codec::ALL, Direction::SendRecv);
        Description::parse(&ours).expect("an offer of ours can be read");
    }
}
