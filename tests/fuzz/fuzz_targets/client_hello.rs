//! Fuzz target; what it does stands in `ringway_fuzz::l4::client_hello`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| ringway_fuzz::l4::client_hello(input));
