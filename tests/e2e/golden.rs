//! The golden tables of PROXY headers and ClientHellos, as bytes to be sent. What each must give is asserted beside the parser; here a fault's label is all.

#[path = "../../protocols/tests/support/cases.rs"]
mod cases;
#[path = "../../protocols/tests/support/wire.rs"]
mod wire;

const V1: &str = include_str!("../../protocols/tests/golden/proxy_v1.txt");
const V2: &str = include_str!("../../protocols/tests/golden/proxy_v2.txt");
const HELLOS: &str = include_str!("../../protocols/tests/golden/client_hello.txt");

/// A beginning that is refused.
pub(crate) struct Refused {
    /// The label of its fault.
    pub(crate) fault: String,
    pub(crate) raw: Vec<u8>,
    pub(crate) name: String,
}

/// The bytes that words say; see the table of version 2.
pub(crate) fn bytes(words: &str) -> Vec<u8> {
    wire::bytes(words.as_bytes())
}

/// One PROXY header for each fault of the tables.
pub(crate) fn faults() -> Vec<Refused> {
    let mut all = cases::cases(V1);
    all.extend(in_words(V2));
    one_for_each_fault(all)
}

/// One ClientHello for each fault of the table.
pub(crate) fn hello_faults() -> Vec<Refused> {
    one_for_each_fault(in_words(HELLOS).collect())
}

fn in_words(table: &str) -> impl Iterator<Item = cases::Case> {
    cases::cases(table).into_iter().map(|case| cases::Case {
        raw: wire::bytes(&case.raw),
        ..case
    })
}

fn one_for_each_fault(all: Vec<cases::Case>) -> Vec<Refused> {
    let mut faults: Vec<Refused> = Vec::new();
    for case in all {
        let taken = ["ok ", "more ", "not_tls"];
        let refused = !taken.iter().any(|word| case.expected.starts_with(word));
        if refused && faults.iter().all(|known| known.fault != case.expected) {
            faults.push(Refused {
                fault: case.expected,
                raw: case.raw,
                name: case.name,
            });
        }
    }
    faults
}
