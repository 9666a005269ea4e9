//! What reaches a phone when sources change, break, press keys, move, or are not who they say.

use std::{collections::BTreeMap, sync::Arc};

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

use super::harness::*;
use crate::{
    call::{Remote, Slot},
    codec::Codec::{Pcma, Pcmu},
    micros::Micros,
    music::Music,
    plan::Plan,
    rtp::Header,
};

fn listen_in() -> World {
    let mut world = World::new(&[('A', Pcmu), ('B', Pcmu), ('S', Pcma)]);
    world.hear("A:B B:A S:AB");
    world
}

#[test]
fn a_2_in_listen_in_the_parties_get_each_others_packets_and_nothing_of_the_supervisor() {
    let mut world = listen_in();
    world.talk(2000, &[('A', 1000), ('B', 2000), ('S', 20_000)]);
    for (party, level) in [('A', 2000), ('B', 1000)] {
        let got = world.got(party);
        assert_eq!(got.len(), 100);
        assert_unbroken(&got);
        let mut wanted = [0; 1];
        Pcmu.encode(&[level], &mut wanted);
        assert!(got.iter().all(|it| it.payload == [wanted[0]; 160] && it.header.payload_type == 0));
    }
    let got = world.got('S');
    assert_unbroken(&got);
    assert!(got.iter().all(|it| it.header.payload_type == 8));
}

#[test]
fn a_listener_who_joins_hears_both_at_once_and_the_parties_streams_do_not_change() {
    let mut world = World::new(&[('A', Pcmu), ('B', Pcmu), ('S', Pcmu)]);
    world.hear("A:B B:A");
    world.talk(400, &[('A', 1000), ('B', 2000)]);
    world.hear("A:B B:A S:AB");
    world.talk(400, &[('A', 1000), ('B', 2000)]);
    world.hear("A:B B:A");
    world.talk(400, &[('A', 1000), ('B', 2000)]);
    let heard = world.got('S');
    assert!((19..=21).contains(&heard.len()), "{}", heard.len());
    assert!(world.samples('S', &heard[0]).iter().all(|it| (2850..3150).contains(it)), "full from the first sample");
    for party in ['A', 'B'] {
        let got = world.got(party);
        assert_eq!(got.len(), 60);
        assert!(got.windows(2).all(|it| it[1].header.timestamp.wrapping_sub(it[0].header.timestamp) == 160));
        assert_eq!(got.iter().filter(|it| it.header.marker).count(), 1);
        assert_unbroken(&got);
    }
}

#[test]
fn e_06_who_hears_nobody_for_a_while_is_taken_up_by_the_clock_and_at_once() {
    let mut world = World::new(&[('A', Pcmu), ('B', Pcmu), ('S', Pcmu)]);
    // What is said in the pause is louder, so that what is heard after it shows from when it is.
    for (rows, ms, louder) in [("A:B S:AB", 400, 1), ("", 120, 3), ("A:B S:AB", 400, 3)] {
        world.hear(rows);
        world.talk(ms, &[('A', 1000 * louder), ('B', 2000 * louder)]);
    }
    for name in ['A', 'S'] {
        let got = world.got(name);
        assert_unbroken(&got);
        let pause = got.windows(2).find(|it| it[1].at.since(it[0].at) > 40_000).unwrap();
        let samples = u64::from(pause[1].header.timestamp.wrapping_sub(pause[0].header.timestamp));
        assert_eq!((samples * 125, pause[1].header.marker), (pause[1].at.since(pause[0].at), true), "{name}");
        let level = if name == 'A' { 5700..6300 } else { 8600..9400 };
        assert!(world.samples(name, &pause[1]).iter().all(|it| level.contains(it)), "{name}");
    }
}

#[test]
fn c_06_a_mix_runs_on_the_clock_even_if_nothing_comes() {
    let mut world = listen_in();
    world.pass(1_000_000);
    let got = world.got('S');
    assert_eq!(got.len(), 50);
    assert!(got.windows(2).all(|it| it[1].at.since(it[0].at) == 20_000));
    assert!(got.iter().all(|it| it.at.0 % 20_000 == 7_000 && it.payload == [Pcma.silence(); 160]));
    assert!(got[0].header.marker && got[1..].iter().all(|it| !it.header.marker));
}

#[test]
fn one_source_that_pauses_does_not_stop_the_others() {
    let mut world = listen_in();
    world.talk(200, &[('A', 1000), ('B', 2000)]);
    world.talk(100, &[('B', 2000)]);
    world.got('S');
    world.talk(200, &[('B', 2000)]);
    let got = world.got('S');
    assert!(got.iter().all(|it| world.samples('S', it).iter().all(|it| (1900..2100).contains(it))));
}

