//! The ear itself, on sounds that are known.

use super::*;

fn sine(hz: f64, amplitude: f64) -> Vec<i16> {
    (0..RATE).map(|at| (amplitude * (TAU * hz * f64::from(at) / f64::from(RATE)).sin()) as i16).collect()
}

#[test]
fn a_sine_has_its_level_and_its_frequency() {
    for hz in [300.0, 440.0, 999.3, 1700.5, 3300.0] {
        let halves = half_seconds(&sine(hz, 3276.7));
        assert_eq!(halves.len(), 2);
        for it in &halves {
            assert!((it.level_dbfs + 20.0).abs() < 0.1, "{it:?}");
            assert!((it.level_at(hz.round() as u32) + 20.0).abs() < 1.5, "{hz}: {}", it.level_at(hz.round() as u32));
            assert!((it.dominant_hz.expect("a tone") - hz).abs() <= BIN_HZ, "{hz}: {:?}", it.dominant_hz);
        }
    }
}

#[test]
fn a_tone_below_50_dbfs_is_not_heard() {
    assert!(tone(&half_seconds(&sine(440.0, 150.0)), 440).heard);
    assert!(!tone(&half_seconds(&sine(440.0, 80.0)), 440).heard);
}

#[test]
fn noise_has_no_tone() {
    let mut chance = 1_u32;
    let noise: Vec<_> = (0..RATE)
        .map(|_| {
            chance = chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((chance >> 16) as u16).cast_signed() / 2
        })
        .collect();
    for it in half_seconds(&noise) {
        assert_eq!(it.dominant_hz, None, "{}", it.floor_dbfs);
    }
}

#[test]
fn silence_has_a_level_too() {
    let halves = half_seconds(&[0; 4000]);
    assert_eq!((halves[0].level_dbfs, halves[0].dominant_hz), (SILENCE_DBFS, None));
    assert_eq!(tone(&[], 440), Tone { heard: false, share: 0.0, level_dbfs: SILENCE_DBFS });
}
