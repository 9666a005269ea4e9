//! Octets in pieces, keep-alives between messages, and peers that take their time.

use super::*;
use crate::message::MessageExt;

const START: Time = Time::from_unix_ms(1_700_000_000_000);

fn peer() -> SocketAddr {
    ([10, 0, 0, 1], 40_000).into()
}

fn opened() -> Streams {
    let mut streams = Streams::default();
    streams.open(peer(), START);
    streams
}

fn message(call: &str, body: &str) -> String {
    format!(
        "OPTIONS sip:d SIP/2.0\r\nVia: SIP/2.0/TCP 10.0.0.1;branch=z9hG4bK{call}\r\nFrom: <sip:a@b>;tag=a\r\n\
         To: <sip:c@d>\r\nCall-ID: {call}\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[test]
fn rfc3261_18_3_messages_are_found_wherever_the_stream_is_cut() {
    let text = format!("{}\r\n\r\n{}", message("1", "one"), message("2", ""));
    for at in 0..text.len() {
        let mut streams = opened();
        let (first, second) = text.as_bytes().split_at(at);
        let mut found = Vec::new();
        let mut pings = 0;
        for part in [first, second] {
            let received = streams.receive(peer(), part, START).expect("it can be read");
            found.extend(received.messages);
            pings += received.pings;
        }
        let calls: Vec<_> = found
            .iter()
            .map(|it| match it {
                Message::Request(it) => format!("{} {}", it.call_id(), it.content().len()),
                Message::Response(_) => "a response".to_owned(),
            })
            .collect();
        assert_eq!((calls.join(", ").as_str(), pings), ("1 3, 2 0", 1), "cut at {at}");
    }
}

#[test]
fn rfc5626_3_5_1_a_double_line_end_is_a_ping_even_in_pieces() {
    let mut streams = opened();
    let mut pings = |bytes: &[u8]| streams.receive(peer(), bytes, START).expect("it can be read").pings;
    assert_eq!(pings(b"\r\n\r\n"), 1);
    assert_eq!(pings(b"\r\n"), 0);
    assert_eq!(pings(b"\r\n"), 1);
    assert_eq!(pings(b"\r\n\r\n\r\n\r\n"), 2);
}

#[test]
fn rfc3261_20_14_a_stream_without_lengths_is_closed() {
    let text = message("1", "").replace("Content-Length: 0\r\n", "");
    assert_eq!(opened().receive(peer(), text.as_bytes(), START).err(), Some(Unreadable));
    let text = message("1", "").replace("Content-Length: 0", "Content-Length: 99999999");
    assert_eq!(opened().receive(peer(), text.as_bytes(), START).err(), Some(Unreadable));
}

#[test]
fn no_message_may_grow_for_ever() {
    let mut streams = opened();
    let fits = (0..100).take_while(|_| streams.receive(peer(), &[b'A'; 1024], START).is_ok()).count();
    assert_eq!(fits, 64);
}

#[test]
fn whoever_connects_must_say_something_and_say_it_whole() {
    let at = |seconds| START + Duration::from_secs(seconds);
    let mut streams = opened();
    assert_eq!(streams.overdue(at(9)), None);
    assert_eq!(streams.overdue(at(10)), Some(Overdue { remote: peer(), is_idle: true }));
    // A drop every second does not help.
    let text = message("1", "");
    for (second, byte) in (1..=30).zip(text.as_bytes()) {
        streams.receive(peer(), &[*byte], at(second)).expect("it can be read");
    }
    assert_eq!(streams.overdue(at(32)), None);
    assert_eq!(streams.overdue(at(33)), Some(Overdue { remote: peer(), is_idle: false }));
    streams.receive(peer(), &text.as_bytes()[30..], at(31)).expect("it can be read");
    assert_eq!(streams.overdue(at(330)), None);
    assert_eq!(streams.overdue(at(331)), Some(Overdue { remote: peer(), is_idle: true }));
    streams.keep(peer(), at(331));
    assert_eq!(streams.overdue(at(332)), None);
    streams.close(peer());
    assert_eq!((streams.poll_timeout(), streams.is_empty()), (None, true));
}
