//! One source and the clock of a mix: how long sound waits, and where gaps come from.

use super::*;
use crate::{codec::Codec, rtp::Header, source::Source};

/// A phone that sends packets of `ptime_ms` from `T0 + offset_us` on, and a mix that runs from `T0` on every 20 ms.
struct Rig {
    source: Source,
    playout: Playout,
    ptime_ms: u64,
    offset_us: u64,
    /// How much faster than ours the phone's clock runs, in millionths.
    drift_ppm: i64,
    sent: u64,
    ticks: u64,
    chance: u32,
}

/// A second and more after zero, so that offsets may be negative.
const T0: u64 = 5_000_000;

/// What the listener got over some time.
#[derive(Debug)]
struct Outcome {
    /// Samples of silence.
    silence: usize,
    /// How long the last sound waited, in microseconds: from when it came to when it was played.
    delay_us: i64,
}

impl Rig {
    fn new(ptime_ms: u64, offset_us: u64) -> Self {
        let source = Source::new(1, Codec::Pcmu);
        Self { source, playout: Playout::new(), ptime_ms, offset_us, drift_ppm: 0, sent: 0, ticks: 0, chance: 1 }
    }

    /// When the phone's packet of this number is sent.
    fn sent_at(&self, number: u64) -> u64 {
        let since = number * self.ptime_ms * 1000;
        T0 + self.offset_us + since.saturating_add_signed(-(since as i64) * self.drift_ppm / 1_000_000)
    }

    /// Lets `ms` pass. `network` says of each packet how much later than sent it comes, or that it never does.
    fn run(&mut self, ms: u64, mut network: impl FnMut(u64, u32) -> Option<u64>) -> Outcome {
        let (mut silence, mut frame) = (0, [0; FRAME]);
        let end = self.ticks + ms / 20;
        let mut flying: Vec<(u64, u64)> = Vec::new();
        while self.ticks < end {
            let tick = T0 + self.ticks * FRAME_US;
            while self.sent_at(self.sent) <= tick {
                self.chance = self.chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let later = network(self.sent, self.chance >> 8);
                flying.extend(later.map(|it| (self.sent_at(self.sent) + it, self.sent)));
                self.sent += 1;
            }
            flying.sort_unstable();
            let there = flying.partition_point(|(at, _)| *at <= tick);
            for (at, number) in flying.drain(..there) {
                self.arrive(number, Micros(at));
            }
            self.playout.take(self.source.history(), Micros(tick), &mut frame);
            silence += frame.iter().filter(|it| **it == 0).count();
            self.ticks += 1;
        }
        Outcome { silence, delay_us: self.delay_us() }
    }

    fn arrive(&mut self, number: u64, at: Micros) {
        let samples = self.ptime_ms as usize * 8;
        let (sequence, timestamp) = (number as u16, (number as usize * samples) as u32);
        let header = Header { marker: false, payload_type: 0, sequence, timestamp, ssrc: 9 };
        let end_before = self.source.history().end();
        if let Some(arrival) = self.source.sound(&header, Codec::Pcmu, &vec![0x90; samples], at) {
            self.playout.arrived(arrival.position, end_before);
        }
    }

    fn delay_us(&self) -> i64 {
        let State::Running { cursor, .. } = self.playout.state else { return -1 };
        let played = T0 + self.ticks * FRAME_US;
        played as i64 - (T0 + self.offset_us) as i64 - cursor * MICROS_A_SAMPLE as i64
    }
}

fn clean(_: u64, _: u32) -> Option<u64> {
    Some(0)
}

#[test]
fn on_a_clean_network_sound_waits_for_twenty_milliseconds_at_most_in_the_middle_and_never_breaks() {
    let outcomes = |ms: u64| {
        let mut delays: Vec<i64> = (0..20)
            .map(|phase| {
                let mut rig = Rig::new(20, phase * 1000 + 500);
                rig.run(60, clean);
                let outcome = rig.run(ms, clean);
                assert_eq!(outcome.silence, 0, "phase {phase} ms");
                outcome.delay_us
            })
            .collect();
        delays.sort_unstable();
        delays
    };
    let early = outcomes(200);
    assert!(early[10] <= 20_000 && early[19] <= 30_000 && early[0] >= 8_000, "{early:?}");
    let settled = outcomes(20_000);
    assert!(settled[10] <= 16_000 && settled[19] <= 25_000 && settled[0] >= 5_000, "{settled:?}");
}

#[test]
fn packets_of_any_length_play_without_a_gap() {
    for ptime_ms in [10, 20, 30, 40, 60] {
        for phase in 0..20 {
            let mut rig = Rig::new(ptime_ms, phase * 1000);
            rig.run(200, clean);
            let outcome = rig.run(10_000, clean);
            assert_eq!(outcome.silence, 0, "{ptime_ms} ms, phase {phase}");
            let most = 30_000 + (ptime_ms as i64 - 20).max(0) * 1000;
            assert!(outcome.delay_us <= most, "{ptime_ms} ms, phase {phase}: {}", outcome.delay_us);
        }
    }
}

