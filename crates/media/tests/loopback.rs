//! Real sockets on loopback: relay, a silent listener who joins and leaves, forged packets, ports.

mod phone;

use std::{
    collections::BTreeSet,
    net::UdpSocket,
    time::{Duration, Instant},
};

use domain::ids::{CallId, LegId};
use media::{Codec, Counters, Event, Media, Snapshot};
use phone::{CALL, Heard, Phone, hear, hear_call, start};

const LONG: Duration = Duration::from_secs(30);

/// The packets of one source, one by one: nothing missing, nothing added, the same SSRC throughout.
fn assert_relayed(heard: &[Heard], spoken: &[[u8; 160]]) {
    assert_eq!(heard.len(), spoken.len());
    for (at, (heard, spoken)) in heard.iter().zip(spoken).enumerate() {
        assert_eq!((heard.octets, &heard.payload), (160, spoken), "packet {at}");
        assert_eq!(heard.header.marker, at == 0, "packet {at}");
    }
    assert_unbroken(heard);
}

fn assert_unbroken(heard: &[Heard]) {
    for pair in heard.windows(2) {
        let (before, after) = (&pair[0].header, &pair[1].header);
        assert_eq!(after.ssrc, before.ssrc);
        assert_eq!(after.sequence, before.sequence.wrapping_add(1));
        assert_eq!(after.timestamp, before.timestamp.wrapping_add(160));
    }
}

fn counters(media: &mut Media, phone: &Phone) -> Counters {
    let legs: Vec<_> = media.snapshot().iter().take(2).flat_map(|it| it.legs).collect();
    legs.iter().find(|(call, leg, _)| (*call, *leg) == (CALL, phone.leg)).expect("the leg is open").2
}

#[test]
fn a_2_a_silent_listener_joins_and_leaves_and_the_parties_do_not_notice() {
    let (mut media, events) = start(62_000..=62_099, LONG);
    let (mut a, mut b) = (Phone::join(&mut media, 1, Codec::Pcmu), Phone::join(&mut media, 2, Codec::Pcmu));
    hear(&mut media, &events, 1, &[(&a, &[&b]), (&b, &[&a])]);
    let (mut from_a, mut from_b, mut at_a, mut at_b) = (vec![], vec![], vec![], vec![]);
    let mut talk = |a: &mut Phone, b: &mut Phone, round: i16| {
        from_a.push(a.speak(1000 + round));
        from_b.push(b.speak(2000 - round));
        at_a.push(a.hear());
        at_b.push(b.hear());
    };
    (0..50).for_each(|round| talk(&mut a, &mut b, round));

    let mut s = Phone::join(&mut media, 3, Codec::Pcma);
    hear(&mut media, &events, 2, &[(&a, &[&b]), (&b, &[&a]), (&s, &[&a, &b])]);
    let mut at_s = Vec::new();
    for round in 50..100 {
        s.speak(20_000);
        talk(&mut a, &mut b, round);
        // The mix has a clock of its own: one packet of it a round keeps us to its pace.
        at_s.push(s.hear());
    }

    hear(&mut media, &events, 3, &[(&a, &[&b]), (&b, &[&a])]);
    media.close(s.leg);
    media.flush();
    for round in 100..150 {
        s.speak(20_000);
        talk(&mut a, &mut b, round);
    }
    assert_relayed(&at_a, &from_b);
    assert_relayed(&at_b, &from_a);
    assert!(a.rest().is_empty() && b.rest().is_empty());
    assert_unbroken(&at_s);
    let both = at_s.iter().filter(|it| (2800..3200).contains(&s.level(it))).count();
    assert!(both > 25, "{:?}", at_s.iter().map(|it| s.level(it)).collect::<Vec<_>>());
    let mut report = [0; 256];
    let (length, _) = s.rtcp.recv_from(&mut report).unwrap();
    assert_eq!(report[length - 7], 203, "the listener is told goodbye");
    a.rtcp.set_nonblocking(true).unwrap();
    while let Ok((length, _)) = a.rtcp.recv_from(&mut report) {
        assert!(!report[..length].contains(&203), "nobody else is");
    }
}

