//! Every reason to call a header block undecodable. Each ends the connection (COMPRESSION_ERROR, RFC 9113 section 4.3): the tables are no
//! longer known to be the same.
//!
//! Not here: fields that are decoded and may not be (`HeadFault`), and lists that are too long (`Fields::is_over`).

faults! {
    /// Why a header block could not be decoded.
    HpackFault:
    Truncated "hpack_truncated" "the header block ends within a field (RFC 7541 5)";
    Integer "hpack_integer" "a number of more than four octets behind its prefix (RFC 7541 5.1)";
    Index "hpack_index" "an index beyond both tables, or none (RFC 7541 2.3.3, 6.1)";
    Eos "hpack_huffman_eos" "a Huffman-coded string holds EOS (RFC 7541 5.2)";
    PaddingLength "hpack_huffman_padding_length" "a Huffman-coded string has more than seven bits of padding (RFC 7541 5.2)";
    PaddingBits "hpack_huffman_padding_bits" "the padding of a Huffman-coded string is not all ones (RFC 7541 5.2)";
    SizeTooLarge "hpack_size_too_large" "the table's size is set to more than was allowed (RFC 7541 6.3)";
    SizeLate "hpack_size_late" "the table's size is set behind a field (RFC 7541 4.2)";
    SizeRepeated "hpack_size_repeated" "the table's size is set more than twice in a block (RFC 7541 4.2)";
    SizeMissing "hpack_size_missing" "the table stays larger than acknowledged SETTINGS allow (RFC 7541 4.2)";
    Copies "hpack_copies" "names of the table are taken again and again by fields beyond the limit (RFC 7541 7.3)";
}
