//! What strangers can send, each kind as a function that takes any octets: it panics where a promise is broken, and else
//! comes to an end soon.
//!
//! `fuzz/` runs these under libFuzzer; the tests here replay its corpora and a seeded crowd of mutations of them.

mod bayeux;
mod rest;
mod rtp;
mod sdp;
mod sip;

pub use self::{
    bayeux::bayeux,
    rest::rest,
    rtp::rtp,
    sdp::sdp,
    sip::{sip_datagrams, sip_stream},
};

/// One kind of input: its name, which is also that of its corpus, and its function.
pub type Target = (&'static str, fn(&[u8]));

/// All kinds.
pub const TARGETS: [Target; 6] = [
    ("sip_datagrams", sip_datagrams),
    ("sip_stream", sip_stream),
    ("sdp", sdp),
    ("rtp", rtp),
    ("bayeux", bayeux),
    ("rest", rest),
];

/// The parts of an input that holds several messages, divided by lines of `====`.
fn parts(data: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    let mut rest = data;
    while let Some(at) = rest.windows(MARK.len()).position(|it| it == MARK) {
        parts.push(&rest[..at]);
        rest = &rest[at + MARK.len()..];
    }
    parts.push(rest);
    parts.truncate(PARTS_MAX);
    parts
}

const MARK: &[u8] = b"\n====\n";
/// Longer stories only take time.
const PARTS_MAX: usize = 12;
