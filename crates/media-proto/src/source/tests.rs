//! Streams that break off, jump, double and come in the wrong order.

use super::*;

const LAW: Codec = Codec::Pcmu;

/// A source and the moment; each step is 20 ms unless said otherwise.
struct Rig {
    source: Source,
    now: Micros,
}

impl Rig {
    fn new() -> Self {
        Self { source: Source::new(1, LAW), now: Micros::from_ms(1000) }
    }

    fn after(&mut self, ms: u64) -> &mut Self {
        self.now = self.now + ms * 1000;
        self
    }

    /// A packet of 20 ms.
    fn packet(&mut self, ssrc: u32, sequence: u16, timestamp: u32) -> Option<Arrival> {
        let header = Header { marker: false, payload_type: 0, sequence, timestamp, ssrc };
        self.source.sound(&header, LAW, &[0x80; 160], self.now)
    }
}

fn placed(position: i64) -> Option<Arrival> {
    Some(Arrival { position, late: false, restarted: false })
}

fn restarted(position: i64) -> Option<Arrival> {
    Some(Arrival { position, late: false, restarted: true })
}

#[test]
fn positions_follow_the_time_stamps_through_gaps_and_wraps() {
    let mut rig = Rig::new();
    assert_eq!(rig.packet(1, 65_535, u32::MAX - 159), restarted(0));
    assert_eq!(rig.after(20).packet(1, 0, 0), placed(160));
    assert_eq!(rig.after(60).packet(1, 3, 480), placed(640), "two packets lost");
    assert_eq!(rig.after(1000).packet(1, 4, 8480), placed(8640), "a pause in which the time stamps went on");
    assert_eq!(rig.after(1000).packet(1, 5, 8640), placed(8800), "a pause in which they did not");
}

#[test]
fn rfc3550_a_1_doubled_late_and_far_packets() {
    let mut rig = Rig::new();
    rig.packet(1, 100, 0);
    rig.after(20).packet(1, 102, 320);
    assert_eq!(rig.packet(1, 102, 320), None, "again");
    assert_eq!(rig.packet(1, 101, 160), Some(Arrival { position: 160, late: true, restarted: false }));
    assert_eq!(rig.packet(1, 101, 160), None, "late and again");
    assert_eq!(rig.after(20).packet(1, 40_000, 480), None, "a jump must be proved");
    assert_eq!(rig.after(20).packet(1, 103, 480), placed(480), "and was not");
    assert_eq!(rig.after(20).packet(1, 40_000, 640), None);
    assert_eq!(rig.after(20).packet(1, 40_001, 800), restarted(640 + 160), "by the clock, not by the time stamp");
}

#[test]
fn a_new_ssrc_goes_on_where_the_clock_stands() {
    let mut rig = Rig::new();
    rig.packet(1, 100, 77_777);
    assert_eq!(rig.after(20).packet(2, 5, 1), restarted(160));
    assert_eq!(rig.after(20).packet(2, 6, 161), placed(320));
    assert_eq!(rig.after(1000).packet(3, 9, 5), restarted(8320));
    assert_eq!(rig.packet(3, 10, 165), placed(8480));
}

#[test]
fn a_jump_of_the_time_stamp_is_no_jump_of_the_position() {
    let mut rig = Rig::new();
    rig.packet(1, 1, 1_000_000);
    assert_eq!(rig.after(20).packet(1, 2, 9_000_000), restarted(160));
    assert_eq!(rig.after(20).packet(1, 3, 9_000_160), placed(320));
    assert_eq!(rig.after(20).packet(1, 4, 500), restarted(480));
    assert_eq!(rig.after(20).packet(1, 5, 660), placed(640));
}

#[test]
fn rfc4733_2_2_1_2_packets_of_an_event_stay_where_it_began() {
    let mut rig = Rig::new();
    rig.packet(1, 1, 1000);
    let event = |rig: &mut Rig, sequence| {
        rig.after(20);
        let header = Header { marker: false, payload_type: 101, sequence, timestamp: 1160, ssrc: 1 };
        rig.source.other(&header, &[1, 10, 0, 160], rig.now)
    };
    (2..200).for_each(|sequence| assert_eq!(event(&mut rig, sequence), placed(160)));
    assert_eq!(rig.packet(1, 200, 1160 + 198 * 160), placed(199 * 160), "sound goes on after it");
    assert_eq!(rig.source.totals(), (200, 2 * 160 + 198 * 4));
}

