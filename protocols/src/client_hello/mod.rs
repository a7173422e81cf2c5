//! What a TLS client says first, read without answering it: the name that it wants and the protocols that it offers.
//!
//! Not here: TLS. Keys, versions and most extensions are for the server that gets these bytes; where they break the rules it will
//! say so, to the client, in an alert.
//!
//! `records` finds the message (RFC 8446 section 5.1), `message` takes it apart (section 4.1.2), `server_name` judges the name.
//!
//! With Encrypted ClientHello the name is the one that the outer hello shows, which is what is meant for proxies. Key shares of
//! post-quantum exchanges make hellos of 1,500 to 2,000 bytes, and so of more than one segment.

mod fault;
mod message;
mod records;
mod server_name;

pub use fault::HelloFault;
pub use message::ClientHello;
pub use records::{RECORDS, bytes_at_most};
pub use server_name::ServerName;

/// A limit for `read`: 16 KiB of handshake message. Real ones have 200 to 2,000 bytes; what is larger carries session tickets.
pub const HELLO_BYTES: usize = 16 * 1024;

/// What the bytes of a connection begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "one per connection, looked at where it was made; a box would be an allocation"
)]
pub enum Reading<'a> {
    /// The beginning of a ClientHello. Calling again with fewer than `at_least` bytes from the first one on cannot give a hello.
    More {
        /// Always more than there are, never more than [`bytes_at_most`], and at least up to the end of what is known to come:
        /// whoever waits for it calls at most two times per record.
        at_least: usize,
    },
    /// A ClientHello.
    Hello(ClientHello<'a>),
    /// Not TLS at all: the first two octets are not `16 03`. (Also the hello of SSL 2.0, which is long dead.)
    NotTls,
}

/// Read the ClientHello at the beginning of a connection; `bytes` are all bytes since then, also those of earlier calls.
///
/// Its message may have `limit` bytes with its header of four ([`HELLO_BYTES`]). A hello in one record is read in place; one that
/// is split over records is put together in `scratch`, which is cleared first. Any prefix of some bytes gives `More` or the answer
/// for the whole.
pub fn read<'a>(
    bytes: &'a [u8],
    limit: usize,
    scratch: &'a mut Vec<u8>,
) -> Result<Reading<'a>, HelloFault> {
    match bytes {
        [] | [0x16] | [0x16, 3, ..] => {}
        _ => return Ok(Reading::NotTls),
    }
    let message = match records::find(bytes, limit)? {
        records::Found::More { at_least } => return Ok(Reading::More { at_least }),
        records::Found::InOne(message) => message,
        records::Found::Split { length } => {
            records::join(bytes, length, scratch);
            scratch
        }
    };
    message::read(message).map(Reading::Hello)
}
