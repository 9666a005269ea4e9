//! One stream fed by turns from everything.

use super::*;

/// Does what the script says and checks the header of each packet sent.
///
/// A line is `ms | what | marker? sequence time stamp`, the last two counted from the stream's first packet. What:
/// `A 320` relays a packet of source A at that position, `A! 320` one with its marker set, `key A 320` a packet of an
/// event, `mix` a frame, `mix+3` a frame after three left out, `pause` ends the feed. `-` says that nothing is sent.
fn check(script: &str) {
    const FIRST: (u16, u32) = (65_534, u32::MAX - 200);
    let mut out = Outgoing::new(9, FIRST.0, FIRST.1);
    for line in script.lines().filter(|it| !it.trim().is_empty()) {
        let mut parts = line.split('|').map(str::trim);
        let (ms, what, wanted) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
        let header = act(&mut out, what, Micros::from_ms(ms.parse().unwrap()));
        let shown = header.map_or("-".into(), |it| {
            assert_eq!(it.ssrc, 9);
            let marker = if it.marker { "M " } else { "" };
            format!("{marker}{} {}", it.sequence.wrapping_sub(FIRST.0), it.timestamp.wrapping_sub(FIRST.1))
        });
        assert_eq!(shown, wanted, "in {line:?}");
    }
}

fn act(out: &mut Outgoing, what: &str, now: Micros) -> Option<Header> {
    let words: Vec<&str> = what.split(' ').collect();
    let relayed = |marker, payload_type, octets| Relayed { marker, payload_type, octets };
    let id = |name: &str| u64::from(name.as_bytes()[0]);
    match *words {
        ["pause"] => {
            out.pause();
            None
        }
        ["mix"] => Some(out.mix(0, 0, now)),
        ["mix+3"] => Some(out.mix(3, 0, now)),
        ["key", name, position] => out.event(id(name), position.parse().unwrap(), relayed(false, 101, 4), now),
        [name, position] => {
            let marker = name.ends_with('!');
            out.relay(id(name), position.parse().unwrap(), relayed(marker, 0, 160), now)
        }
        _ => panic!("{what}"),
    }
}

#[test]
fn whatever_feeds_it_the_stream_goes_on() {
    check(
        "1000 | A 50000 | M 0 0
         1020 | A 50160 | 1 160
         1040 | A 50320 | 2 320
         1050 | B 7     | M 3 480
         1070 | B 167   | 4 640
         1100 | mix     | M 5 880
         1120 | mix     | 6 1040
         1140 | mix     | 7 1200
         1150 | pause   | -
         2140 | A 60000 | M 8 9200
         2160 | A 60160 | 9 9360",
    );
}

#[test]
fn pauses_and_marks_of_a_relayed_source_are_kept() {
    check(
        "1000 | A 0     | M 0 0
         1020 | A 160   | 1 160
         3020 | A! 16160 | M 2 16160
         3045 | A 16320 | 3 16320",
    );
}

#[test]
fn a_packet_that_comes_after_a_later_one_is_left_out() {
    check(
        "1000 | A 0   | M 0 0
         1020 | A 320 | 1 320
         1021 | A 160 | -
         1040 | A 480 | 2 480",
    );
}

#[test]
fn rfc4733_2_2_1_2_an_event_keeps_its_time_stamp_in_a_relay() {
    check(
        "1000 | A 0       | M 0 0
         1020 | key A 160 | 1 160
         1040 | key A 160 | 2 160
         1060 | key A 160 | 3 160
         1080 | A 640     | 4 640",
    );
}

#[test]
fn rfc4733_2_2_1_2_an_event_keeps_its_time_stamp_in_a_mix_and_keys_do_not_mingle() {
    check(
        "1000 | mix       | M 0 0
         1010 | key A 160 | 1 80
         1020 | mix       | 2 160
         1030 | key A 160 | 3 80
         1035 | key B 999 | -
         1040 | mix       | 4 320
         1140 | key B 999 | 5 480
         1141 | key B 999 | 6 480",
    );
}

#[test]
fn an_event_may_be_the_first_that_is_sent() {
    check(
        "1000 | key A 500 | M 0 0
         1020 | key A 500 | 1 0
         1040 | A 820     | 2 320",
    );
}

#[test]
fn a_stalled_mix_leaves_frames_out_of_its_time_too() {
    check(
        "1000 | mix   | M 0 0
         1080 | mix+3 | 1 640
         1100 | mix   | 2 800",
    );
}

#[test]
fn rfc3550_6_4_1_the_report_has_the_time_stamp_of_its_own_moment() {
    let mut out = Outgoing::new(9, 0, 1000);
    assert_eq!(out.report(Micros::from_ms(1)), None);
    out.mix(0, 0, Micros::from_ms(1000));
    let report = out.report(Micros::from_ms(1500)).unwrap();
    assert_eq!((report.timestamp, report.packets, report.octets), (5000, 1, 160));
    assert_eq!(report.ntp >> 32, 2_208_988_801);
    assert_eq!(report.ntp & 0xFFFF_FFFF, 1 << 31);
}
