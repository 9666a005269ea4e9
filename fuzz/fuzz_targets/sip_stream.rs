//! See `fuzzing::sip_stream`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzzing::sip_stream(data));
