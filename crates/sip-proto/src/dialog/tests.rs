//! Dialogs from both sides, and where their requests go.

use std::net::SocketAddr;

use super::*;
use crate::message::{Message, parse, request, response_to, uri};

const INVITE: &str = "INVITE sip:5002@undertone.local SIP/2.0\r\n\
    Via: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK1\r\n\
    From: \"Tag, \\\"the\\\" man\" <sip:5001@undertone.local;tag=no>;x=1;tag=a;y=2\r\n\
    To: <sip:5002@undertone.local>\r\nCall-ID: c1\r\nCSeq: 7 INVITE\r\nMax-Forwards: 70\r\n\
    Contact: <sip:5001@10.0.0.1:5066;ob>\r\n\
    Record-Route: <sip:10.0.8.1;lr>, <sip:10.0.8.2;lr>\r\nContent-Length: 0\r\n\r\n";

fn invite(text: &str) -> Request {
    match parse(text.as_bytes()) {
        Some(Message::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

fn flow(address: &str) -> Flow {
    Flow::udp(address.parse::<SocketAddr>().expect("an address"))
}

fn routes_of(request: &Request) -> Vec<String> {
    request.texts(&HeaderName::Route)
}

#[test]
fn rfc3261_12_1_1_the_side_that_was_called() {
    let mut dialog = Dialog::as_server(&invite(INVITE), "ours", flow("10.0.0.1:5060")).expect("it has a contact");
    assert_eq!(*dialog.id(), DialogId { call_id: "c1".into(), local: "ours".into(), remote: "a".into() });
    let bye = dialog.request(&Method::Bye);
    assert_eq!(bye.uri.to_string(), "sip:5001@10.0.0.1:5066;ob");
    assert_eq!(routes_of(&bye), ["<sip:10.0.8.1;lr>", "<sip:10.0.8.2;lr>"]);
    assert_eq!(bye.text(&HeaderName::From).as_deref(), Some("<sip:5002@undertone.local>;tag=ours"));
    assert_eq!(
        bye.text(&HeaderName::To).as_deref(),
        Some("\"Tag, \\\"the\\\" man\" <sip:5001@undertone.local;tag=no>;x=1;y=2;tag=a")
    );
    assert_eq!(bye.text(&HeaderName::CSeq).as_deref(), Some("1 BYE"));
    assert_eq!(dialog.flow(), flow("10.0.8.1:5060"), "the first route comes first");
}

#[test]
fn rfc3261_12_1_2_the_side_that_called() {
    let invite = invite(INVITE);
    let mut response = response_to(&invite, 200);
    response.headers.put(HeaderName::To, "<sip:5002@undertone.local>;tag=theirs");
    response.headers.add(HeaderName::Contact, "<sip:5002@10.0.0.2>");
    for route in invite.headers.get_all(&HeaderName::RecordRoute) {
        response.headers.push(route.clone());
    }
    let mut dialog = Dialog::as_client(&invite, &response, flow("10.0.0.2:5060")).expect("it is whole");
    assert_eq!(*dialog.id(), DialogId { call_id: "c1".into(), local: "a".into(), remote: "theirs".into() });
    let ack = dialog.ack(7);
    assert_eq!(routes_of(&ack), ["<sip:10.0.8.2;lr>", "<sip:10.0.8.1;lr>"], "in reverse order");
    assert_eq!(ack.text(&HeaderName::CSeq).as_deref(), Some("7 ACK"));
    assert_eq!(dialog.request(&Method::Bye).text(&HeaderName::CSeq).as_deref(), Some("8 BYE"));
    assert_eq!(dialog.request(&Method::Options).text(&HeaderName::CSeq).as_deref(), Some("9 OPTIONS"));
    assert_eq!(dialog.flow(), flow("10.0.8.2:5060"));
}

#[test]
fn rfc3261_12_2_1_1_a_strict_router() {
    let text = INVITE.replace("<sip:10.0.8.1;lr>", "<sip:10.0.8.1>");
    let mut dialog = Dialog::as_server(&invite(&text), "ours", flow("10.0.0.1:5060")).expect("it has a contact");
    let bye = dialog.request(&Method::Bye);
    assert_eq!(bye.uri.to_string(), "sip:10.0.8.1");
    assert_eq!(routes_of(&bye), ["<sip:10.0.8.2;lr>", "<sip:5001@10.0.0.1:5066;ob>"]);
}

#[test]
fn rfc3261_12_2_2_sequence_numbers_may_jump_but_not_fall() {
    let mut dialog = Dialog::as_server(&invite(INVITE), "ours", flow("10.0.0.1:5060")).expect("it has a contact");
    let numbered = |sequence: u32| {
        let mut it = request(Method::Bye, uri("sip:x").expect("a URI"));
        it.headers.add(HeaderName::CSeq, format!("{sequence} BYE"));
        it
    };
    assert_eq!(dialog.accept(&numbered(8)), Ok(()));
    assert_eq!(dialog.accept(&numbered(19)), Ok(()));
    assert_eq!(dialog.accept(&numbered(18)), Err(OutOfOrder));
    assert_eq!(dialog.accept(&numbered(19)), Ok(()), "the same number again is another transaction's matter");
}

#[test]
fn where_requests_inside_a_dialog_go() {
    let goes = |contact: &str, from: &str| {
        let text = INVITE.replace("10.0.0.1:5066", contact).replace("Record-Route", "X-Gone");
        Dialog::as_server(&invite(&text), "ours", flow(from)).expect("it has a contact").flow().remote.to_string()
    };
    assert_eq!(goes("10.0.0.1:5066", "10.0.0.1:5060"), "10.0.0.1:5066", "another port of the same host");
    assert_eq!(goes("10.0.0.1", "10.0.0.1:6000"), "10.0.0.1:5060", "the default port");
    assert_eq!(goes("192.168.1.7:5066", "203.0.113.9:6000"), "203.0.113.9:6000", "through the peer's NAT");
    assert_eq!(goes("203.0.113.8:5066", "203.0.113.9:6000"), "203.0.113.8:5066", "another public host");
    assert_eq!(goes("phone.example", "203.0.113.9:6000"), "203.0.113.9:6000", "no resolver is asked");
    assert_eq!(goes("127.0.0.1:5066", "203.0.113.9:6000"), "203.0.113.9:6000");
    assert_eq!(goes("127.0.0.2:5066", "127.0.0.1:6000"), "127.0.0.2:5066");
}

#[test]
fn rfc3261_12_2_2_a_peer_moves() {
    let mut dialog = Dialog::as_server(&invite(INVITE), "ours", flow("10.0.0.1:5060")).expect("it has a contact");
    let moved = invite(&INVITE.replace("10.0.0.1:5066", "10.0.0.1:7000"));
    dialog.refresh(&moved, flow("10.0.0.1:7000"));
    assert_eq!(dialog.target().to_string(), "sip:5001@10.0.0.1:7000;ob");
    assert_eq!(routes_of(&dialog.request(&Method::Bye)).len(), 2, "the route stays as it was");
}

#[test]
fn rfc3261_12_1_1_without_a_contact_there_is_no_dialog() {
    let text = INVITE.replace("Contact", "X-Contact");
    assert!(Dialog::as_server(&invite(&text), "ours", flow("10.0.0.1:5060")).is_none());
}

#[test]
fn tags_of_bare_addresses() {
    assert_eq!(without_tag("sip:a@b;tag=1"), "sip:a@b");
    assert_eq!(without_tag("<sip:a@b>;TAG=1;tagged=2"), "<sip:a@b>;tagged=2");
    assert_eq!(without_tag("<sip:a@b>"), "<sip:a@b>");
}
