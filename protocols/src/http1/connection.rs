//! `Connection`: what it asks of this connection, and which fields end here because it names them (RFC 9110 section 7.6.1).
//!
//! Not here: the decision to keep a connection; see `Request::keep_alive` and `Response::keep_alive`.

use super::Version;
use super::field::{Known, is, survives_connection};
use super::line::LineFault;
use super::octets::elements;
use super::table::FieldTable;

/// Options beyond this many are refused: each is compared with each field, and no honest sender comes near.
const OPTIONS_MAX: usize = 64;

/// The options that mean something to us.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct ConnectionOptions {
    pub(crate) close: bool,
    pub(crate) keep_alive: bool,
    pub(crate) upgrade: bool,
}

impl ConnectionOptions {
    /// Note an option that means something to us; false for any other.
    #[inline]
    fn take(&mut self, option: &[u8]) -> bool {
        match option.len() {
            5 if is(option, b"close") => self.close = true,
            10 if is(option, b"keep-alive") => self.keep_alive = true,
            7 if is(option, b"upgrade") => self.upgrade = true,
            _ => return false,
        }
        true
    }

    /// RFC 9112 section 9.3.
    pub(crate) fn persists(self, version: Version) -> bool {
        !self.close && (version != Version::Http10 || self.keep_alive)
    }
}

/// Read all `Connection` fields of a table and mark the fields that they name.
#[inline]
pub(crate) fn read(table: &mut FieldTable, bytes: &[u8]) -> Result<(), LineFault> {
    let Some(first) = table.position(Known::Connection) else {
        return Ok(());
    };
    let last = match table.repeats(Known::Connection) {
        true => table.fields().len(),
        false => first + 1,
    };
    let mut count = 0;
    for index in first..last {
        let field = table.fields().get(index);
        let Some(field) = field.filter(|field| field.known == Known::Connection) else {
            continue;
        };
        let value = field.value.of(bytes);
        // Most have one option; for these the machinery of a list is not set going.
        if table.connection.take(value) {
            count += 1;
            continue;
        }
        for option in elements(value) {
            count += 1;
            if !table.connection.take(option) && !survives_connection(option) {
                mark(table, bytes, option);
            }
            if count > OPTIONS_MAX {
                return Err(LineFault::TooManyConnectionOptions);
            }
        }
    }
    Ok(())
}

/// Fields that the proxy treats specially are decided where they are written, so only the others are marked.
fn mark(table: &mut FieldTable, bytes: &[u8], option: &[u8]) {
    for field in table.fields_mut() {
        if field.known == Known::Other && field.name.of(bytes).eq_ignore_ascii_case(option) {
            field.ends_here = true;
        }
    }
}
