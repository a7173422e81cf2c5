//! Fuzz target; what it does stands in `ringway_fuzz::protocols::grpc_web_text`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| ringway_fuzz::protocols::grpc_web_text(input));
