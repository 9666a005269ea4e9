//! What is taken down, and what happens when nobody takes it.

use std::sync::mpsc::{Receiver, sync_channel};

use domain::leg::Cause;

use super::*;

fn at(ms: u64) -> Time {
    Time::from_unix_ms(1_000_000 + ms)
}

fn peer() -> SocketAddr {
    "127.0.0.1:5080".parse().unwrap()
}

fn tape(room: usize) -> (Tape, Receiver<Reel>) {
    let (sender, reels) = sync_channel(room);
    (Tape::new(sender), reels)
}

fn datagram(tape: &mut Tape, bytes: &[u8]) {
    tape.before(&Input::Datagram { bytes, source: peer() }, at(0));
}

fn answer(tape: &mut Tape) {
    tape.after(&Output::Transmit { to: Flow::udp(peer()), bytes: b"SIP/2.0 200 OK\r\nrest".to_vec() });
}

#[test]
fn messages_are_copied_in_their_order_and_handed_on_soon() {
    let (mut tape, reels) = tape(1);
    datagram(&mut tape, b"INVITE sip:1@u SIP/2.0\r\n");
    answer(&mut tape);
    tape.after(&Output::Event(LegId(1), LegEvent::Ringing));
    assert_eq!(tape.due(), Some(at(200)));
    tape.hand_on(at(199));
    assert!(reels.try_recv().is_err());
    tape.hand_on(at(200));
    let reel = reels.try_recv().unwrap();
    let notes: Vec<Note> = reel.notes.into_iter().map(|it| it.1).collect();
    let flow = Flow::udp(peer());
    assert_eq!(notes, [Note::In(flow, 24), Note::Out(flow, 20), Note::Told(LegId(1), LegEvent::Ringing)]);
    assert_eq!(reel.bytes, b"INVITE sip:1@u SIP/2.0\r\nSIP/2.0 200 OK\r\nrest");
    assert_eq!((tape.due(), reel.lost), (None, 0));
}

#[test]
fn registering_and_keep_alives_leave_nothing_but_that_something_was() {
    let (mut tape, _reels) = tape(1);
    for _ in 0..10 {
        datagram(&mut tape, b"REGISTER sip:undertone.local SIP/2.0\r\n");
        answer(&mut tape);
        datagram(&mut tape, b"\r\n\r\n");
        tape.before(&Input::Timeout, at(1));
    }
    assert!(tape.reel.notes.is_empty() && tape.reel.bytes.is_empty());
    tape.before(&Input::Datagram { bytes: b"REGISTER sip:undertone.local SIP/2.0\r\n", source: peer() }, at(1));
    tape.after(&Output::Event(LegId(1), LegEvent::Ringing));
    assert_eq!(tape.reel.notes.len(), 1, "what it means for a call is kept");
    datagram(&mut tape, b"BYE sip:1@127.0.0.1 SIP/2.0\r\n");
    tape.before(&Input::Timeout, at(1));
    tape.before(&Input::Timeout, at(2));
    assert_eq!(tape.reel.notes.len(), 3);
}

#[test]
fn what_nobody_takes_is_kept_up_to_a_bound_and_then_counted() {
    let (mut tape, reels) = tape(0);
    for _ in 0..NOTES_MAX + 5 {
        tape.after(&Output::Event(LegId(1), LegEvent::Ended(Cause::HungUp)));
        tape.hand_on(at(1_000));
    }
    assert_eq!((tape.reel.notes.len(), tape.reel.lost), (NOTES_MAX, 5));
    drop(reels);
    tape.hand_on(at(1_000));
    tape.after(&Output::Event(LegId(1), LegEvent::Ringing));
    assert_eq!(tape.reel.notes.len(), 0, "nobody will ever take it");
    assert_eq!(tape.due(), None);
}

#[test]
fn the_end_leaves_nothing_behind() {
    let (mut tape, reels) = tape(1);
    datagram(&mut tape, b"BYE sip:1@127.0.0.1 SIP/2.0\r\n");
    tape.end();
    assert_eq!(reels.recv().unwrap().notes.len(), 1);
    answer(&mut tape);
    assert!(tape.reel.notes.is_empty() && reels.recv().is_err());
}

#[test]
fn where_nobody_wants_to_know_nothing_is_taken_down() {
    let mut tape = Tape::default();
    datagram(&mut tape, b"INVITE sip:1@u SIP/2.0\r\n");
    answer(&mut tape);
    tape.happened(at(0), || panic!("nobody wants it"));
    assert!(tape.reel.notes.is_empty() && tape.due().is_none());
}
