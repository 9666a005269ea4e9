//! See `fuzzing::sip_datagrams`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzzing::sip_datagrams(data));
