//! Which cell counts which refusal of what a client sent: one for each fault that the parsers tell apart.
//!
//! Not the cells (`cells`).

use std::sync::LazyLock;

use ringway_protocols::client_hello::HelloFault;
use ringway_protocols::grpc_web::TextFault;
use ringway_protocols::http1::{ChunkFault, RequestFault};
use ringway_protocols::http2::{Flood, HeadFault};
use ringway_protocols::proxy_header::ProxyFault;

use crate::proxied;

/// Room for the labels of protocol errors; arbitrary, some more than the number of faults that the parsers tell apart.
pub(super) const PROTOCOL_ERRORS: usize = 128;

/// Refusals that are not the parsers': a path that cannot be normalised, a connection from where no PROXY header may come, frames of HTTP/2 that
/// were not understood, a header block of it without an end.
const OWN_ERRORS: [&str; 4] = ["path", proxied::SOURCE_LABEL, "h2_frames", "h2_flood_other"];

/// Labels of the protocol errors, in the order of their cells; the last one is `other`.
pub(super) static PROTOCOL_ERROR_LABELS: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let requests = RequestFault::ALL.iter().map(|f| f.label());
    let chunks = ChunkFault::ALL.iter().map(|f| f.label());
    let headers = ProxyFault::ALL.iter().map(|f| f.label());
    let hellos = HelloFault::ALL.iter().map(|f| f.label());
    let heads = HeadFault::ALL.iter().map(|f| f.label());
    let floods = Flood::ALL.iter().map(|f| f.label());
    let texts = TextFault::ALL.iter().map(|f| f.label());
    let all = requests.chain(chunks).chain(OWN_ERRORS).chain(texts);
    let all = all.chain(heads).chain(floods);
    table_of(all.chain(headers).chain(hellos))
});

/// Each label once, cut to the room that there is, `other` at the end.
fn table_of(labels: impl Iterator<Item = &'static str>) -> Vec<&'static str> {
    let mut table: Vec<&'static str> = Vec::new();
    for label in labels {
        if label != "other" && table.len() < PROTOCOL_ERRORS - 1 && !table.contains(&label) {
            table.push(label);
        }
    }
    table.push("other");
    table
}

/// The cell of a label; that of `other` if there is none.
pub(super) fn index(label: &str) -> usize {
    index_in(&PROTOCOL_ERROR_LABELS, label)
}

fn index_in(table: &[&str], label: &str) -> usize {
    table
        .iter()
        .position(|l| *l == label)
        .unwrap_or(table.len() - 1)
}

#[cfg(test)]
mod tests {
    use super::super::cells::ListenerCell;
    use super::*;

    #[test]
    fn error_labels_have_a_cell_each_and_strangers_share_one() {
        let table = table_of(["a", "b", "a", "other"].into_iter());
        assert_eq!(table, ["a", "b", "other"]);
        assert_eq!(index_in(&table, "b"), 1);
        assert_eq!(index_in(&table, "?"), 2);
        let many: Vec<&'static str> = (0..200).map(|i| &*format!("e{i}").leak()).collect();
        assert_eq!(table_of(many.into_iter()).len(), PROTOCOL_ERRORS);
    }

    #[test]
    fn every_fault_of_the_parser_has_a_cell_of_its_own() {
        let faults = RequestFault::ALL
            .iter()
            .map(|f| f.label())
            .chain(ChunkFault::ALL.iter().map(|f| f.label()))
            .chain(ProxyFault::ALL.iter().map(|f| f.label()))
            .chain(HeadFault::ALL.iter().map(|f| f.label()))
            .chain(Flood::ALL.iter().map(|f| f.label()))
            .chain(TextFault::ALL.iter().map(|f| f.label()))
            .chain(OWN_ERRORS);
        let mut seen = std::collections::HashSet::new();
        let cell = ListenerCell::default();
        for label in faults {
            assert!(
                PROTOCOL_ERROR_LABELS.contains(&label),
                "{label}: raise PROTOCOL_ERRORS"
            );
            assert!(seen.insert(label), "{label}: two faults share a cell");
            cell.protocol_error(label);
        }
        cell.protocol_error("never heard of");
        let other = PROTOCOL_ERROR_LABELS.len() - 1;
        assert_eq!(cell.protocol_errors[other].get(), 1);
    }
}
