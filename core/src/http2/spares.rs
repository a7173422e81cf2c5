//! Memory for the fields of heads that come, used again by all connections of a worker: many heads may come in one turn of its loop.

use std::cell::RefCell;

use ringway_protocols::http2::hpack::Fields;

/// Lists that are kept.
const MOST: usize = 256;
/// Larger ones are not.
const MOST_OCTETS: usize = 4 * 1024;

thread_local! {
    static SPARES: RefCell<Vec<Fields>> = const { RefCell::new(Vec::new()) };
}

/// An empty list.
pub(super) fn take() -> Fields {
    let spare = SPARES.with_borrow_mut(Vec::pop);
    spare.unwrap_or_default()
}

/// One that was read.
pub(crate) fn give(mut fields: Fields) {
    if fields.list_size() <= MOST_OCTETS {
        SPARES.with_borrow_mut(|spares| {
            if spares.len() < MOST {
                fields.clear();
                spares.push(fields);
            }
        });
    }
}