#[test]
fn a_mix_that_starts_later_starts_full() {
    for phase in 0..20 {
        let mut rig = Rig::new(20, phase * 1000);
        rig.run(1000, clean);
        rig.playout.stop();
        let outcome = rig.run(20, clean);
        assert_eq!(outcome.silence, 0, "phase {phase}");
        assert!(outcome.delay_us <= 30_000);
    }
}

#[test]
fn frames_that_the_mix_leaves_out_are_left_out_here_too() {
    let mut rig = Rig::new(20, 4_000);
    rig.run(1000, clean);
    let before = rig.delay_us();
    rig.playout.skip(3);
    rig.ticks += 3;
    assert_eq!(rig.delay_us(), before);
    let after = rig.run(1000, clean);
    assert_eq!((after.silence, after.delay_us), (0, before));
}

#[test]
fn lost_packets_are_silence_of_their_own_length_and_nothing_moves() {
    let mut rig = Rig::new(20, 4_000);
    rig.run(5_000, clean);
    let before = rig.delay_us();
    let outcome = rig.run(1000, |number, _| (number % 10 != 0).then_some(0));
    assert_eq!(outcome.silence, 5 * FRAME);
    assert_eq!(outcome.delay_us, before);
}

#[test]
fn doubled_and_reordered_packets_are_played_once_and_in_order() {
    let mut rig = Rig::new(20, 4_000);
    rig.run(1000, clean);
    let before = rig.delay_us();
    for _ in 0..20 {
        // The second of two packets comes first, both just before the tick that wants the first, then both again.
        let (first, at) = (rig.sent, Micros(T0 + rig.ticks * FRAME_US));
        for number in [first + 1, first, first, first + 1] {
            rig.arrive(number, at);
        }
        rig.sent += 2;
        let outcome = rig.run(40, clean);
        assert_eq!(outcome.silence, 0);
    }
    assert!((rig.delay_us() - before).abs() <= 20_000, "{} and then {}", before, rig.delay_us());
}

#[test]
fn on_a_network_with_jitter_the_guard_grows_until_gaps_are_rare_and_shrinks_again() {
    let mut rig = Rig::new(20, 4_000);
    let jitter = |_: u64, chance: u32| Some(u64::from(chance % 30_000));
    rig.run(10_000, jitter);
    let rough = rig.run(60_000, jitter);
    assert!(rough.silence < 60_000 * 8 / 100, "{rough:?}");
    assert!((20_000..80_000).contains(&rough.delay_us), "{rough:?}");
    rig.run(60_000, clean);
    assert!(rig.delay_us() < 30_000, "{}", rig.delay_us());
}

#[test]
fn a_stall_is_one_gap_and_the_delay_comes_down_again() {
    let mut rig = Rig::new(20, 4_000);
    rig.run(2_000, clean);
    let first = rig.sent;
    // Four packets come with the fifth.
    let stalled = rig.run(1000, |number, _| Some((4 - (number - first).min(4)) * 20_000));
    assert!(stalled.silence <= 100 * 8, "{stalled:?}");
    rig.run(30_000, clean);
    let after = rig.run(10_000, clean);
    assert!(after.silence == 0 && after.delay_us < 30_000, "{after:?}");
}

#[test]
fn rfc3389_after_a_pause_sound_waits_no_longer_than_before() {
    let mut rig = Rig::new(20, 4_000);
    rig.run(2_000, clean);
    let first = rig.sent;
    let paused = rig.run(3_000, |number, _| (number - first >= 100).then_some(0));
    assert!((2_000 * 8..2_100 * 8).contains(&paused.silence), "{paused:?}");
    assert!(paused.delay_us < 30_000, "{paused:?}");
}

#[test]
fn clocks_that_differ_by_200_ppm_neither_pile_up_nor_break_the_sound() {
    for drift_ppm in [-200, 200] {
        let mut rig = Rig::new(20, 9_000);
        rig.drift_ppm = drift_ppm;
        rig.run(1000, clean);
        for _ in 0..30 {
            let minute = rig.run(20_000, clean);
            assert_eq!(minute.silence, 0, "{drift_ppm} ppm");
            // The phone's clock as it ran, so that the delay is that of the last packet's sound.
            let apart = rig.sent_at(rig.sent) as i64 - (T0 + rig.offset_us + rig.sent * 20_000) as i64;
            let delay = minute.delay_us - apart;
            assert!((0..45_000).contains(&delay), "{drift_ppm} ppm: {delay}");
        }
    }
}