#[test]
fn a_stall_leaves_frames_out_instead_of_sending_a_burst() {
    let mut world = listen_in();
    world.pass(100_000);
    world.wire.now = world.wire.now + 500_000;
    world.call.handle_timeout(world.wire.now, &mut world.wire);
    world.pass(100_000);
    let got = world.got('S');
    assert!(got.len() <= 12, "{}", got.len());
    assert_unbroken(&got);
    let passed = got.last().unwrap().header.timestamp.wrapping_sub(got[0].header.timestamp);
    assert_eq!(u64::from(passed) * 125, got.last().unwrap().at.since(got[0].at) / 20_000 * 20_000);
}

#[test]
fn rfc3550_8_1_a_new_ssrc_restarts_the_source_and_leaves_what_we_send_unbroken() {
    let mut world = World::four();
    world.hear("B:A");
    world.talk(100, &[('A', 1000)]);
    let phone = world.phones.get_mut(&'A').unwrap();
    phone.header = Header { ssrc: 77, sequence: 9, timestamp: 123_456_789, ..phone.header };
    world.talk(100, &[('A', 1000)]);
    let got = world.got('B');
    assert_eq!(got.len(), 10);
    assert_unbroken(&got);
    assert!(got.windows(2).all(|it| it[1].header.timestamp.wrapping_sub(it[0].header.timestamp) == 160));
    assert_eq!(got.iter().filter(|it| it.header.marker).count(), 2, "the restart is marked");
}

#[test]
fn contributors_extensions_and_padding_are_not_passed_on() {
    let mut world = World::new(&[('A', Pcmu), ('B', Pcmu), ('C', Pcma)]);
    world.hear("B:A C:A");
    let mut datagram = world.phones[&'A'].header.octets().to_vec();
    datagram[0] = 0x80 | 0x20 | 0x10 | 1;
    datagram.extend([1, 2, 3, 4, 0xBE, 0xDE, 0, 1, 5, 5, 5, 5]);
    datagram.extend([0x80; 160]);
    datagram.extend([0, 0, 0, 4]);
    world.call.rtp(world.phones[&'A'].slot, &mut datagram, address('A'), world.wire.now, &mut world.wire);
    assert_eq!(world.got('B')[0].payload, [0x80; 160]);
    assert_eq!(world.got('C')[0].payload, [0xAA; 160], "the loudest octet of the other law");
}

#[test]
fn a_peer_that_changes_to_the_other_law_without_a_word_is_understood() {
    let mut world = World::four();
    world.hear("B:A");
    let header = Header { payload_type: 8, ..world.phones[&'A'].header };
    world.send('A', &header, &[0xAA; 160]);
    let got = world.got('B');
    assert_eq!((got[0].header.payload_type, &got[0].payload), (0, &vec![0x80; 160]));
}

#[test]
fn what_is_no_packet_of_the_leg_goes_nowhere_and_settles_nothing() {
    let mut world = World::four();
    world.hear("B:A");
    let header = world.phones[&'A'].header;
    let slot = world.phones[&'A'].slot;
    let forger = address('D');
    for (datagram, from) in [(vec![0x80; 5], forger), (vec![0; 172], forger)] {
        world.call.rtp(slot, &mut datagram.clone(), from, world.wire.now, &mut world.wire);
    }
    world.send('A', &Header { payload_type: 96, ..header }, &[0; 160]);
    world.send('A', &header, &[0; 801]);
    assert_eq!(world.got('B'), []);
    world.speak('A', 1000, 160);
    assert_eq!(world.got('B').len(), 1);
    world.send('A', &Header { sequence: header.sequence + 1, ..header }, &[]);
    world.send('A', &Header { sequence: header.sequence + 2, payload_type: 13, ..header }, &[40]);
    assert_eq!(world.got('B'), []);
    let counters = world.call.counters().find(|it| it.0 == 'A').unwrap().1;
    assert_eq!((counters.packets_in, counters.unusable, counters.foreign), (2, 5, 0));
}

