//! What is counted of TLS: handshakes by how they ended. Not the page (`render.rs`).

use std::sync::LazyLock;

use ringway_tls::Fault;

use super::count::Count;

/// How a handshake ended.
#[derive(Debug, Clone, Copy)]
pub enum Handshake<'f> {
    /// Well, with certificates.
    Full,
    /// Well; an earlier session went on.
    Resumed,
    /// It took too long.
    Late,
    /// Badly. `Fault::Truncated` is for the end of a connection that had its handshake.
    Fault(&'f Fault),
}

/// Those that are no faults.
const OWN: [&str; 3] = ["full", "resumed", "timeout"];
const LABELS: usize = OWN.len() + Fault::LABELS.len();

/// The labels in the metrics, in the order of their cells.
pub(super) static HANDSHAKE_LABELS: LazyLock<[&'static str; LABELS]> = LazyLock::new(|| {
    let mut labels = OWN.iter().chain(&Fault::LABELS);
    std::array::from_fn(|_| labels.next().copied().unwrap_or_default())
});

impl Handshake<'_> {
    fn index(self) -> usize {
        match self {
            Handshake::Full => 0,
            Handshake::Resumed => 1,
            Handshake::Late => 2,
            Handshake::Fault(fault) => OWN.len() + fault.index(),
        }
    }
}

/// A count for each ending.
#[derive(Debug)]
pub(super) struct Handshakes([Count; LABELS]);

impl Default for Handshakes {
    fn default() -> Self {
        Handshakes(std::array::from_fn(|_| Count::default()))
    }
}

impl Handshakes {
    pub(super) fn add(&self, ended: Handshake<'_>) {
        self.0[ended.index()].add(1);
    }

    pub(super) fn get(&self, index: usize) -> u64 {
        self.0[index].get()
    }

    /// Those that ended badly, together.
    pub(super) fn failed(&self) -> u64 {
        self.0[2..]
            .iter()
            .fold(0, |sum, c| sum.wrapping_add(c.get()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_ending_has_its_label() {
        let cases = [
            (Handshake::Full, "full"),
            (Handshake::Resumed, "resumed"),
            (Handshake::Late, "timeout"),
            (Handshake::Fault(&Fault::PlainHttp), "plain_http"),
            (
                Handshake::Fault(&Fault::Internal(String::new())),
                "internal",
            ),
        ];
        for (ended, label) in cases {
            assert_eq!(HANDSHAKE_LABELS[ended.index()], label);
        }
        let counts = Handshakes::default();
        cases.iter().for_each(|(ended, _)| counts.add(*ended));
        assert_eq!(counts.failed(), 3);
    }
}
