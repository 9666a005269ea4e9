//! Voices, heard with the ear that tests use.

use super::*;
use crate::recording::Recording;

fn said(sound: Sound, seconds: usize) -> Recording {
    let mut samples = vec![0; seconds * RATE as usize];
    // In packets, as a phone takes them.
    let mut voice = Voice::new(sound);
    samples.chunks_mut(160).for_each(|it| voice.speak(it));
    Recording::of_samples(samples)
}

#[test]
fn a_tone_is_heard_and_nothing_else() {
    let it = said(Sound::Tone { hz: 1000 }, 3);
    assert!(it.tone(1000).heard);
    assert!((it.tone(1000).level_dbfs + 14.0).abs() < 0.5, "{:?}", it.tone(1000));
    for hz in [200, 440, 500, 990, 1010, 2000, 3000] {
        assert!(!it.tone(hz).heard, "{hz}: {:?}", it.tone(hz));
    }
}

#[test]
fn each_voice_is_known_by_its_note_in_every_half_second() {
    for hz in [440, 1000, 1700] {
        let it = said(Sound::Speech { hz }, 30);
        assert_eq!(it.tone(hz).share, 1.0, "{hz}");
        for half in it.half_seconds() {
            assert!((half.dominant_hz.unwrap_or(0.0) - f64::from(hz)).abs() < 3.0, "{hz}: {half:?}");
        }
        for other in [440, 1000, 1700].into_iter().filter(|it| *it != hz) {
            assert!(!it.tone(other).heard, "{other} in {hz}: {:?}", it.tone(other));
        }
    }
}

#[test]
fn three_voices_together_are_still_told_apart() {
    let voices = [440, 1000, 1700].map(|hz| said(Sound::Speech { hz }, 10));
    let mixed = voices[0].samples.iter().zip(&voices[1].samples).map(|(a, b)| a + b).collect();
    let mixed = Recording::of_samples(mixed);
    assert_eq!((mixed.tone(440).share, mixed.tone(1000).share), (1.0, 1.0));
    assert!(!mixed.tone(1700).heard);
}

#[test]
fn silence_is_silent() {
    let it = said(Sound::Silence, 1);
    assert!(it.samples.iter().all(|it| *it == 0));
    assert_eq!(it.dominant_hz(), None);
}