#[test]
fn r_19_a_listener_goes_on_to_calls_of_either_worker_and_its_stream_goes_on() {
    let (mut media, events) = start(63_000..=63_099, LONG);
    let s = Phone::join(&mut media, 1, Codec::Pcmu);
    let mut heard = Vec::new();
    let calls = [CALL, CallId(8), CallId(9), CallId(10), CallId(11)];
    let mut workers = BTreeSet::new();
    for (call, leg) in calls.into_iter().zip(10_u64..) {
        let level = 1000 + i16::try_from(leg).unwrap() * 500;
        let mut a = Phone::join_call(&mut media, call, leg, Codec::Pcmu);
        hear_call(&mut media, &events, call, 1, &[(&a, &[]), (&s, &[&a])]);
        // What comes while the leg is under way is not heard; it is a matter of microseconds.
        let first = loop {
            a.speak(level);
            s.rtp.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
            if let Some(it) = s.take() {
                break it;
            }
        };
        let on = |it: &Snapshot| it.legs.iter().any(|(_, leg, _)| *leg == s.leg);
        workers.extend(media.snapshot().iter().take(2).filter(on).map(|it| it.worker));
        let more = (0..20).map(|_| {
            a.speak(level);
            s.hear()
        });
        let these: Vec<_> = std::iter::once(first).chain(more).collect();
        assert!(these.iter().all(|it| (s.level(it) - level).abs() < 200), "the new call is heard, and nothing else");
        heard.extend(these);
    }
    assert_eq!(workers.len(), 2, "the calls were on both workers");
    for pair in heard.windows(2) {
        assert_eq!(pair[1].header.ssrc, pair[0].header.ssrc);
        assert_eq!(pair[1].header.sequence, pair[0].header.sequence.wrapping_add(1));
    }
    media.close(s.leg);
    calls.into_iter().for_each(|it| media.close_call(it));
    media.flush();
    let leases = Instant::now() + Duration::from_secs(5);
    while media.ports().leased() > 0 && Instant::now() < leases {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(media.ports().leased(), 0);
}

#[test]
fn a_packet_from_anywhere_else_than_the_learned_address_counts_for_nothing() {
    let (mut media, events) = start(62_100..=62_119, LONG);
    let (mut a, b) = (Phone::join(&mut media, 1, Codec::Pcmu), Phone::join(&mut media, 2, Codec::Pcma));
    // A's description names another address than its packets come from, as behind an address translator.
    let elsewhere = UdpSocket::bind("127.0.0.1:0").unwrap();
    media.configure(a.leg, media::Remote { rtp: elsewhere.local_addr().unwrap(), ..a.remote() });
    hear(&mut media, &events, 1, &[(&b, &[&a])]);
    a.speak(1000);
    let learned = b.hear();
    elsewhere.send_to(&[[0x80, 0, 0, 0].as_slice(), &[0; 168]].concat(), a.server).unwrap();
    a.speak(1000);
    let next = b.hear();
    assert_eq!(next.header.sequence, learned.header.sequence.wrapping_add(1));
    assert_eq!(b.level(&next), b.level(&learned));
    let of_a = counters(&mut media, &a);
    assert_eq!((of_a.packets_in, of_a.foreign, of_a.octets_in), (2, 1, 320));
}

#[test]
fn closed_legs_and_calls_return_their_ports() {
    let (mut media, events) = start(62_120..=62_125, LONG);
    let phones: Vec<Phone> = (1..=3).map(|leg| Phone::join(&mut media, leg, Codec::Pcmu)).collect();
    assert!(media.ports().lease().is_none());
    media.close(phones[0].leg);
    hear(&mut media, &events, 1, &[]);
    assert_eq!(media.ports().leased(), 2);
    let again = Phone::join(&mut media, 4, Codec::Pcmu);
    assert_eq!(again.server, phones[0].server);
    media.close_call(CALL);
    hear(&mut media, &events, 2, &[]);
    assert_eq!(media.ports().leased(), 0);
    let snapshots: Vec<_> = media.snapshot().iter().take(2).collect();
    assert!(snapshots.iter().all(|it| it.calls == 0 && it.legs.is_empty()));
    // The other phones of the call were told goodbye as well.
    let mut report = [0; 256];
    let (length, _) = phones[2].rtcp.recv_from(&mut report).unwrap();
    assert_eq!(report[length - 7], 203);
}

#[test]
fn ten_thousand_joins_leave_nothing_behind() {
    let (mut media, events) = start(62_130..=62_149, LONG);
    let (a, b) = (Phone::join(&mut media, 1, Codec::Pcmu), Phone::join(&mut media, 2, Codec::Pcmu));
    for turn in 0..10_000 {
        let lease = media.ports().lease().unwrap();
        media.open(CALL, LegId(100 + turn), lease).unwrap();
        media.configure(LegId(100 + turn), a.remote());
        media.close(LegId(100 + turn));
        if turn % 4 == 0 {
            hear(&mut media, &events, turn, &[(&a, &[&b])]);
        }
    }
    hear(&mut media, &events, 10_000, &[]);
    assert_eq!((media.ports().leased(), media.backlog()), (2, 0));
}

#[test]
fn v_08_a_leg_that_sends_nothing_is_reported_and_those_that_do_are_not() {
    let (mut media, events) = start(62_150..=62_159, Duration::from_millis(300));
    let (mut a, b) = (Phone::join(&mut media, 1, Codec::Pcmu), Phone::join(&mut media, 2, Codec::Pcmu));
    let began = Instant::now();
    let mut silences = 0;
    while silences < 2 {
        a.speak(1);
        match events.recv_timeout(Duration::from_millis(20)) {
            Ok(Event::Silent { leg, since_ms }) => {
                silences += 1;
                assert_eq!(leg, b.leg);
                assert!(u128::from(since_ms) <= began.elapsed().as_millis() && since_ms >= 300 * silences);
            }
            Ok(other) => panic!("{other:?}"),
            Err(_) => assert!(began.elapsed() < LONG),
        }
    }
}

#[test]
fn a_leg_that_wants_nothing_is_sent_nothing_and_takes_up_again_where_it_was() {
    let (mut media, events) = start(62_160..=62_169, LONG);
    let (mut a, b) = (Phone::join(&mut media, 1, Codec::Pcmu), Phone::join(&mut media, 2, Codec::Pcmu));
    hear(&mut media, &events, 1, &[(&b, &[&a])]);
    a.speak(1000);
    let before = b.hear();
    media.configure(b.leg, media::Remote { sending: false, ..b.remote() });
    hear(&mut media, &events, 2, &[(&b, &[&a])]);
    a.speak(1000);
    // Packets and orders come by different ways, so the order of the two is ours to keep.
    while counters(&mut media, &a).packets_in < 2 {}
    media.configure(b.leg, b.remote());
    hear(&mut media, &events, 3, &[(&b, &[&a])]);
    a.speak(4000);
    let after = b.hear();
    assert!(b.level(&after) > 3000, "a packet that was not wanted: {after:?}");
    assert_eq!(after.header.sequence, before.header.sequence.wrapping_add(1));
    assert!(after.header.marker && after.header.ssrc == before.header.ssrc);
}
