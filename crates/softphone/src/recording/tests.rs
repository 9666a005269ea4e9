//! Packets laid out as sound.

use super::*;

fn at(ms: u64) -> Time {
    Time::from_unix_ms(1_000_000 + ms)
}

/// Packets of two samples with this loud octet each.
fn packet(ssrc: u32, sequence: u16, timestamp: u32) -> Packet<'static> {
    Packet { payload_type: 0, marker: false, sequence, timestamp, ssrc, csrcs: 0, payload: &[0x80, 0x80] }
}

fn loud(recorder: &Recorder) -> Vec<usize> {
    let samples = recorder.recording().samples;
    samples.iter().enumerate().filter(|(_, it)| **it != 0).map(|(at, _)| at).collect()
}

#[test]
fn packets_lie_where_their_time_stamps_say() {
    let mut it = Recorder::new(Duration::from_secs(1));
    it.hear(&packet(1, 65535, u32::MAX - 1), Codec::Pcmu, at(0));
    it.hear(&packet(1, 1, 2), Codec::Pcmu, at(90));
    it.hear(&packet(1, 0, 0), Codec::Pcmu, at(91));
    it.hear(&packet(1, 2, 8), Codec::Pcmu, at(92));
    assert_eq!(loud(&it), [0, 1, 2, 3, 4, 5, 10, 11]);
    let received = it.recording().received;
    assert_eq!((received.packets, received.sources, received.sequence_breaks), (4, 1, 3));
}

#[test]
fn a_new_source_lies_where_its_arrival_puts_it() {
    let mut it = Recorder::new(Duration::from_secs(1));
    it.hear(&packet(1, 7, 100), Codec::Pcmu, at(0));
    it.hear(&packet(2, 900, 5), Codec::Pcmu, at(2));
    it.hear(&packet(2, 901, 7), Codec::Pcmu, at(3));
    assert_eq!(loud(&it), [0, 1, 16, 17, 18, 19]);
    let received = it.recording().received;
    assert_eq!((received.sources, received.sequence_breaks, received.timestamp_breaks), (2, 0, 0));
}

#[test]
fn neither_length_nor_wild_time_stamps_break_the_bound() {
    let mut it = Recorder::new(Duration::from_millis(1));
    for step in 0..100 {
        it.hear(&packet(1, step, u32::from(step) * 2), Codec::Pcmu, at(0));
    }
    assert_eq!(it.recording().samples.len(), 8);
    it.hear(&packet(1, 100, 0x7fff_ffff), Codec::Pcmu, at(0));
    it.hear(&packet(1, 101, 0x8000_0000), Codec::Pcmu, at(0));
    assert_eq!(it.recording().samples.len(), 8);
    let mut it = Recorder::new(Duration::from_secs(3600));
    it.hear(&packet(1, 0, 0), Codec::Pcmu, at(0));
    it.hear(&packet(1, 1, 0x7fff_0000), Codec::Pcmu, at(1));
    assert!(it.recording().samples.len() < 100, "a jump is a new beginning");
}

#[test]
fn a_wav_file_has_44_octets_before_its_samples() {
    let wav = Recording::of_samples(vec![1, -2]).to_wav();
    assert_eq!(wav.len(), 48);
    assert_eq!(&wav[..12], b"RIFF\x28\0\0\0WAVE");
    assert_eq!(&wav[24..36], &[0x40, 0x1f, 0, 0, 0x80, 0x3e, 0, 0, 2, 0, 16, 0]);
    assert_eq!(&wav[40..], &[4, 0, 0, 0, 1, 0, 0xfe, 0xff]);
}
