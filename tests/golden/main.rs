//! The conformance tables, run through the proxy against a recording origin: what must be forwarded, refused, relayed or
//! aborted, row by row. The rows are in `requests/` and `responses/`, readable without Rust; what each key means is told
//! in `requests.rs` and `responses.rs`.
#![forbid(unsafe_code)]

mod mutations;
mod requests;
mod responses;

/// All failures of a table at once, since one cause often shows in several rows.
pub(crate) fn report(table: &str, rows: usize, failures: &[String]) {
    assert!(
        failures.is_empty(),
        "{} of {rows} rows of {table} fail:\n\n{}\n",
        failures.len(),
        failures.join("\n\n")
    );
}

/// `name: value` of an expectation.
pub(crate) fn name_and_value(text: &str) -> (&str, &str) {
    text.split_once(':')
        .map_or((text, ""), |(name, value)| (name.trim(), value.trim()))
}

/// Statuses of `reject 400|501`.
pub(crate) fn statuses(text: &str) -> Vec<u16> {
    text.split('|')
        .map(|one| {
            one.trim()
                .parse()
                .unwrap_or_else(|_| panic!("`{one}` is no status"))
        })
        .collect()
}

/// The fields that a row names stand in this order.
pub(crate) fn in_order(names: &[&str], wanted: &str) -> Result<(), String> {
    let mut at = 0;
    for name in wanted.split(',').map(str::trim) {
        match names[at..].iter().position(|have| *have == name) {
            Some(found) => at += found + 1,
            None => {
                return Err(format!(
                    "field {name} is not there, in this spelling and order ({wanted}): {names:?}"
                ));
            }
        }
    }
    Ok(())
}