#[test]
fn a_source_is_learned_once_and_again_only_when_its_description_changes() {
    let mut world = World::four();
    world.hear("A:B B:A");
    let translated = address('C');
    let from = |world: &mut World, from| {
        let header = world.phones.get_mut(&'A').map(|it| {
            it.header.sequence += 1;
            it.header.timestamp += 160;
            it.header
        });
        let mut datagram = [header.unwrap().octets().as_slice(), &[0x80; 160]].concat();
        world.call.rtp(world.phones[&'A'].slot, &mut datagram, from, world.wire.now, &mut world.wire);
        world.got('B').len()
    };
    let sent_to = |world: &mut World| {
        world.speak('B', 1, 160);
        world.got('A')[0].to
    };
    assert_eq!(sent_to(&mut world), address('A'), "where the description says");
    assert_eq!(from(&mut world, translated), 1);
    assert_eq!(sent_to(&mut world), translated, "where it comes from");
    assert_eq!(from(&mut world, address('A')), 0, "forged, even from the address described");
    assert_eq!(from(&mut world, address('D')), 0);
    assert_eq!(from(&mut world, translated), 1);

    world.configure('A', Remote { receiving: true, sending: true, ..remote('A', Pcma) });
    assert_eq!(sent_to(&mut world), translated, "the same address described: no gap");
    assert_eq!(from(&mut world, address('D')), 1, "learned anew");
    assert_eq!(from(&mut world, translated), 0);
    world.configure('A', Remote { rtp: address('B'), ..remote('A', Pcma) });
    assert_eq!(sent_to(&mut world), address('B'), "another address described");
}

#[test]
fn rfc4733_events_follow_the_sound_with_the_receivers_payload_type() {
    let mut world = World::new(&[('A', Pcmu), ('B', Pcmu), ('C', Pcmu), ('D', Pcmu), ('S', Pcmu)]);
    world.configure('B', Remote { telephone_event: Some(96), ..remote('B', Pcmu) });
    world.configure('C', Remote { telephone_event: None, ..remote('C', Pcmu) });
    world.hear("A:B B:A C:A S:AB");
    world.talk(100, &[('A', 1), ('S', 1)]);
    let _ = (world.got('B'), world.got('C'), world.got('S'));
    let key = |world: &mut World, name: char| {
        let phone = world.phones.get_mut(&name).unwrap();
        let timestamp = phone.header.timestamp;
        for packet in 0..3 {
            let header = Header { payload_type: EVENT, timestamp, marker: packet == 0, ..world.phones[&name].header };
            world.send(name, &header, &[5, 10, 0, packet]);
            world.phones.get_mut(&name).unwrap().header.sequence += 1;
        }
        world.phones.get_mut(&name).unwrap().header.timestamp += 480;
    };
    key(&mut world, 'A');
    key(&mut world, 'S');
    for (name, payload_type) in [('B', 96), ('S', EVENT)] {
        let got = world.got(name);
        assert_eq!(got.len(), 3, "{name}");
        assert_unbroken(&got);
        assert!(got.iter().all(|it| it.header.timestamp == got[0].header.timestamp));
        assert!(got.iter().all(|it| it.header.payload_type == payload_type && it.payload[..2] == [5, 10]));
        assert_eq!(got.iter().map(|it| it.header.marker).collect::<Vec<_>>(), [true, false, false]);
    }
    for name in ['A', 'C', 'D'] {
        assert_eq!(world.got(name), [], "{name}");
    }
}

#[test]
fn v_06_a_leg_on_hold_is_sent_nothing_and_what_it_sends_against_its_word_counts_for_nothing() {
    let mut world = World::four();
    world.hear("A:B B:A");
    world.talk(40, &[('A', 1), ('B', 1)]);
    let before = world.got('A');
    world.configure('A', Remote { sending: false, receiving: false, ..remote('A', Pcmu) });
    world.got('B');
    world.talk(1000, &[('A', 1), ('B', 1)]);
    assert_eq!((world.got('A'), world.got('B')), (vec![], vec![]));
    world.configure('A', remote('A', Pcmu));
    world.talk(40, &[('A', 1), ('B', 1)]);
    let whole = [before, world.got('A')].concat();
    assert_unbroken(&whole);
    assert_eq!(whole[2].header.timestamp.wrapping_sub(whole[1].header.timestamp), 52 * 160 - 160);
    assert!(whole[2].header.marker);
}

#[test]
fn an_address_that_is_none_is_never_sent_to() {
    let mut world = World::four();
    world.hear("A:B");
    world.configure('A', Remote { rtp: "0.0.0.0:4000".parse().unwrap(), ..remote('A', Pcmu) });
    world.speak('B', 1, 160);
    assert_eq!(world.got('A'), []);
}

#[test]
fn a_leg_that_takes_the_place_of_another_has_nothing_of_it() {
    let mut world = World::four();
    world.hear("B:AC");
    world.talk(100, &[('A', 1000)]);
    world.hear("B:A");
    world.talk(100, &[('A', 1000)]);
    let old = world.phones[&'A'].slot;
    let now = world.wire.now;
    world.call.close(old, now, &mut world.wire);
    assert_eq!(world.call.plans()[&'B'], Plan::Silent);
    world.wire.rtcp.clear();
    world.open('E', Pcmu);
    assert_eq!(world.phones[&'E'].slot, old);
    world.got('B');
    world.speak('E', 1000, 160);
    assert_eq!(world.got('B'), [], "no cell says that B hears E");
    world.hear("B:E");
    world.speak('E', 1000, 160);
    assert!(world.got('B')[0].header.marker);
}

