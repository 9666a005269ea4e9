//! See `fuzzing::rtp`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzzing::rtp(data));
