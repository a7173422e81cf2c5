//! The page of results. (Its plots are in `plot`.)

use crate::results::Results;

/// One self-contained page.
pub(crate) fn html(_: &Results) -> String {
    String::new()
}