#[test]
fn no_datagram_upsets_a_call() {
    let mut world = listen_in();
    let mut rng = ChaCha8Rng::from_seed([5; 32]);
    let mut datagram = [0; 1024];
    for step in 0..50_000_u32 {
        let [pick, kind, length, times] = rng.next_u32().to_le_bytes();
        let phone = &world.phones[&['A', 'B', 'S'][usize::from(pick) % 3]];
        let (slot, from, header) = (phone.slot, phone.address, phone.header);
        let length = usize::from(length) * usize::from(times % 5);
        rng.fill_bytes(&mut datagram[..length]);
        if kind % 4 > 0 && length > 12 {
            let (sequence, timestamp) = ((step / 2) as u16 + u16::from(times % 8), rng.next_u32());
            let payload_type = [0, 8, 13, EVENT][usize::from(kind / 4) % 4];
            let header = Header { marker: kind > 128, payload_type, sequence, timestamp, ..header };
            datagram[..12].copy_from_slice(&header.octets());
            datagram[0] |= if kind % 4 == 3 { pick & 0x3F } else { 0 };
        }
        match kind % 8 {
            0 => world.call.rtcp(slot, &datagram[..length], from, world.wire.now),
            _ => world.call.rtp(slot, &mut datagram[..length], from, world.wire.now, &mut world.wire),
        }
        world.pass(u64::from(times) * 10);
    }
    for name in ['A', 'B', 'S'] {
        let got = world.got(name);
        assert!(got.len() > 1000);
        let in_order = |it: &[Got]| it[1].header.sequence == it[0].header.sequence.wrapping_add(1);
        assert!(got.windows(2).all(in_order) && got.iter().all(|it| it.header.ssrc == got[0].header.ssrc));
    }
}

#[test]
fn orders_for_places_that_are_empty_do_nothing() {
    let mut world = World::four();
    let now = world.wire.now;
    world.call.close(Slot(99), now, &mut world.wire);
    world.call.configure(Slot(99), remote('A', Pcmu), now);
    world.call.rtp(Slot(99), &mut [0x80; 172], address('A'), now, &mut world.wire);
    world.call.rtcp(Slot(99), &[0x80; 8], address('A'), now);
    assert!(world.wire.rtp.is_empty() && world.wire.rtcp.is_empty() && !world.call.is_empty());
    assert!(world.call.poll_timeout() > Some(Micros(0)));
}

#[test]
fn music_runs_on_the_clock_and_goes_over_into_the_call_unbroken() {
    let mut world = World::new(&[('A', Pcmu), ('B', Pcma)]);
    let music = Arc::new(Music::melody());
    world.call.play([('A', Arc::clone(&music))].into(), world.wire.now);
    world.pass(1_000_000);
    world.call.play([('A', music)].into(), world.wire.now);
    world.pass(1_000_000);
    world.call.play(BTreeMap::new(), world.wire.now);
    world.hear("A:B B:A");
    world.talk(200, &[('A', 1000), ('B', 2000)]);
    let got = world.got('A');
    assert_unbroken(&got);
    let (played, said) = got.split_at(100);
    assert!(played.windows(2).all(|it| it[1].at.since(it[0].at) == 20_000), "by the clock");
    assert_eq!(got.iter().filter(|it| it.header.marker).count(), 2, "the music and the talk begin");
    let heard_by_b = world.got('B');
    let level = |name: char, it: &Got| world.samples(name, it).iter().map(|it| it.unsigned_abs()).max().unwrap();
    assert!(played.iter().all(|it| (50..8_000).contains(&level('A', it))));
    assert!(said.iter().all(|it| (1_900..2_100).contains(&level('A', it))));
    assert!(heard_by_b.iter().all(|it| (900..1_100).contains(&level('B', it))), "music is for those who wait");
}

#[test]
fn whoever_holds_is_played_no_music() {
    let mut world = World::new(&[('A', Pcmu)]);
    world.call.play([('A', Arc::new(Music::melody()))].into(), world.wire.now);
    let slot = world.phones[&'A'].slot;
    world.call.configure(slot, Remote { sending: false, ..remote('A', Pcmu) }, world.wire.now);
    world.pass(200_000);
    assert!(world.got('A').is_empty());
    world.call.configure(slot, remote('A', Pcmu), world.wire.now);
    world.pass(200_000);
    assert_eq!(world.got('A').len(), 10);
}
