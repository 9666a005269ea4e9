//! RTCP: each leg is told of itself alone; and the watch for legs that have gone silent.

use std::collections::BTreeSet;

use super::{super::Slot, harness::*};
use crate::{
    call::Remote,
    codec::Codec::Pcmu,
    rtcp::{self, Block, MAX_OCTETS, Report, Sender},
};

const TALK: [(char, i16); 3] = [('A', 1000), ('B', 2000), ('S', 9000)];

fn listen_in() -> World {
    let mut world = World::new(&[('A', Pcmu), ('B', Pcmu), ('S', Pcmu)]);
    world.hear("A:B B:A S:AB");
    world
}

fn reports(world: &mut World, name: char) -> Vec<Vec<u8>> {
    world.wire.rtcp.remove(&world.phones[&name].slot).unwrap_or_default()
}

fn ssrc(octets: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(octets[at..at + 4].try_into().unwrap())
}

#[test]
fn rfc3550_7_1_no_report_names_anybody_but_the_two_ends_of_its_leg() {
    let mut world = listen_in();
    world.talk(60_000, &TALK);
    let mut names = BTreeSet::new();
    for name in ['A', 'B', 'S'] {
        let ours = world.got(name)[0].header.ssrc;
        let theirs = world.phones[&name].header.ssrc;
        let reports = reports(&mut world, name);
        assert!((9..=30).contains(&reports.len()), "{}", reports.len());
        for report in &reports {
            // SR of 52 octets with one block, SDES of 28 with one chunk and one item.
            assert_eq!((report.len(), report[0], report[1], report[52], report[53]), (80, 0x81, 200, 0x81, 202));
            assert_eq!((ssrc(report, 4), ssrc(report, 28), ssrc(report, 56)), (ours, theirs, ours));
            assert_eq!((report[60], report[61]), (1, 16));
            names.insert((name, report[62..78].to_vec()));
        }
    }
    assert_eq!(names.len(), 3, "each leg has one name");
    assert_eq!(names.iter().map(|it| &it.1).collect::<BTreeSet<_>>().len(), 3, "of its own");
}

#[test]
fn rfc3550_6_3_1_reports_are_five_seconds_apart_more_or_less() {
    let mut world = World::new(&[('A', Pcmu)]);
    let start = world.wire.now;
    let mut moments = vec![start.0];
    while moments.len() < 200 {
        world.pass(10_000);
        moments.extend(reports(&mut world, 'A').iter().map(|_| world.wire.now.0));
    }
    let gaps: Vec<u64> = moments.windows(2).map(|it| (it[1] - it[0]) / 1000).collect();
    assert!((1_000..=3_100).contains(&gaps[0]), "the first after half the time: {}", gaps[0]);
    assert!(gaps[1..].iter().all(|it| (2_040..=6_170).contains(it)), "{gaps:?}");
    let mean = gaps.iter().sum::<u64>() / gaps.len() as u64;
    assert!((3_800..4_400).contains(&mean), "{mean}");
}

#[test]
fn rfc3550_6_6_goodbye_is_told_to_the_leg_that_ends_and_to_no_other() {
    let mut world = listen_in();
    world.talk(200, &TALK);
    world.wire.rtcp.clear();
    let slot = world.phones[&'S'].slot;
    let now = world.wire.now;
    world.call.close(slot, now, &mut world.wire);
    let goodbye = &reports(&mut world, 'S')[0];
    assert_eq!(goodbye[goodbye.len() - 8..goodbye.len() - 4], [0x81, 203, 0, 1]);
    assert!(world.wire.rtcp.is_empty());
    world.talk(20_000, &TALK[..2]);
    for name in ['A', 'B'] {
        for report in reports(&mut world, name) {
            assert_eq!(report.len(), 80, "SR and SDES, nothing else");
        }
    }
    assert!(reports(&mut world, 'S').is_empty());
}

#[test]
fn what_the_peer_reports_is_read_if_it_comes_from_its_host() {
    let mut world = listen_in();
    world.talk(100, &TALK);
    let ours = world.got('A')[0].header.ssrc;
    let theirs = world.phones[&'A'].header.ssrc;
    let block = Block { ssrc: ours, fraction_lost: 1, lost: 7, highest: 1, jitter: 33, last_sr: 0, delay: 0 };
    let sender = Sender { ntp: 0x0000_AAAA_BBBB_0000, timestamp: 1, packets: 1, octets: 1 };
    let report = Report { ssrc: theirs, sender: Some(sender), block: Some(block), cname: [b'x'; 16], bye: true };
    let mut out = [0; MAX_OCTETS];
    let length = report.write(&mut out);
    let (slot, now) = (world.phones[&'A'].slot, world.wire.now);
    world.call.rtcp(slot, &out[..length], "10.9.9.9:5".parse().unwrap(), now);
    let counters = |world: &World| world.call.counters().next().unwrap().1;
    assert_eq!((counters(&world).lost_out, counters(&world).foreign), (0, 1));
    world.call.rtcp(slot, &out[..length], remote('A', Pcmu).rtcp, now);
    assert_eq!((counters(&world).lost_out, counters(&world).jitter_out), (7, 33));
    world.call.rtcp(slot, &out[..7], remote('A', Pcmu).rtcp, now);
    assert_eq!(counters(&world).unusable, 1);
    world.wire.rtcp.clear();
    // The peer's goodbye ends nothing: signalling does. Its report is answered by what we measured since.
    world.talk(7000, &TALK);
    let answer = &reports(&mut world, 'A')[0];
    assert_eq!(rtcp::parse(answer, theirs).unwrap().block.unwrap().last_sr, 0xAAAA_BBBB);
}

#[test]
fn rfc5761_a_report_on_the_rtp_port_is_a_report() {
    let mut world = listen_in();
    let mut report = [0x80, 201, 0, 1, 0, 0, 0, 9];
    let slot = world.phones[&'A'].slot;
    world.call.rtp(slot, &mut report, address('A'), world.wire.now, &mut world.wire);
    assert_eq!(world.call.counters().next().unwrap().1, crate::call::Counters::default());
}

#[test]
fn v_08_silence_is_told_once_every_thirty_seconds_and_reports_break_it() {
    let mut world = listen_in();
    world.talk(70_000, &TALK[..2]);
    assert_eq!(world.wire.silent.len(), 2);
    for (at, (leg, us)) in world.wire.silent.iter().enumerate() {
        assert_eq!((*leg, us / 1_000_000), ('S', 30 * (at as u64 + 1)));
    }
    world.wire.silent.clear();
    for _ in 0..10 {
        let (slot, now) = (world.phones[&'S'].slot, world.wire.now);
        world.call.rtcp(slot, &[0x80, 201, 0, 1, 0, 0, 0, 9], remote('S', Pcmu).rtcp, now);
        world.talk(10_000, &TALK[..2]);
    }
    assert_eq!(world.wire.silent, []);
    world.configure('S', Remote { sending: false, receiving: false, ..remote('S', Pcmu) });
    world.talk(100_000, &TALK[..2]);
    assert_eq!(world.wire.silent, [], "an inactive leg need not send");
}

#[test]
fn the_same_seed_and_events_give_the_same_packets() {
    let run = || {
        let mut world = listen_in();
        world.talk(12_000, &TALK);
        (world.wire.rtp, world.wire.rtcp)
    };
    let (first, second) = (run(), run());
    assert!(first == second && first.1.contains_key(&Slot(2)));
}
