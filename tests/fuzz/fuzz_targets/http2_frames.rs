//! Fuzz target; what it does stands in `ringway_fuzz::http2::http2_frames`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| ringway_fuzz::http2::http2_frames(input));
