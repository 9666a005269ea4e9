//! The two laws of G.711, written from the recommendation's description so that nothing of the server's is trusted here.

/// One sample as mu-law.
pub(crate) fn mu_law(sample: i16) -> u8 {
    let sign = if sample < 0 { 0x80 } else { 0 };
    let magnitude = i32::from(sample).abs().min(32_635) + 132;
    let exponent = (0..8).rev().find(|it| magnitude >= 1 << (it + 7)).unwrap_or(0);
    let mantissa = (magnitude >> (exponent + 3)) & 0x0f;
    !(sign | u8::try_from(exponent << 4 | mantissa).unwrap_or(0x7f))
}

/// The sample that a mu-law octet stands for.
pub(crate) fn from_mu_law(octet: u8) -> i16 {
    let bits = !octet;
    let (exponent, mantissa) = (i16::from(bits >> 4 & 7), i16::from(bits & 0x0f));
    let magnitude = (((mantissa << 3) + 132) << exponent) - 132;
    if bits & 0x80 == 0 { magnitude } else { -magnitude }
}

/// One sample as A-law.
pub(crate) fn a_law(sample: i16) -> u8 {
    let sign = if sample < 0 { 0 } else { 0x80 };
    let magnitude = i32::from(sample).abs().min(32_767) >> 3;
    let bits = if magnitude < 32 {
        magnitude >> 1
    } else {
        let exponent = (1..8).rev().find(|it| magnitude >= 1 << (it + 4)).unwrap_or(1);
        exponent << 4 | ((magnitude >> exponent) & 0x0f)
    };
    (sign | u8::try_from(bits).unwrap_or(0x7f)) ^ 0x55
}

/// The sample that an A-law octet stands for.
pub(crate) fn from_a_law(octet: u8) -> i16 {
    let bits = octet ^ 0x55;
    let (exponent, mantissa) = (i16::from(bits >> 4 & 7), i16::from(bits & 0x0f));
    let magnitude = if exponent == 0 { mantissa << 4 | 8 } else { (mantissa << 4 | 0x108) << (exponent - 1) };
    if bits & 0x80 == 0 { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_laws_give_back_what_went_in_within_their_steps() {
        for sample in (-32_000..32_000_i16).step_by(37) {
            let step = i32::from(sample).abs() / 16 + 40;
            for back in [from_mu_law(mu_law(sample)), from_a_law(a_law(sample))] {
                assert!((i32::from(back) - i32::from(sample)).abs() <= step, "{sample} came back as {back}");
            }
        }
    }

    #[test]
    fn g711_known_octets() {
        assert_eq!((mu_law(0), a_law(0)), (0xff, 0xd5));
        assert_eq!((from_mu_law(0x00), from_mu_law(0x80)), (-32_124, 32_124));
        assert_eq!((from_a_law(0x2a), from_a_law(0xaa)), (-32_256, 32_256));
    }
}
