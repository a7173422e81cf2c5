//! HPACK (RFC 7541): the fields of HTTP/2 as octets of a header block, and back, without a value of its own for each field.
//!
//! Not here: frames, so a block is whole when it comes in; what a field may be named or say (`super::field` judges that).
//!
//! A connection has one [`Decoder`] and one [`Encoder`], and each keeps a table in step with the peer's. So each block that came is decoded, in
//! order, also that of a stream nobody cares for; and each block that was encoded is sent. After a fault the connection is over.

mod decoder;
mod encoder;
mod fault;
mod fields;
mod huffman;
mod integer;
mod lookup;
mod static_table;
mod table;

pub use decoder::Decoder;
pub use encoder::{Encoder, Indexing};
pub use fault::HpackFault;
pub use fields::Fields;

/// What SETTINGS_HEADER_TABLE_SIZE is before anybody has said something else (RFC 9113 section 6.5.2).
const INITIAL_TABLE_SIZE: usize = 4_096;
/// What a field counts beside its octets, in a table and in a list (RFC 7541 section 4.1, RFC 9113 section 6.5.2).
const FIELD_OVERHEAD: usize = 32;
