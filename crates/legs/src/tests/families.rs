//! IPv4 and IPv6 peers of one server: what each is told of us.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use media_proto::{
    codec::Codec,
    sdp::{Author, Description, Direction},
};
use sip_proto::{Flow, message};

use crate::{Settings, leg::Media};

fn both() -> Settings {
    let contact = SocketAddr::from(([192, 0, 2, 1], 5060));
    let mut settings = Settings::new("undertone.local", contact, contact.ip());
    settings.contact6 = Some("2001:db8::1".parse().expect("an address"));
    settings.media6 = settings.contact6;
    settings.listeners = vec![Ipv6Addr::UNSPECIFIED.into()];
    settings
}

fn at(text: &str) -> SocketAddr {
    text.parse().expect("an address with a port")
}

#[test]
fn contact_has_the_family_of_the_peer() {
    let settings = both();
    for (flow, contact) in [
        (Flow::udp(at("192.0.2.9:5060")), "<sip:192.0.2.1:5060>"),
        (Flow::udp(at("[2001:db8::9]:5060")), "<sip:[2001:db8::1]:5060>"),
        (Flow::tcp(at("[2001:db8::9]:5060")), "<sip:[2001:db8::1]:5060;transport=tcp>"),
    ] {
        assert_eq!(settings.contact_field(flow), contact);
    }
}

#[test]
fn all_of_our_addresses_are_ours() {
    let settings = both();
    let is_ours = |text| settings.is_ours(&message::uri(text).expect("a URI"));
    let ours = ["sip:192.0.2.1", "sip:5001@[2001:db8::1]:5060", "sip:[::ffff:192.0.2.1]", "sip:[::1]", "sip:127.0.0.1"];
    assert_eq!(ours.map(is_ours), [true; 5]);
    assert!(!is_ours("sip:[2001:db8::2]") && !is_ours("sip:192.0.2.2"));
}

#[test]
fn rfc5118_4_9_each_of_several_phones_is_offered_its_family_and_the_answer_settles_it() {
    let (address, other) = both().media_towards(Ipv4Addr::LOCALHOST.into());
    let author = Author::new(address, 20_000, 7);
    let mut media = Media { author, other, limit: Direction::SendRecv, stream: None };
    assert!(media.offer_to(at("192.0.2.9:5060"), &Codec::ALL).contains("c=IN IP4 192.0.2.1\r\n"));
    let offered = media.offer_to(at("[2001:db8::9]:5060"), &Codec::ALL);
    assert!(offered.contains("c=IN IP6 2001:db8::1\r\n"), "{offered}");
    let peer = |connection: &str| {
        let text =
            format!("v=0\r\no=- 1 1 {connection}\r\ns=-\r\nc={connection}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n");
        Description::parse(&text).expect("a description")
    };
    assert!(!media.face(&peer("IN IP4 192.0.2.9")), "it is faced already");
    assert!(media.face(&peer("IN IP6 2001:db8::9")));
    assert!(!media.face(&peer("IN IP4 0.0.0.0")), "a hold is no family");
    // What it was offered, to the letter, so that a refresh changes nothing.
    assert_eq!(media.author.offer(&Codec::ALL, media.limit), offered);
    assert!(media.face(&peer("IN IP4 192.0.2.9")), "and back");
}
