//! The golden tables of PROXY headers, as bytes to be sent. What each must give is asserted beside the parser; here a fault's label is all.

#[path = "../../protocols/tests/support/cases.rs"]
mod cases;
#[path = "../../protocols/tests/support/wire.rs"]
mod wire;

const V1: &str = include_str!("../../protocols/tests/golden/proxy_v1.txt");
const V2: &str = include_str!("../../protocols/tests/golden/proxy_v2.txt");

/// A header that is refused.
pub(crate) struct Header {
    /// The label of its fault.
    pub(crate) fault: String,
    pub(crate) raw: Vec<u8>,
    pub(crate) name: String,
}

/// The bytes that words say; see the table of version 2.
pub(crate) fn bytes(words: &str) -> Vec<u8> {
    wire::bytes(words.as_bytes())
}

/// One header for each fault of the tables.
pub(crate) fn faults() -> Vec<Header> {
    let mut all = cases::cases(V1);
    all.extend(cases::cases(V2).into_iter().map(|case| cases::Case {
        raw: wire::bytes(&case.raw),
        ..case
    }));
    let mut faults: Vec<Header> = Vec::new();
    for case in all {
        let refused = !case.expected.starts_with("ok ") && !case.expected.starts_with("more ");
        if refused && faults.iter().all(|known| known.fault != case.expected) {
            faults.push(Header {
                fault: case.expected,
                raw: case.raw,
                name: case.name,
            });
        }
    }
    faults
}
