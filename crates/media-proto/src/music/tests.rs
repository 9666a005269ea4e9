//! Music: files that can be played and files that cannot, and rounds without a seam.

use super::*;

fn wav(tag: u16, channels: u16, rate: u32, bits: u16, data: &[u8]) -> Vec<u8> {
    let mut file = b"RIFF\0\0\0\0WAVELIST\x03\0\0\0odd\0fmt \x10\0\0\0".to_vec();
    file.extend([tag.to_le_bytes(), channels.to_le_bytes()].concat());
    file.extend(rate.to_le_bytes());
    file.extend([0; 6]);
    file.extend(bits.to_le_bytes());
    file.extend(b"data");
    file.extend((data.len() as u32).to_le_bytes());
    file.extend(data);
    file
}

#[test]
fn a_file_is_played_as_it_is_and_from_its_beginning_again() {
    let samples: Vec<u8> = (0..8_010_i16).flat_map(i16::to_le_bytes).collect();
    let music = Arc::new(Music::from_wav(&wav(1, 1, 8000, 16, &samples)).unwrap());
    let mut playing = Playing::new(&music);
    let first: Vec<i16> = (0..51).flat_map(|_| playing.frame(0)).collect();
    assert!(first.iter().enumerate().all(|(at, it)| *it == (at % 8_010) as i16));
    let mut skipping = Playing::new(&music);
    skipping.frame(0);
    assert_eq!(skipping.frame(2)[0], 480);
}

#[test]
fn both_laws_are_read() {
    for (tag, codec) in [(6, Codec::Pcma), (7, Codec::Pcmu)] {
        let music = Music::from_wav(&wav(tag, 1, 8000, 8, &[0x12; 8_000])).unwrap();
        let mut wanted = [0];
        codec.decode(&[0x12], &mut wanted);
        assert_eq!(music.samples[7_999], wanted[0]);
    }
}

#[test]
fn what_cannot_be_played_is_refused_with_a_sentence() {
    let sound = [0; 16_000];
    for (file, wrong) in [
        (Vec::new(), BadMusic::NotWav),
        (b"RIFF\0\0\0\0WAVE".to_vec(), BadMusic::NotWav),
        (b"RIFF\0\0\0\0WAVEfmt \xff\xff\xff\xff\x01".to_vec(), BadMusic::NotWav),
        (b"RIFF\0\0\0\0WAVEdata\0\0\0\0".to_vec(), BadMusic::NotWav),
        (wav(1, 2, 8000, 16, &sound), BadMusic::Format),
        (wav(1, 1, 44_100, 16, &sound), BadMusic::Format),
        (wav(3, 1, 8000, 32, &sound), BadMusic::Format),
        (wav(1, 1, 8000, 16, &sound[..15_998]), BadMusic::Length),
    ] {
        assert_eq!(Music::from_wav(&file).err(), Some(wrong));
    }
}

#[test]
fn the_melody_is_quiet_and_has_no_seam() {
    let melody = Music::melody();
    let loudest = melody.samples.iter().map(|it| it.unsigned_abs()).max().unwrap();
    assert!((2_000..8_000).contains(&loudest), "{loudest}");
    let around = melody.samples.iter().zip(melody.samples.iter().cycle().skip(1));
    assert!(around.map(|(one, next)| (i32::from(*one) - i32::from(*next)).abs()).max() < Some(4_000), "no click");
    assert!(melody.samples.chunks(FRAME).all(|it| it.iter().any(|it| it.abs() > 50)), "no hole");
}

#[test]
fn ringback_is_a_second_of_tone_and_four_of_silence() {
    let ringback = Music::ringback();
    let loud: Vec<bool> = ringback.samples.chunks(FRAME).map(|it| it.iter().any(|it| it.abs() > 1_000)).collect();
    assert_eq!(loud, [[true; 50].as_slice(), &[false; 200]].concat());
    let crossings = ringback.samples[..8_000].windows(2).filter(|it| it[0] < 0 && it[1] >= 0).count();
    assert!((423..=425).contains(&crossings), "{crossings}");
}
