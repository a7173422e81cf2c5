//! Measurements of Ringway.
fn main() {}
