//! `Connection`: what it asks of this connection, and which fields end here because it names them (RFC 9110 section 7.6.1).
//!
//! Not here: the decision to keep a connection; see `Request::keep_alive` and `Response::keep_alive`.

use super::Version;
use super::field::{Known, survives_connection};
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
    /// RFC 9112 section 9.3.
    pub(crate) fn persists(self, version: Version) -> bool {
        !self.close && (version == Version::Http11 || self.keep_alive)
    }
}

/// Read all `Connection` fields of a table and mark the fields that they name.
pub(crate) fn read(table: &mut FieldTable, bytes: &[u8]) -> Result<(), LineFault> {
    if !table.has(Known::Connection) {
        return Ok(());
    }
    let mut options = ConnectionOptions::default();
    let mut count = 0;
    for index in 0..table.fields().len() {
        let Some(field) = table.fields().get(index) else {
            break;
        };
        if field.known != Known::Connection {
            continue;
        }
        let value = field.value;
        for option in elements(value.of(bytes)) {
            count += 1;
            if count > OPTIONS_MAX {
                return Err(LineFault::TooManyConnectionOptions);
            }
            if option.eq_ignore_ascii_case(b"close") {
                options.close = true;
            } else if option.eq_ignore_ascii_case(b"keep-alive") {
                options.keep_alive = true;
            } else if option.eq_ignore_ascii_case(b"upgrade") {
                options.upgrade = true;
            } else if !survives_connection(option) {
                mark(table, bytes, option);
            }
        }
    }
    table.connection = options;
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
