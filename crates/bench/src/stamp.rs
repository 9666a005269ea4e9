//! What a packet of the generator's carries: who sent it, as which of his packets, and when, exact to the microsecond.
//!
//! A stamp is written in mu-law octets that come out of a mix as they went in, as long as the others in it are silent:
//! each stands for a loud sample, and none is 0x7F, which a mixer turns into 0xFF.

/// A stamp's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Which leg of the generator sent it.
    pub(crate) leg: u16,
    /// Its number among that leg's packets.
    pub(crate) number: u32,
    /// When, in microseconds since the generator started.
    pub(crate) at_us: u64,
}

/// Writes the stamp to the beginning of a payload.
pub(crate) fn write(stamp: Stamp, payload: &mut [u8]) {
    let Some(room) = payload.first_chunk_mut::<OCTETS>() else { return };
    let (mark, digits) = room.split_at_mut(MARK.len());
    mark.copy_from_slice(&MARK);
    let number = u64::from(stamp.number) & 0xFF_FFFF;
    let whole = u128::from(stamp.leg) << 64 | u128::from(number) << 40 | u128::from(stamp.at_us) & 0xFF_FFFF_FFFF;
    for (place, octet) in digits.iter_mut().rev().enumerate() {
        *octet = DIGIT | (whole >> (4 * place)) as u8 & 0xF;
    }
}

/// The first whole stamp in a stretch of sound, and where it begins.
pub(crate) fn find(sound: &[u8]) -> Option<(usize, Stamp)> {
    let start = sound.windows(OCTETS).position(|it| it.starts_with(&MARK))?;
    read(sound.get(start..)?).map(|it| (start, it))
}

/// The stamp at the very beginning of a payload.
pub(crate) fn read(payload: &[u8]) -> Option<Stamp> {
    let digits = payload.strip_prefix(&MARK)?.get(..OCTETS - MARK.len())?;
    let mut whole = 0_u128;
    for octet in digits {
        if octet & 0xF0 != DIGIT {
            return None;
        }
        whole = whole << 4 | u128::from(octet & 0xF);
    }
    let (number, at_us) = ((whole >> 40) as u32 & 0xFF_FFFF, whole as u64 & 0xFF_FFFF_FFFF);
    Some(Stamp { leg: (whole >> 64) as u16, number, at_us })
}

/// How much room a stamp takes: three milliseconds of sound.
pub(crate) const OCTETS: usize = 24;
/// The mu-law octet of silence.
pub(crate) const SILENCE: u8 = 0xFF;
const MARK: [u8; 4] = [0x80, 0x84, 0x88, 0x8C];
const DIGIT: u8 = 0xB0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_found_wherever_it_lies() {
        let stamp = Stamp { leg: 2_999, number: 0xAB_CDEF, at_us: 123_456_789_012 };
        let mut sound = [SILENCE; 160];
        write(stamp, &mut sound[100..]);
        assert_eq!(find(&sound), Some((100, stamp)));
        assert_eq!(read(&sound[100..]), Some(stamp));
        assert_eq!(read(&sound), None);
        assert_eq!(find(&sound[..120]), None);
        sound[110] = SILENCE;
        assert_eq!(find(&sound), None);
    }
}