#[test]
fn rfc3550_a_3_losses_are_counted_since_the_last_report_and_in_all() {
    let mut rig = Rig::new();
    for sequence in 65_530..=65_535 {
        rig.packet(7, sequence, u32::from(sequence) * 160);
    }
    let block = rig.source.report(rig.now).unwrap();
    assert_eq!((block.ssrc, block.highest, block.lost, block.fraction_lost), (7, 65_535, 0, 0));
    rig.source.sender_report(7, 0xAABB_CCDD, rig.now);
    // Of ten, five come.
    for sequence in (0..10_u16).step_by(2) {
        rig.packet(7, sequence, 65_536 * 160 + u32::from(sequence) * 160);
    }
    rig.after(500);
    let block = rig.source.report(rig.now).unwrap();
    assert_eq!((block.highest, block.lost, block.fraction_lost), (65_536 + 8, 4, 113));
    assert_eq!((block.last_sr, block.delay), (0xAABB_CCDD, 32_768));
    assert_eq!(rig.source.report(rig.now).unwrap().fraction_lost, 0);
    assert_eq!(rig.source.lost(), 4);
}

#[test]
fn rfc3550_a_8_jitter_is_that_of_the_spacing() {
    let mut rig = Rig::new();
    for number in 0..200_u16 {
        rig.after(if number % 2 == 0 { 15 } else { 25 }).packet(1, number, u32::from(number) * 160);
    }
    assert!((36..=44).contains(&rig.source.jitter()), "5 ms are 40 samples: {}", rig.source.jitter());
    let mut rig = Rig::new();
    for number in 0..200_u16 {
        rig.after(20).packet(1, number, u32::from(number) * 160);
    }
    assert_eq!(rig.source.jitter(), 0);
}

/// The samples from `position` on, as octets of the law.
fn octets(history: &History, position: i64, count: usize) -> Vec<u8> {
    let (mut samples, mut octets) = (vec![0; count], vec![0; count]);
    history.read(position, &mut samples);
    LAW.encode(&samples, &mut octets);
    octets
}

#[test]
fn history_keeps_the_last_quarter_second_and_silence_where_nothing_came() {
    let mut history = History::new(LAW);
    let silence = LAW.silence();
    for round in 0..100 {
        history.write(round * 160, LAW, &[round as u8; 160], Micros(0));
    }
    assert_eq!(history.end(), 16_000);
    assert_eq!(octets(&history, 15_839, 162), [vec![98], vec![99; 160], vec![silence]].concat());
    assert_eq!(octets(&history, 16_000 - 2049, 2), [silence, 87], "what is older is gone");
    history.write(16_160, LAW, &[1; 160], Micros(0));
    assert_eq!(octets(&history, 15_999, 162), [vec![99], vec![silence; 160], vec![1]].concat(), "a hole");
    history.write(16_000, LAW, &[2; 160], Micros(0));
    assert_eq!(octets(&history, 15_999, 162), [vec![99], vec![2; 160], vec![1]].concat(), "filled late");
    history.write(16_320 - 2048 - 100, LAW, &[3; 160], Micros(0));
    assert_eq!(octets(&history, 16_320 - 2048, 61), [vec![3; 60], vec![89]].concat(), "half of it too late");
    history.write(0, LAW, &[4; 160], Micros(0));
    assert_eq!(octets(&history, 16_319, 1), [1], "all of it too late");
    history.write(1_000_000, LAW, &[5; 160], Micros(0));
    assert_eq!(octets(&history, 999_000, 1001), [vec![silence; 1000], vec![5]].concat(), "after a long pause");
    assert_eq!(octets(&history, i64::from(i32::MIN), 9), [silence; 9]);
}

#[test]
fn history_changes_its_law_without_changing_its_sound() {
    let mut source = Source::new(1, Codec::Pcmu);
    let mut octets = [0; 160];
    Codec::Pcma.encode(&[1000; 160], &mut octets);
    let header = Header { marker: false, payload_type: 8, sequence: 1, timestamp: 0, ssrc: 1 };
    source.sound(&header, Codec::Pcma, &octets, Micros(0));
    for law in [Codec::Pcmu, Codec::Pcma] {
        source.speak(law);
        let mut samples = [0; 160];
        source.history().read(0, &mut samples);
        assert!(samples.iter().all(|it| (950..1050).contains(it)), "{law:?}: {}", samples[0]);
    }
}
